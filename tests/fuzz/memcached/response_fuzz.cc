// Property: any cut of any input gives the responses of the whole, and the sizes of the frames add
// up to the bytes that were fed.

#include "ringmain/base/assert.h"
#include "ringmain/memcached/response_parser.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::memcached {
namespace {

struct Told {
    std::string text;
    uint64_t size = 0;
    bool is_failed = false;

    void add(const ResponseFrame& frame) {
        size += frame.size;
        text += std::to_string(static_cast<int>(frame.kind)) + ' ' + std::to_string(frame.size) +
                ' ' + std::to_string(frame.value_count) + ' ' +
                std::to_string(frame.first_line_size) + ' ' + std::to_string(frame.code) + ' ' +
                std::to_string(frame.word_size) + ' ' + std::to_string(frame.first_key.offset) +
                '+' + std::to_string(frame.first_key.size) + '\n';
    }
};

void feed(ResponseParser& parser, std::string_view piece, Told& told) {
    while (!piece.empty() && !told.is_failed) {
        const Fed fed = parser.feed(piece);
        switch (fed.status) {
            case ParseStatus::NeedMore:
                RM_ASSERT(fed.consumed == piece.size());
                RM_ASSERT(!parser.at_start());
                return;
            case ParseStatus::Complete:
                RM_ASSERT(fed.consumed > 0);
                told.add(parser.frame());
                parser.next();
                RM_ASSERT(parser.at_start());
                piece.remove_prefix(fed.consumed);
                break;
            case ParseStatus::Error:
                RM_ASSERT(!parser.error().empty());
                told.is_failed = true;
                break;
        }
    }
}

void check(std::string_view bytes, size_t cut) {
    ResponseParser whole;
    Told expected;
    feed(whole, bytes, expected);
    if (!expected.is_failed && whole.at_start()) RM_ASSERT(expected.size == bytes.size());

    ResponseParser parts;
    Told told;
    feed(parts, bytes.substr(0, cut), told);
    feed(parts, bytes.substr(cut), told);
    RM_ASSERT(told.text == expected.text);
    RM_ASSERT(told.is_failed == expected.is_failed);
}

}  // namespace
}  // namespace ringmain::memcached

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    ringmain::memcached::check(bytes, bytes.empty() ? 0 : data[0] % (bytes.size() + 1));
    return 0;
}
