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
// A frame with argument_count 0 that is not inline ("*0\r\n", "*-1\r\n", a blank line) is to be
// ignored silently. A request beyond request_size_max is no Error: the parser counts it to its end
// while discarding() says that nobody need keep its bytes, and completes it as `oversized`; the
// connection stays usable.

#pragma once

#include "ringmain/protocol/frame.h"
#include "ringmain/resp/body.h"
#include "ringmain/resp/number.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace ringmain::resp {

struct RequestLimits {
    uint32_t arguments_max = INT32_MAX;
    uint64_t bulk_size_max = 512ULL * 1024 * 1024;
    uint64_t request_size_max = 1024ULL * 1024 * 1024;  // below 4 GiB: offsets are 32 bits
    uint32_t inline_size_max = 64 * 1024;
    uint32_t name_size_max = 1024 * 1024;  // of the first argument: no command is called so
};

// For requests that were within their limits once, and for what we have written ourselves.
inline constexpr RequestLimits no_limits = {.arguments_max = UINT32_MAX,
                                            .bulk_size_max = UINT32_MAX,
                                            .request_size_max = UINT32_MAX,
                                            .inline_size_max = UINT32_MAX,
                                            .name_size_max = UINT32_MAX};

// The limits of redis for a connection that has not authenticated (CVE-2021-32675).
inline constexpr uint32_t unauthenticated_arguments_max = 10;
inline constexpr uint64_t unauthenticated_bulk_size_max = 16384;

struct RequestFrame {
    static constexpr uint32_t arguments_kept = 8;

    uint32_t size = 0;            // bytes from the first '*' to the last '\n'
    uint32_t argument_count = 0;  // of an array; 0 for an inline line that is not empty, too
    bool is_inline = false;       // a line: see resp/inline.h for its arguments
    bool oversized = false;       // beyond request_size_max: size and arguments mean nothing
    bool long_name = false;       // oversized, and that because of name_size_max
    // Places of the first arguments, from the frame's first byte; those beyond argument_count mean
    // nothing. More: resp/arguments.h.
    std::array<ByteRange, arguments_kept> arguments = {};
};

class RequestParser {
  public:
    explicit RequestParser(const RequestLimits& limits);

    // Others from now on; also in the middle of a frame.
    void set_limits(const RequestLimits& limits) { limits_ = &limits; }

    // After Error every further feed() is an Error.
    [[nodiscard]] Fed feed(std::string_view bytes);

    // Valid after Complete, until next().
    [[nodiscard]] const RequestFrame& frame() const { return frame_; }

    // Starts the next frame.
    void next() {
        state_ = State::Start;
        position_ = 0;
    }

    // No byte of a frame has been fed.
    [[nodiscard]] bool at_start() const { return state_ == State::Start && position_ == 0; }

    // Of the unfinished frame: bytes that are known to be still missing (the rest of a bulk and
    // its line end), for whoever stores them. 0 while in a header.
    [[nodiscard]] uint64_t bytes_missing() const {
        return state_ == State::Body ? body_.missing() : 0;
    }

    // While in a body: the place of the argument that it is.
    [[nodiscard]] uint32_t argument_index() const {
        return frame_.argument_count - arguments_left_;
    }

    // True while an oversized request passes by: none of its bytes need be kept, not even those
    // that came before this was known.
    [[nodiscard]] bool discarding() const { return state_ != State::Start && frame_.oversized; }

    // Redis's text behind "-ERR Protocol error: ", without line end. Valid after Error. Empty when
    // the client is no redis client but a browser that was tricked into talking to this port (the
    // line starts with "POST" or "Host:"): close without an answer.
    [[nodiscard]] std::string_view error() const;

    // Before AUTH on a pool with a password the limits above hold.
    void set_authenticated(bool authenticated) { authenticated_ = authenticated; }

  private:
    //   Start -> Count -> CountEnd -> Argument -> Length -> LengthEnd -> Body -> Argument or Done
    //   Start -> Line -> Done
    enum class State : uint8_t {
        Start,
        Count,      // the digits behind '*'
        CountEnd,   // its '\n'
        Argument,   // '$'
        Length,     // the digits behind '$'
        LengthEnd,  // its '\n'
        Body,       // a bulk and its line end
        Line,       // inline
        Done,
        Failed,
    };

    enum class Problem : uint8_t {
        None,
        InvalidCount,
        InvalidLength,
        EndlessCount,
        EndlessLength,
        EndlessLine,
        NoDollar,
        NoLineEnd,
        TooManyBeforeAuth,
        TooLongBeforeAuth,
        CrossProtocol,
    };

    // The beginning of an inline line's first word: enough to know "post" and "host:".
    struct FirstWord {
        std::array<char, 6> text = {};
        uint8_t size = 0;
        bool ended = false;

        void take(char byte);
        [[nodiscard]] bool is_http() const;
    };

    size_t take_whole(std::string_view bytes);
    Fed resume(std::string_view bytes);
    size_t step(std::string_view bytes);
    size_t start(char byte);
    size_t take_digit(char byte);
    size_t take_arguments(std::string_view bytes);
    size_t take_header(std::string_view bytes);
    size_t take_body(std::string_view bytes);
    size_t take_line(std::string_view bytes);
    void begin_array();
    [[nodiscard]] uint64_t bulk_size_max() const;
    void begin_body(uint64_t size, uint64_t header_size);
    void keep_argument(uint64_t offset, uint64_t size);
    void end_line();
    void finish();
    void fail(Problem problem);

    const RequestLimits* limits_;
    State state_ = State::Start;
    Problem problem_ = Problem::None;
    bool authenticated_ = true;
    bool line_is_endless_ = false;  // a NUL came: redis sees no end of such a line
    // "expected '$', got 'x'"
    std::array<char, 21> expected_ = {};
    uint32_t arguments_left_ = 0;
    uint64_t position_ = 0;  // bytes of the unfinished frame that were consumed
    Body body_;
    Number number_;
    FirstWord first_word_;
    RequestFrame frame_;
};

}  // namespace ringmain::resp
