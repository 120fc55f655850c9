// ringmain/resp/request_parser.h - cuts a client's byte stream into requests.
//
// Fed piece by piece, wherever the kernel cut the stream; never looks at a byte twice and never
// scans a body: it is skipped by its length. Accepts an array of bulk strings or an inline line,
// each exactly as redis does (networking.c), or stricter where redis is lax: a header has one
// spelling only, so an accepted frame may be forwarded as it came.
//
//   parser.feed(bytes) -> Complete, consumed    frame() describes it; call next() before more
//                      -> NeedMore              all of `bytes` belongs to the unfinished frame
//                      -> Error                 error() is the text for the client; then close
//
// A frame with argument_count 0 ("*0\r\n", "*-1\r\n", an empty line) is to be ignored silently.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ringmain/protocol/frame.h"

namespace ringmain::resp {

struct RequestLimits {
    uint32_t arguments_max = 1024 * 1024;
    uint64_t bulk_size_max = 512ULL * 1024 * 1024;
    uint64_t request_size_max = 1024ULL * 1024 * 1024;  // below 4 GiB: offsets are 32 bits
    uint32_t inline_size_max = 64 * 1024;
};

// The limits of redis for a connection that has not authenticated (CVE-2021-32675).
inline constexpr uint32_t unauthenticated_arguments_max = 10;
inline constexpr uint64_t unauthenticated_bulk_size_max = 16384;

struct RequestFrame {
    static constexpr uint32_t arguments_kept = 8;

    uint32_t size = 0;            // bytes from the first '*' to the last '\n'
    uint32_t argument_count = 0;  // of an array; 0 for an inline line that is not empty, too
    bool is_inline = false;       // a line: see resp/inline.h for its arguments
    // Places of the first arguments, from the frame's first byte. More: resp/arguments.h.
    std::array<ByteRange, arguments_kept> arguments = {};
};

class RequestParser {
  public:
    explicit RequestParser(const RequestLimits& limits) : limits_(&limits) {}

    [[nodiscard]] Fed feed(std::string_view bytes);

    // Valid after Complete, until next().
    [[nodiscard]] const RequestFrame& frame() const { return frame_; }

    // Starts the next frame.
    void next();

    // Of the unfinished frame: bytes that are known to be still missing (the rest of a bulk and
    // its line end), for whoever stores them. 0 while in a header.
    [[nodiscard]] uint64_t bytes_missing() const;

    // Redis's text behind "-ERR Protocol error: ", without line end. Valid after Error.
    [[nodiscard]] std::string_view error() const;

    // Before AUTH on a pool with a password the limits above hold.
    void set_authenticated(bool authenticated) { authenticated_ = authenticated; }
};

}  // namespace ringmain::resp
