// ringmain/config/errors.h - every error that ringmain can send, its cause and what to do about it.
//
// What a server says is passed on as it is and stands in no table of ours.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::config {

struct ErrorRow {
    enum class Kind : uint8_t {
        Section,  // `text` is a title, `cause` how its lines look, `remedy` the same to memcached's
        Server,   // behind "ringmain: server NAME (ADDRESS) "
        Own,      // behind "ringmain: "
        Line,     // whole
    };

    Kind kind = Kind::Line;
    std::string_view text;  // "{}" is anything
    std::string_view cause;
    std::string_view remedy;
};

[[nodiscard]] std::span<const ErrorRow> error_table();

// Whether the row tells of this line, which is without its end.
[[nodiscard]] bool fits(const ErrorRow& row, std::string_view line);

// What `ringmain help errors` prints and conf/errors.txt holds.
[[nodiscard]] std::string errors_help();

}  // namespace ringmain::config
