// ringmain/memcached/server_version.h - what a server's answer to "version" says about it.
//
// `ms KEY SIZE FLAGS` is memcached's since 1.6.10. Releases before that read the line in another
// way (1.6.0 to 1.6.9: the size was a flag) or not at all, answer an error, and take the data that
// follows for commands. 1.6.10 to 1.6.12 answer `ms` with flag c in mode A or P, and with a cas
// that is not the item's, by the cas of the request, and `md` with flag C by EX whatever it is
// (memcached's issues 842 and 844).

#pragma once

#include <cstdint>
#include <string_view>

namespace ringmain::memcached {

// TooOld: may be sent no `ms`. Flawed: those whose cas is wrong. Right: newer ones, and whatever is
// none of memcached's releases.
enum class MetaSupport : uint8_t { TooOld, Flawed, Right };

// Of whoever answers so. `answer` is the line without its end.
[[nodiscard]] MetaSupport meta_support(std::string_view answer);

// "1.6.9" of "VERSION 1.6.9"; all of it where it begins otherwise.
[[nodiscard]] std::string_view version_in(std::string_view answer);

}  // namespace ringmain::memcached
