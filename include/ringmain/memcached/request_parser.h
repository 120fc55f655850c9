// ringmain/memcached/request_parser.h - cuts a client's byte stream into memcached text requests.
//
// Classic text commands and the meta commands, checked as memcached 1.6 checks them: keys of 1 to
// 250 bytes without blanks, NUL, CR and LF, flags 32 bits, exptime 64 bits signed, cas and
// delta 64 bits, a length within the limit. LF ends a line, CR before it is dropped. A request that
// fails a check becomes a frame of verb Invalid whose `answer` is memcached's own line, and the
// parser goes on with the next request. The data block of a refused request is swallowed, also
// where memcached would run it as a command (a key of 251 bytes). When it is not known where that
// ends (words are missing or too many, no length is in its place) the stream is at its end.
//
// A line that arrives in one piece is read in place; one that is cut is copied to a small buffer.
//
// Same contract as resp/request_parser.h; Error means: answer error(), which may be empty, and
// close. Nothing may be fed afterwards. When begins_binary() then, it is another parser's stream.

#pragma once

#include "ringmain/memcached/data_block.h"
#include "ringmain/protocol/frame.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::memcached {

// clang-format off: one line per kind.
enum class Verb : uint8_t {
    Get,
    Gets,
    Gat,
    Gats,  // keys; split and joined
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,  // key and data block
    Incr,
    Decr,
    Touch,
    Delete,  // key
    FlushAll,
    Verbosity,
    Stats,
    Version,
    Quit,  // no key
    MetaGet,
    MetaSet,
    MetaDelete,
    MetaArithmetic,
    MetaDebug,
    MetaNoop,
    Invalid,  // answer `answer`, forward nothing
};

// clang-format on

// All that goes by their order.
[[nodiscard]] constexpr bool is_plain_get(Verb verb) {
    return verb <= Verb::Gets;
}

[[nodiscard]] constexpr bool is_get_and_touch(Verb verb) {
    return verb == Verb::Gat || verb == Verb::Gats;
}

[[nodiscard]] constexpr bool is_get(Verb verb) {
    return verb <= Verb::Gats;
}

[[nodiscard]] constexpr bool is_update(Verb verb) {
    return verb >= Verb::Set && verb <= Verb::Cas;
}

[[nodiscard]] constexpr bool is_meta(Verb verb) {
    return verb >= Verb::MetaGet && verb <= Verb::MetaNoop;
}

[[nodiscard]] constexpr bool reads_value(Verb verb) {
    return is_get(verb) || verb == Verb::MetaGet;
}

[[nodiscard]] constexpr bool has_data_block(Verb verb) {
    return is_update(verb) || verb == Verb::MetaSet;
}

// As the client writes it; empty for Invalid.
[[nodiscard]] std::string_view word_of(Verb verb);

// A longer line is sure to be taken by a server if it is a get or gets: up to 1.5 memcached hangs
// up on others when so much of one has come, and not its end.
inline constexpr uint32_t server_line_size_max = 1024;

struct RequestLimits {
    uint64_t value_size_max = 1024ULL * 1024 * 1024;  // beyond: swallowed, "object too large"
    uint32_t line_size_max = 2048;                    // beyond, but for the gets: close
    uint32_t get_line_size_max = 1024 * 1024;         // get(s), gat(s); memcached: no limit for get
};

inline constexpr uint32_t key_size_max = 250;

// Which servers a request may go to (core/meta_sets.h). Plain: an ms that no version which knows
// ms refuses. Unusual: any other ms of a text client. Binary: what we write as ms, or as md with a
// cas, for a client that did not choose it.
enum class VersionNeed : uint8_t { None, Plain, Unusual, Binary };

struct RequestFrame {
    static constexpr uint32_t keys_kept = 8;

    Verb verb = Verb::Invalid;
    uint32_t size = 0;  // all bytes, the data block and its line end included
    ByteRange line;     // the command line without its line end
    uint32_t key_count = 0;
    std::array<ByteRange, keys_kept> keys = {};  // the first ones; all: keys_of()
    ByteRange argument;       // gat, gats: the exptime; flush_all, verbosity, stats: the first word
    ByteRange data;           // the data block without its line end
    bool noreply = false;     // classic: "noreply"; not set for a meta command
    bool quiet = false;       // meta: flag q
    bool base64_key = false;  // meta: flag b; placed_key() decodes before hashing
    VersionNeed version_need = VersionNeed::None;
    bool is_canonical = false;  // these very bytes are what write_request() would write
    // Invalid: the line for the client, with its line end; static text. Empty: say nothing, since
    // the client asked for "noreply" and memcached is silent here, too.
    std::string_view answer;
    bool is_too_large = false;  // Invalid: by its value, for request_size_max
    // Invalid, of a set or ms with known flags whose value is too large: the whole request that
    // removes the value before it, which memcached does not leave behind either. Good until next().
    std::string_view removal;
};

class RequestParser {
  public:
    // Of a stream of which some lines may have been read before.
    explicit RequestParser(const RequestLimits& limits, bool goes_on = false)
        : limits_(&limits), state_(goes_on ? State::Line : State::Fresh) {}

    // Others from now on; also in the middle of a frame.
    void set_limits(const RequestLimits& limits) { limits_ = &limits; }

    [[nodiscard]] Fed feed(std::string_view bytes);

    [[nodiscard]] const RequestFrame& frame() const { return frame_; }

    void next();

    // No byte of a frame has been fed.
    [[nodiscard]] bool at_start() const {
        return (state_ == State::Line || state_ == State::Fresh) && line_.empty();
    }

    // Of the unfinished frame: bytes known to be still missing; 0 while in a line.
    [[nodiscard]] uint64_t bytes_missing() const { return data_.left(); }

    // True while the bytes of a refused data block pass by: they need not be kept. When the frame
    // is complete: whether it is refused.
    [[nodiscard]] bool discarding() const {
        return (state_ == State::Data || state_ == State::Complete) && frame_.verb == Verb::Invalid;
    }

    [[nodiscard]] std::string_view error() const { return error_; }

    // After Error: the very first byte was that of the binary protocol; nothing was consumed.
    [[nodiscard]] bool begins_binary() const { return state_ == State::Binary; }

  private:
    // Fresh: a line, and before it there was none.
    enum class State : uint8_t { Fresh, Line, Data, Complete, Failed, Binary };

    [[nodiscard]] Fed keep_line(std::string_view bytes);
    [[nodiscard]] Fed end_line(std::string_view line, std::string_view rest, size_t consumed);
    [[nodiscard]] Fed feed_data(std::string_view bytes, size_t consumed);
    [[nodiscard]] Fed complete(size_t consumed);
    [[nodiscard]] Fed fail(std::string_view text);
    void refuse_value(std::string_view line);
    void append_bounded(std::string_view bytes);
    [[nodiscard]] bool is_too_long(std::string_view line, size_t size) const;

    const RequestLimits* limits_;
    RequestFrame frame_;
    State state_ = State::Fresh;
    DataBlock data_;
    std::string line_;  // the beginning of a line that was cut; a refused one's removal
    std::string_view error_;
};

}  // namespace ringmain::memcached
