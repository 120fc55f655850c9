#include "ringmain/memcached/binary.h"

#include <array>

namespace ringmain::memcached {

namespace {

using enum BinaryCommand;

// By opcode.
constexpr std::array<BinaryMeaning, 0x25> meanings = {{
    {.command = Get},                                           // 0x00
    {.command = Set},                                           // 0x01
    {.command = Add},                                           // 0x02
    {.command = Replace},                                       // 0x03
    {.command = Delete},                                        // 0x04
    {.command = Increment},                                     // 0x05
    {.command = Decrement},                                     // 0x06
    {.command = Quit},                                          // 0x07
    {.command = Flush},                                         // 0x08
    {.command = Get, .quiet = true},                            // 0x09
    {.command = Noop},                                          // 0x0A
    {.command = Version},                                       // 0x0B
    {.command = Get, .with_key = true},                         // 0x0C
    {.command = Get, .quiet = true, .with_key = true},          // 0x0D
    {.command = Append},                                        // 0x0E
    {.command = Prepend},                                       // 0x0F
    {.command = Stat},                                          // 0x10
    {.command = Set, .quiet = true},                            // 0x11
    {.command = Add, .quiet = true},                            // 0x12
    {.command = Replace, .quiet = true},                        // 0x13
    {.command = Delete, .quiet = true},                         // 0x14
    {.command = Increment, .quiet = true},                      // 0x15
    {.command = Decrement, .quiet = true},                      // 0x16
    {.command = Quit, .quiet = true},                           // 0x17
    {.command = Flush, .quiet = true},                          // 0x18
    {.command = Append, .quiet = true},                         // 0x19
    {.command = Prepend, .quiet = true},                        // 0x1A
    {.command = Verbosity},                                     // 0x1B
    {.command = Touch},                                         // 0x1C
    {.command = GetAndTouch},                                   // 0x1D
    {.command = GetAndTouch, .quiet = true},                    // 0x1E
    {.command = Unknown},                                       // 0x1F
    {.command = SaslList},                                      // 0x20
    {.command = Sasl},                                          // 0x21
    {.command = Sasl},                                          // 0x22
    {.command = GetAndTouch, .with_key = true},                 // 0x23
    {.command = GetAndTouch, .quiet = true, .with_key = true},  // 0x24
}};

}  // namespace

BinaryMeaning meaning_of(uint8_t opcode) {
    return opcode < meanings.size() ? meanings[opcode] : BinaryMeaning{};
}

std::string_view text_of(BinaryStatus status) {
    switch (status) {
        case BinaryStatus::NotFound:
            return "Not found";
        case BinaryStatus::Exists:
            return "Data exists for key.";
        case BinaryStatus::TooLarge:
            return "Too large.";
        case BinaryStatus::InvalidArguments:
            return "Invalid arguments";
        case BinaryStatus::NotStored:
            return "Not stored.";
        case BinaryStatus::NotNumeric:
            return "Non-numeric server-side value for incr or decr";
        case BinaryStatus::UnknownCommand:
            return "Unknown command";
        case BinaryStatus::OutOfMemory:
            return "Out of memory";
        case BinaryStatus::Success:
        case BinaryStatus::NotSupported:
        case BinaryStatus::InternalError:
        case BinaryStatus::TemporaryFailure:
            break;
    }
    return {};
}

}  // namespace ringmain::memcached
