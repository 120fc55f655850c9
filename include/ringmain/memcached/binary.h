// ringmain/memcached/binary.h - the words of memcached's binary protocol.
//
//   0      magic (0x80 request, 0x81 response)      8   size of extras, key and value together
//   1      opcode                                  12   opaque: the response repeats it
//   2      size of the key                         16   cas
//   4      size of the extras                      24   extras, key, value
//   5      data type (0)
//   6      vbucket (request), status (response)         numbers have the high byte first
//
// Every opcode that has a silent twin ("q") is told apart from it by BinaryMeaning::quiet: the twin
// of a read leaves a miss unanswered, that of anything else a success.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmain::memcached {

inline constexpr uint32_t binary_header_size = 24;
inline constexpr char binary_request_magic = '\x80';
inline constexpr char binary_response_magic = '\x81';

// An expiration that tells incr and decr not to make a key.
inline constexpr uint32_t binary_no_creation = 0xFFFFFFFF;

enum class BinaryCommand : uint8_t {
    Get,
    GetAndTouch,
    Touch,
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Delete,
    Increment,
    Decrement,
    Flush,
    Noop,
    Version,
    Stat,
    Verbosity,
    Quit,
    SaslList,  // this and the next: known in shape, not served
    Sasl,
    Unknown,
};

struct BinaryMeaning {
    BinaryCommand command = BinaryCommand::Unknown;
    bool quiet = false;
    bool with_key = false;  // the response has the key: getk, gatk
};

[[nodiscard]] BinaryMeaning meaning_of(uint8_t opcode);

enum class BinaryStatus : uint16_t {
    Success = 0x00,
    NotFound = 0x01,
    Exists = 0x02,
    TooLarge = 0x03,
    InvalidArguments = 0x04,
    NotStored = 0x05,
    NotNumeric = 0x06,
    UnknownCommand = 0x81,
    OutOfMemory = 0x82,
    NotSupported = 0x83,
    InternalError = 0x84,
    TemporaryFailure = 0x86,
};

// As memcached 1.6.18 words it; empty for Success and those that it never sends.
[[nodiscard]] std::string_view text_of(BinaryStatus status);

// The number in the first `size` bytes, the high one first.
[[nodiscard]] constexpr uint64_t read_number(std::string_view bytes, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
        value = value << 8U | static_cast<unsigned char>(bytes[i]);
    }
    return value;
}

[[nodiscard]] constexpr uint16_t read_uint16(std::string_view bytes) {
    return static_cast<uint16_t>(read_number(bytes, sizeof(uint16_t)));
}

[[nodiscard]] constexpr uint32_t read_uint32(std::string_view bytes) {
    return static_cast<uint32_t>(read_number(bytes, sizeof(uint32_t)));
}

[[nodiscard]] constexpr uint64_t read_uint64(std::string_view bytes) {
    return read_number(bytes, sizeof(uint64_t));
}

// The other way round.
constexpr void write_number(uint64_t value, size_t size, char* target) {
    for (size_t i = size; i > 0; --i) {
        target[i - 1] = static_cast<char>(value & 0xFF);
        value >>= 8U;
    }
}

}  // namespace ringmain::memcached
