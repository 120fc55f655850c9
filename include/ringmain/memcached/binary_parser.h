// ringmain/memcached/binary_parser.h - cuts a client's byte stream into memcached binary requests.
//
// Checked as memcached 1.6.18 checks them, by the header alone:
//
//   another magic                                  Error, without a word
//   key and extras larger than the body            UnknownCommand, and close
//   a key of more than 250 bytes, or a shape that  InvalidArguments, and close: nobody knows what
//   its opcode does not have                       the rest of the bytes is
//   an opcode that is not served                   UnknownCommand; the body is skipped
//   a value beyond the limit                       TooLarge; the body is skipped, the key of a set
//                                                  is kept (BinaryFrame::removes)
//
// Same contract as resp/request_parser.h; error() is always empty.

#pragma once

#include "ringmain/memcached/binary.h"
#include "ringmain/memcached/request_parser.h"
#include "ringmain/protocol/frame.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::memcached {

struct BinaryFrame {
    uint8_t opcode = 0;
    BinaryMeaning meaning;
    uint32_t opaque = 0;
    uint64_t cas = 0;
    // Other than Success: the answer; extras, key and value are then not to be looked at.
    BinaryStatus refusal = BinaryStatus::Success;
    bool hang_up = false;  // of a refusal: the frame is the header alone, and the last
    uint64_t size = 0;     // all bytes; below 4 GiB when not refused
    ByteRange extras;
    ByteRange key;
    ByteRange value;
    // Of a set that is refused as too large: its key, whose older value memcached does not leave
    // behind either. Good until next().
    std::string_view removes;
};

class BinaryParser {
  public:
    explicit BinaryParser(const RequestLimits& limits) : limits_(&limits) {}

    // Others from now on; also in the middle of a frame.
    void set_limits(const RequestLimits& limits) { limits_ = &limits; }

    [[nodiscard]] Fed feed(std::string_view bytes);

    // Of an unfinished frame too, as soon as its header is there.
    [[nodiscard]] const BinaryFrame& frame() const { return frame_; }

    void next();

    // Of the unfinished frame: bytes known to be still missing; 0 while in the header.
    [[nodiscard]] uint64_t bytes_missing() const { return body_left_; }

    // True from a refusal on, to next(): what is left of the body need not be kept.
    [[nodiscard]] bool discarding() const { return frame_.refusal != BinaryStatus::Success; }

    [[nodiscard]] std::string_view error() const { return {}; }

  private:
    void read_header();
    void refuse(BinaryStatus status, bool hang_up);
    void keep_key(std::string_view body);

    const RequestLimits* limits_;
    BinaryFrame frame_;
    uint64_t body_left_ = 0;
    uint32_t header_size_ = 0;  // bytes of it that are there
    // Of a set that is too large: of the body, bytes before its key and of its key that are still
    // to come; and the key.
    uint32_t before_key_ = 0;
    uint32_t key_left_ = 0;
    std::string key_;
    std::array<char, binary_header_size> header_ = {};
};

}  // namespace ringmain::memcached
