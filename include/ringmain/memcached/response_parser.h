// ringmain/memcached/response_parser.h - cuts a server's byte stream into memcached responses.
//
// A response is one line; or VALUE blocks up to END; or STAT lines up to END; or VA with its data
// block. Same contract as the request parser. Strict: whatever memcached would not have sent (a
// line end without CR, a length that is no number, a data block that ends elsewhere than its length
// says) is an Error, after which the connection cannot be trusted.
//
// The response to a get that several requests share is taken value by value (take_values_singly):
// each VALUE block is then a frame, so that it can be passed on while the next is still to come,
// and END is another, with no value in it.

#pragma once

#include "ringmain/memcached/data_block.h"
#include "ringmain/protocol/frame.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::memcached {

// Without its end; an error may be longer.
inline constexpr uint32_t response_line_size_max = 8 * 1024;

enum class ResponseKind : uint8_t {
    Line,       // STORED, DELETED, 42, HD ..., OK, VERSION ..., ME ...
    Values,     // zero or more VALUE blocks and END
    Stats,      // one or more STAT lines and END
    MetaValue,  // VA
    Error,      // ERROR, CLIENT_ERROR ..., SERVER_ERROR ...: also in the middle of Values
};

struct ResponseFrame {
    uint64_t size = 0;  // of all values together without a limit
    ResponseKind kind = ResponseKind::Line;
    uint32_t value_count = 0;  // of Values
    // First two letters of the line, upper half first: ('H' << 8) | 'D'. For quiet meta commands.
    // A line of one letter has 0 in the lower half.
    uint16_t code = 0;
    uint16_t word_size = 0;  // of the first word; 2 tells EX from EXISTS
    // Of the first VALUE line, or flag k of a meta response, or behind ME: what a server says that
    // it answers.
    ByteRange first_key;
    // Of an Error behind values or figures: which of them, and the size of its line.
    uint32_t error_size = 0;
    ResponseKind behind = ResponseKind::Error;
    bool key_is_base64 = false;  // flag b: of an item that was stored so, whoever asks
    bool singly = false;         // one VALUE block, or END, or an error: one of several frames
};

class ResponseParser {
  public:
    [[nodiscard]] Fed feed(std::string_view bytes);

    // Valid after Complete, until next().
    [[nodiscard]] const ResponseFrame& frame() const { return frame_; }

    void next();

    // How the frame that now begins is to be taken; next() goes back to whole ones.
    void take_values_singly(bool singly);

    // The first line of a single value is there: value_key() says whose it is.
    [[nodiscard]] bool in_single_value() const { return frame_.singly && frame_.value_count > 0; }

    // Valid while in_single_value().
    [[nodiscard]] std::string_view value_key() const { return key_; }

    // Whether the keys of the values in the frame that now begins are kept as they come.
    void keep_keys(bool keeps) { keeps_keys_ = keeps; }

    // Those of the bytes that were fed last, and of no others: to be forgotten before the next.
    [[nodiscard]] std::span<const std::string_view> kept_keys() const { return kept_keys_; }

    void forget_kept_keys() { kept_keys_.clear(); }

    // This value is the last after all: the frame goes on to END, as if it had been taken whole.
    void go_on_to_end();

    // Of the unfinished frame: bytes known to be still missing; 0 while in a line.
    [[nodiscard]] uint64_t bytes_missing() const { return body_.left(); }

    // And those of it that were taken.
    [[nodiscard]] uint64_t bytes_taken() const { return frame_.size; }

    // The first bytes of the frame are gone: first_key has been looked at and names none any more.
    void forget_key() { frame_.first_key = {}; }

    // True between frames: the next byte starts a response.
    [[nodiscard]] bool at_start() const { return frame_.size == 0 && line_size_ == 0; }

    // What is wrong, for the log. Valid after Error.
    [[nodiscard]] std::string_view error() const { return error_; }

  private:
    // What the lines so far allow to follow.
    enum class Expect : uint8_t { Any, Values, Stats };
    enum class Step : uint8_t { More, Complete, Error };

    [[nodiscard]] bool may_take_whole_values(char next) const {
        return expect_ == Expect::Values && next == 'V' && line_size_ == 0 && body_.left() == 0 &&
               !frame_.singly;
    }

    [[nodiscard]] size_t take_whole_values(std::string_view bytes);
    [[nodiscard]] Step take_line(std::string_view bytes);
    [[nodiscard]] Step keep_line(std::string_view bytes);
    [[nodiscard]] Step end_line(std::string_view head);
    [[nodiscard]] Step first_line(std::string_view head);
    [[nodiscard]] Step later_line(std::string_view head);
    [[nodiscard]] Step value_line(std::string_view head);
    [[nodiscard]] Step unusual_value_line(std::string_view head);
    [[nodiscard]] Step begin_value(std::string_view key, std::optional<uint32_t> size);
    [[nodiscard]] Step begin_kept_value(std::string_view key, std::optional<uint32_t> size);
    [[nodiscard]] Step meta_value_line(std::string_view head);
    void note_key(std::string_view head, size_t from);
    [[nodiscard]] Step begin_body(std::optional<uint32_t> size);
    [[nodiscard]] Step take_body(std::string_view bytes);
    [[nodiscard]] Step fail(std::string_view text);

    ResponseFrame frame_;
    Expect expect_ = Expect::Any;
    char last_byte_ = 0;      // of the line so far
    uint32_t line_size_ = 0;  // bytes of the line so far
    DataBlock body_;
    std::string line_;  // the beginning of a line that was cut, as far as it is looked at
    std::string key_;   // of a single value, or a kept one of a line that was cut
    std::vector<std::string_view> kept_keys_;
    bool keeps_keys_ = false;
    std::string_view error_;
};

}  // namespace ringmain::memcached
