// ringmain/memcached/request_parser.h - cuts a client's byte stream into memcached text requests.
//
// Classic text commands and the meta commands, checked as memcached 1.6 checks them: keys of 1 to
// 250 bytes without control characters or blanks, flags 32 bits, exptime 64 bits signed, cas and
// delta 64 bits, a length within the limit. LF ends a line, CR before it is dropped. A request that
// fails a check becomes a frame of verb Invalid whose `answer` is memcached's own line; the parser
// swallows the data block where memcached swallows it and goes on with the next request.
//
// Same contract as resp/request_parser.h; Error means: answer error() and close.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ringmain/protocol/frame.h"

namespace ringmain::memcached {

enum class Verb : uint8_t {
    Get, Gets, Gat, Gats,                          // keys; split and joined
    Set, Add, Replace, Append, Prepend, Cas,       // key and data block
    Incr, Decr, Touch, Delete,                     // key
    FlushAll, Verbosity, Stats, Version, Quit,     // no key
    MetaGet, MetaSet, MetaDelete, MetaArithmetic, MetaDebug, MetaNoop,
    Invalid,                                       // answer `answer`, forward nothing
};

struct RequestLimits {
    uint64_t value_size_max = 1024ULL * 1024 * 1024;  // beyond: swallowed, "object too large"
    uint32_t line_size_max = 2048;                    // beyond, except get/gets/gat/gats: close
    uint32_t get_line_size_max = 64 * 1024;           // get/gets/gat/gats
};

inline constexpr uint32_t key_size_max = 250;

struct RequestFrame {
    static constexpr uint32_t keys_kept = 8;

    Verb verb = Verb::Invalid;
    uint32_t size = 0;       // all bytes, the data block and its line end included
    ByteRange line;          // the command line without its line end
    uint32_t key_count = 0;
    std::array<ByteRange, keys_kept> keys = {};  // the first ones; all: keys_of()
    ByteRange data;          // the data block without its line end
    bool noreply = false;    // classic: "noreply"; not set for a meta command
    bool quiet = false;      // meta: flag q
    bool base64_key = false; // meta: flag b; decode with decode_key() before hashing
    std::string_view answer; // Invalid: the line for the client, with its line end; static text
};

class RequestParser {
  public:
    explicit RequestParser(const RequestLimits& limits) : limits_(&limits) {}

    [[nodiscard]] Fed feed(std::string_view bytes);
    [[nodiscard]] const RequestFrame& frame() const { return frame_; }
    void next();

    // Of the unfinished frame: bytes known to be still missing; 0 while in a line.
    [[nodiscard]] uint64_t bytes_missing() const;
    // True while the bytes of a refused data block pass by: they need not be kept.
    [[nodiscard]] bool discarding() const;
    [[nodiscard]] std::string_view error() const;
};

}  // namespace ringmain::memcached
