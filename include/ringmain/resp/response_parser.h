// ringmain/resp/response_parser.h - cuts a server's byte stream into responses.
//
// Every type of RESP2 and RESP3, nested to any depth: it only counts how many values are still
// missing, so there is no stack and no recursion. Bodies are skipped by their length. An attribute
// ("|") belongs to the response that follows it. Streamed types ("$?", "*?") are refused: no server
// sends them. Same contract as the request parser.

#pragma once

#include <cstdint>
#include <string_view>

#include "ringmain/protocol/frame.h"

namespace ringmain::resp {

struct ResponseFrame {
    uint64_t size = 0;
    // First byte of the response proper (after attributes): one of + - : $ * _ , # ! = ( % ~ >
    char type = 0;
    // "*-1", "$-1" or "_".
    bool is_null = false;
    // Value of ':'; length of '$', '!', '='; element count of '*', '~', '>', pairs of '%'.
    int64_t number = 0;
};

class ResponseParser {
  public:
    [[nodiscard]] Fed feed(std::string_view bytes);

    // Valid after Complete, until next().
    [[nodiscard]] const ResponseFrame& frame() const { return frame_; }
    void next();

    // True between frames: the next byte starts a response.
    [[nodiscard]] bool at_start() const;

    // What is wrong, for the log. Valid after Error.
    [[nodiscard]] std::string_view error() const;
};

}  // namespace ringmain::resp
