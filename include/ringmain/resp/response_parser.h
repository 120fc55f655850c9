// ringmain/resp/response_parser.h - cuts a server's byte stream into responses.
//
// Every type of RESP2 and RESP3, nested to any depth: it only counts how many values are still
// missing, so there is no stack and no recursion. Where RESP2 is spoken those of RESP3 are refused,
// but a push, which is for the reader to judge. Bodies are skipped by their length. An attribute
// ("|") belongs to the response that follows it. Streamed types ("$?", "*?") are refused: no server
// sends them. Same contract as the request parser.
//
// Nothing bounds the size of a whole response: whoever keeps its bytes does.

#pragma once

#include "ringmain/protocol/frame.h"
#include "ringmain/resp/body.h"
#include "ringmain/resp/number.h"
#include "ringmain/resp/writer.h"

#include <cstdint>
#include <string_view>

namespace ringmain::resp {

// Beyond one of these a server is no longer believed.
inline constexpr int64_t response_bulk_size_max = int64_t{1} << 30;
inline constexpr int64_t response_element_count_max = (int64_t{1} << 31) - 1;
inline constexpr uint64_t response_values_missing_max = uint64_t{1} << 32;
inline constexpr uint32_t response_line_size_max = uint32_t{1} << 30;  // a script makes any

// A line or a bulk that says what is wrong: by the first byte of a response.
[[nodiscard]] constexpr bool is_error_type(char type) {
    return type == '-' || type == '!';
}

struct ResponseFrame {
    uint64_t size = 0;
    // First byte of the response proper (after attributes): one of + - : $ * _ , # ! = ( % ~ >
    char type = 0;
    // "*-1", "$-1" or "_".
    bool is_null = false;
    // Value of ':'; length of '$', '!', '='; element count of '*', '~', '>', pairs of '%'. A null's
    // is -1, any other type's 0.
    int64_t number = 0;
    // Of '*': its elements are bulk strings and nulls, and there is no attribute.
    bool only_strings = true;

    [[nodiscard]] bool is_error() const { return is_error_type(type); }
};

class ResponseParser {
  public:
    explicit ResponseParser(Version version = Version::Resp3) : version_(version) {}

    // After Error every further feed() is an Error.
    [[nodiscard]] Fed feed(std::string_view bytes);

    // Valid after Complete, until next().
    [[nodiscard]] const ResponseFrame& frame() const { return frame_; }

    void next() {
        state_ = State::Start;
        position_ = 0;
    }

    // True between frames: the next byte starts a response.
    [[nodiscard]] bool at_start() const { return state_ == State::Start; }

    // Of the unfinished frame: bytes that are known to be still missing (the rest of a bulk and
    // its line end). 0 elsewhere.
    [[nodiscard]] uint64_t bytes_missing() const {
        return state_ == State::Body ? body_.missing() : 0;
    }

    // And those of it that were taken.
    [[nodiscard]] uint64_t bytes_taken() const { return position_; }

    // What is wrong, for the log. Valid after Error.
    [[nodiscard]] std::string_view error() const;

  private:
    //   Start -> Value -> Number -> LineEnd -> Body -> Value ...  -> Done
    //                 \-> Line ---^        \-> Value ...
    enum class State : uint8_t {
        Start,    // of a frame
        Value,    // a type byte
        Line,     // text up to '\r'
        Number,   // digits up to '\r'
        LineEnd,  // the '\n'
        Body,     // a bulk and its line end
        Done,
        Failed,
    };

    enum class Problem : uint8_t {
        None,
        UnknownType,
        UnaskedType,
        NestedPush,
        InvalidNumber,
        InvalidScalar,
        NoLineEnd,
        EndlessLine,
        TooLong,
        TooMany,
    };

    size_t take_whole(std::string_view bytes);
    Fed resume(std::string_view bytes);
    size_t step(std::string_view bytes);
    size_t take_elements(std::string_view bytes);
    size_t take_header(std::string_view bytes);
    size_t take_line(std::string_view bytes);
    size_t take_digit(char byte);
    size_t take_line_end(char byte);
    size_t take_body(std::string_view bytes);
    [[nodiscard]] bool fits_scalar(char byte) const;
    void end_scalar();
    void end_number(int64_t number);
    void begin_body(int64_t size);
    void begin_elements(int64_t count);
    void end_value();
    void fail(Problem problem);

    State state_ = State::Start;
    Problem problem_ = Problem::None;
    char type_ = 0;           // of the value whose header is being read
    bool outermost_ = false;  // that value is the response proper
    Version version_;
    uint32_t line_size_ = 0;
    uint64_t values_missing_ = 0;
    uint64_t position_ = 0;  // bytes of the unfinished frame that were consumed
    Body body_;
    Number number_;
    ResponseFrame frame_;
};

}  // namespace ringmain::resp
