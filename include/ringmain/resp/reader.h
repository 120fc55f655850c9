// ringmain/resp/reader.h - the values of a response that lies in one piece, one after the other.
//
// For responses that a parser has accepted before, of any nesting: an aggregate is a header, and
// its elements are the values that follow. Views borrow the text.

#pragma once

#include "ringmain/resp/response_parser.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmain::resp {

struct Value {
    char type = 0;         // its first byte, one of + - : $ * _ , # ! = ( % ~ >
    bool is_null = false;  // "*-1", "$-1" or "_"
    int64_t number = 0;    // of ':'; the count of elements of an aggregate: of '%' twice its pairs
    std::string_view text{};  // of a line or bulk, without header; of '=' without its "txt:"

    [[nodiscard]] bool is_bulk() const { return type == '$' && !is_null; }

    [[nodiscard]] bool is_error() const { return is_error_type(type); }

    [[nodiscard]] bool is_aggregate() const {
        return type == '*' || type == '~' || type == '%' || type == '>';
    }
};

class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}

    // Nothing at the end, and where the text ends within a value.
    [[nodiscard]] std::optional<Value> next();

    // The next value with all that is in it; empty at the end.
    [[nodiscard]] std::string_view next_whole();

  private:
    [[nodiscard]] std::optional<std::string_view> line();

    std::string_view rest_;
};

}  // namespace ringmain::resp
