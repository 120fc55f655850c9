// Property: any cut of any input gives the requests of the whole; each of them in text is one
// request of the text parser's, the very one that is said; any response makes whole packets.

#include "ringmain/base/assert.h"
#include "ringmain/memcached/binary_forward.h"
#include "ringmain/memcached/forward.h"
#include "tests/fuzz/memcached/tell.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::memcached {
namespace {

// Small, so that a short input reaches it.
const RequestLimits limits = {.value_size_max = 64};

struct Told {
    std::string text;
    bool is_failed = false;

    void add(const BinaryFrame& frame) {
        for (const uint64_t number : {uint64_t{frame.opcode},
                                      uint64_t{frame.opaque},
                                      frame.cas,
                                      static_cast<uint64_t>(frame.refusal),
                                      uint64_t{frame.hang_up},
                                      frame.size,
                                      uint64_t{frame.extras.offset},
                                      uint64_t{frame.extras.size},
                                      uint64_t{frame.key.offset},
                                      uint64_t{frame.key.size},
                                      uint64_t{frame.value.offset},
                                      uint64_t{frame.value.size}}) {
            text += std::to_string(number) + ' ';
        }
        text += '\n';
    }
};

void check_cut(std::string_view bytes, size_t cut) {
    BinaryParser whole(limits);
    BinaryParser parts(limits);
    Told expected;
    Told told;
    feed(whole, bytes, expected);
    feed(parts, bytes.substr(0, cut), told);
    feed(parts, bytes.substr(cut), told);
    RM_ASSERT(told.text == expected.text);
    RM_ASSERT(told.is_failed || parts.bytes_missing() == whole.bytes_missing());
}

void check_text(BlockPool& pool, const BinaryFrame& frame, std::string_view bytes) {
    Chain source(pool);
    RM_ASSERT(source.append_copy(bytes.substr(0, frame.size), nullptr));
    Chain target(pool);
    RequestFrame request;
    if (rewrite_request(frame, Bytes(source), target, request) != Rewritten::Yes) return;

    const std::string text = target.to_string();
    RequestParser parser(limits);
    const Fed fed = parser.feed(text);
    RM_ASSERT(fed.status == ParseStatus::Complete && fed.consumed == text.size());
    const RequestFrame& read = parser.frame();
    if (read.verb == Verb::Invalid) {  // a kind of stats that is not served in text either
        RM_ASSERT(request.verb == Verb::Stats);
        return;
    }
    RM_ASSERT(read.verb == request.verb && read.size == request.size);
    RM_ASSERT(read.key_count == request.key_count && read.base64_key == request.base64_key);
    RM_ASSERT(read.argument.offset == request.argument.offset);
    RM_ASSERT(read.argument.size == request.argument.size);
    RM_ASSERT(read.data.offset == request.data.offset && read.data.size == request.data.size);
    RM_ASSERT(!read.noreply && !read.quiet);
    RM_ASSERT(read.is_canonical == request.is_canonical);
    const auto part = [](std::string_view all, ByteRange range) {
        return all.substr(range.offset, range.size);
    };
    if (frame.value.size > 0) RM_ASSERT(part(text, request.data) == part(bytes, frame.value));
    if (request.key_count == 0) return;
    std::string scratch;
    RM_ASSERT(placed_key(request, Bytes(target), scratch) == part(bytes, frame.key));
    RM_ASSERT(part(text, read.keys[0]) == part(text, request.keys[0]));
}

// Packets, each whole, that repeat the opcode and the opaque.
void check_packets(std::string_view packets, const BinaryWaiting& waiting) {
    while (!packets.empty()) {
        RM_ASSERT(packets.size() >= binary_header_size);
        RM_ASSERT(packets[0] == binary_response_magic);
        RM_ASSERT(static_cast<uint8_t>(packets[1]) == waiting.opcode);
        RM_ASSERT(read_uint32(packets.substr(12)) == waiting.opaque);
        const uint32_t body_size = read_uint32(packets.substr(8));
        const uint32_t key_size = read_uint16(packets.substr(2));
        RM_ASSERT(static_cast<unsigned char>(packets[4]) + key_size <= body_size);
        RM_ASSERT(packets.size() - binary_header_size >= body_size);
        packets.remove_prefix(binary_header_size + body_size);
    }
}

void check_response(BlockPool& pool, uint8_t opcode, std::string_view text) {
    const BinaryWaiting waiting = {.opcode = opcode,
                                   .meaning = meaning_of(opcode),
                                   .refusal = BinaryStatus::Success,
                                   .opaque = 7,
                                   .key = meaning_of(opcode).with_key ? "key" : ""};
    Chain source(pool);
    RM_ASSERT(source.append_copy(text, nullptr));
    const Bytes bytes(source);
    Chain from_bytes(pool);
    RM_ASSERT(write_response(waiting, &bytes, {}, from_bytes, nullptr));
    check_packets(from_bytes.to_string(), waiting);
    Chain from_text(pool);
    RM_ASSERT(write_response(waiting, nullptr, text.substr(0, 512), from_text, nullptr));
    check_packets(from_text.to_string(), waiting);
}

void check_all(std::string_view bytes) {
    static std::vector<char> memory(size_t{64} * block_size);
    BlockPool pool(memory, {});
    if (bytes.size() < 64 * 1024)
        check_response(pool, static_cast<uint8_t>(bytes[0]), bytes.substr(1));
    BinaryParser parser(limits);
    while (!bytes.empty()) {
        const Fed fed = parser.feed(bytes);
        if (fed.status != ParseStatus::Complete) return;
        const BinaryFrame& frame = parser.frame();
        const bool is_quit = frame.meaning.command == BinaryCommand::Quit;
        if (frame.refusal == BinaryStatus::Success && !is_quit) check_text(pool, frame, bytes);
        parser.next();
        bytes.remove_prefix(fed.consumed);
    }
}

}  // namespace
}  // namespace ringmain::memcached

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    ringmain::memcached::check_cut(bytes, data[0] % (bytes.size() + 1));
    ringmain::memcached::check_all(bytes);
    return 0;
}
