// Property: any cut of any input gives the requests of the whole; what write_request() emits is one
// request, the same one, and is written again as it is.

#include "ringmain/base/assert.h"
#include "ringmain/memcached/forward.h"
#include "tests/fuzz/memcached/tell.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::memcached {
namespace {

// Small ones, so that a short input reaches them.
const RequestLimits limits = {.value_size_max = 64, .line_size_max = 300, .get_line_size_max = 600};

// Of a stream: all that matters of its frames, and how it ended.
struct Told {
    std::string text;
    bool is_failed = false;

    void add(const RequestFrame& frame) {
        text += std::to_string(static_cast<int>(frame.verb)) + ' ' + std::to_string(frame.size);
        text += frame.noreply ? 'n' : '-';
        text += frame.quiet ? 'q' : '-';
        text += frame.base64_key ? 'b' : '-';
        text += frame.is_canonical ? 'c' : '-';
        add(frame.line);
        add(frame.argument);
        add(frame.data);
        for (uint32_t i = 0; i < frame.key_count && i < RequestFrame::keys_kept; ++i) {
            add(frame.keys[i]);
        }
        text += std::to_string(frame.key_count);
        text += frame.answer;
        text += '\n';
    }

    void add(ByteRange range) {
        text += std::to_string(range.offset) + '+' + std::to_string(range.size) + ' ';
    }
};

void check_cut(std::string_view bytes, size_t cut) {
    RequestParser whole(limits);
    RequestParser parts(limits);
    Told expected;
    Told told;
    feed(whole, bytes, expected);
    feed(parts, bytes.substr(0, cut), told);
    feed(parts, bytes.substr(cut), told);
    RM_ASSERT(told.text == expected.text);
    RM_ASSERT(told.is_failed || parts.bytes_missing() == whole.bytes_missing());
}

// Writes the request that lies at the front of `bytes`.
std::string written(BlockPool& pool, const RequestFrame& frame, std::string_view bytes) {
    Chain source(pool);
    RM_ASSERT(source.append_copy(bytes.substr(0, frame.size), nullptr));
    Chain target(pool);
    RM_ASSERT(write_request(frame, Bytes(source), target));
    return target.to_string();
}

// A number may be written in another way, any time that is over as another, and one that is beyond
// 31 bits as the last of them.
bool is_same_argument(Verb verb, std::string_view one, std::string_view other) {
    if (verb == Verb::Stats) return one == other;
    const long long latest = verb == Verb::Verbosity ? UINT32_MAX : INT32_MAX;
    const auto value_of = [latest](std::string_view text) {
        return std::clamp(std::strtoll(std::string(text).c_str(), nullptr, 10), -1LL, latest);
    };
    return one.empty() == other.empty() && value_of(one) == value_of(other);
}

void check_write(BlockPool& pool, const RequestFrame& frame, std::string_view bytes) {
    const std::string text = written(pool, frame, bytes);
    RequestParser parser(limits);
    const Fed fed = parser.feed(text);
    RM_ASSERT(fed.status == ParseStatus::Complete);
    RM_ASSERT(fed.consumed == text.size());
    const RequestFrame& again = parser.frame();
    RM_ASSERT(again.verb == frame.verb);
    RM_ASSERT(again.key_count == frame.key_count);
    RM_ASSERT(again.base64_key == frame.base64_key);
    RM_ASSERT(!again.noreply && !again.quiet);
    const auto part = [](std::string_view all, ByteRange range) {
        return all.substr(range.offset, range.size);
    };
    RM_ASSERT(part(text, again.data) == part(bytes, frame.data));
    RM_ASSERT(
        is_same_argument(frame.verb, part(text, again.argument), part(bytes, frame.argument)));
    for (uint32_t i = 0; i < frame.key_count && i < RequestFrame::keys_kept; ++i) {
        RM_ASSERT(part(text, again.keys[i]) == part(bytes, frame.keys[i]));
    }
    RM_ASSERT(written(pool, again, text) == text);
}

void check_writes(std::string_view bytes) {
    static std::vector<char> memory(size_t{64} * block_size);
    BlockPool pool(memory, {});
    RequestParser parser(limits);
    while (!bytes.empty()) {
        const Fed fed = parser.feed(bytes);
        if (fed.status != ParseStatus::Complete) return;
        if (parser.frame().verb != Verb::Invalid) check_write(pool, parser.frame(), bytes);
        parser.next();
        bytes.remove_prefix(fed.consumed);
    }
}

}  // namespace
}  // namespace ringmain::memcached

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    ringmain::memcached::check_cut(bytes, bytes.empty() ? 0 : data[0] % (bytes.size() + 1));
    ringmain::memcached::check_writes(bytes);
    return 0;
}
