// Property: any cut of any input gives the responses of the whole with the same keys, and so does
// each byte for itself; the sizes of the frames add up to the bytes that were fed. Taken value by
// value, the frames of each response add up to it.

#include "ringmain/base/assert.h"
#include "ringmain/memcached/response_parser.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::memcached {
namespace {

struct Told {
    std::string text;
    std::string keys;
    uint64_t size = 0;
    bool is_failed = false;

    void keep(std::span<const std::string_view> kept) {
        for (const std::string_view key : kept)
            keys.append(key).append(" ");
    }

    void add(const ResponseFrame& frame) {
        keys += '\n';
        size += frame.size;
        text += std::to_string(static_cast<int>(frame.kind)) + ' ' + std::to_string(frame.size) +
                ' ' + std::to_string(frame.value_count) + ' ' + std::to_string(frame.code) + ' ' +
                std::to_string(frame.word_size) + ' ' + std::to_string(frame.first_key.offset) +
                '+' + std::to_string(frame.first_key.size) + '\n';
    }

    // What was kept of the bytes that failed is nobody's.
    [[nodiscard]] bool is_same(const Told& other) const {
        return text == other.text && is_failed == other.is_failed &&
               (is_failed || keys == other.keys);
    }
};

void feed(ResponseParser& parser, std::string_view piece, Told& told) {
    while (!piece.empty() && !told.is_failed) {
        parser.keep_keys(true);
        const Fed fed = parser.feed(piece);
        if (fed.status != ParseStatus::Error) told.keep(parser.kept_keys());
        parser.forget_kept_keys();
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
    RM_ASSERT(told.is_same(expected));

    ResponseParser single;
    Told bytewise;
    for (const char& byte : bytes) {
        feed(single, {&byte, 1}, bytewise);
    }
    RM_ASSERT(bytewise.is_same(expected));
}

struct Sum {
    uint64_t size = 0;
    uint32_t value_count = 0;
    ResponseKind kind = ResponseKind::Line;

    friend bool operator==(const Sum&, const Sum&) = default;
};

std::vector<Sum> sums(std::string_view bytes, size_t cut, bool singly) {
    std::vector<Sum> told;
    ResponseParser parser;
    Sum sum;
    for (std::string_view piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
        while (!piece.empty()) {
            if (parser.at_start()) parser.take_values_singly(singly);
            const Fed fed = parser.feed(piece);
            if (fed.status == ParseStatus::Error) return told;
            piece.remove_prefix(fed.consumed);
            if (fed.status == ParseStatus::NeedMore) continue;
            RM_ASSERT(!singly || parser.frame().value_count <= 1);
            sum.size += parser.frame().size;
            sum.value_count += parser.frame().value_count;
            sum.kind = parser.frame().kind;
            const bool goes_on = parser.in_single_value();
            if (goes_on) RM_ASSERT(parser.value_key().size() == parser.frame().first_key.size);
            parser.next();
            if (goes_on) continue;
            told.push_back(sum);
            sum = {};
        }
    }
    return told;
}

void check_singly(std::string_view bytes, size_t cut) {
    const std::vector<Sum> whole = sums(bytes, cut, false);
    const std::vector<Sum> parts = sums(bytes, cut, true);
    RM_ASSERT(parts.size() >= whole.size());
    RM_ASSERT(std::equal(whole.begin(), whole.end(), parts.begin()));
}

}  // namespace
}  // namespace ringmain::memcached

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    const size_t cut = bytes.empty() ? 0 : data[0] % (bytes.size() + 1);
    ringmain::memcached::check(bytes, cut);
    ringmain::memcached::check_singly(bytes, cut);
    return 0;
}
