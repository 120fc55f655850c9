// ringmain/memcached/response_parser.h - cuts a server's byte stream into memcached responses.
//
// A response is one line; or VALUE blocks up to END; or STAT lines up to END; or VA with its data
// block. Same contract as the request parser.

#pragma once

#include <cstdint>
#include <string_view>

#include "ringmain/protocol/frame.h"

namespace ringmain::memcached {

enum class ResponseKind : uint8_t {
    Line,    // STORED, DELETED, 42, HD ..., OK, VERSION ..., ME ...
    Values,  // zero or more VALUE blocks and END
    Stats,   // one or more STAT lines and END
    MetaValue,  // VA
    Error,   // ERROR, CLIENT_ERROR ..., SERVER_ERROR ...: also in the middle of Values
};

struct ResponseFrame {
    uint64_t size = 0;
    ResponseKind kind = ResponseKind::Line;
    uint32_t value_count = 0;      // of Values
    uint32_t first_line_size = 0;  // with its line end; 0 for a bare END
    // First two letters of the line, upper half first: ('H' << 8) | 'D'. For quiet meta commands.
    uint16_t code = 0;
};

class ResponseParser {
  public:
    [[nodiscard]] Fed feed(std::string_view bytes);
    [[nodiscard]] const ResponseFrame& frame() const { return frame_; }
    void next();
    [[nodiscard]] bool at_start() const;
    [[nodiscard]] std::string_view error() const;
};

}  // namespace ringmain::memcached
