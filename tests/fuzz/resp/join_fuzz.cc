// Property: split a request of many keys over fragments, let each fragment be answered with its own
// keys, join the answers: that is what one server would have answered. And a join of responses that
// nobody vouches for either says no or writes one well-formed array.
//
// Input: byte 0 fragments, byte 1 size of the slices, byte 2 arguments per key; then the keys, each
// a byte for owner and size, and its bytes; what is left is a hostile response.

#include "ringmain/base/assert.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/multi_key.h"
#include "ringmain/resp/request_parser.h"
#include "ringmain/resp/response_parser.h"
#include "ringmain/resp/writer.h"
#include "tests/unit/resp/chains.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace ringmain;  // NOLINT(google-build-using-namespace): a test of all of it

constexpr size_t keys_max = 40;

struct Input {
    uint16_t fragments = 1;
    size_t piece_size = 1;
    uint32_t step = 1;
    std::vector<uint16_t> owners;
    std::vector<std::string> arguments = {"MGET"};
    std::string_view rest;
};

Input read_input(const uint8_t* data, size_t size) {
    Input input;
    input.rest = {reinterpret_cast<const char*>(data), size};
    const auto take = [&input] {
        if (input.rest.empty()) return uint8_t{0};
        const auto byte = static_cast<uint8_t>(input.rest.front());
        input.rest.remove_prefix(1);
        return byte;
    };
    input.fragments = static_cast<uint16_t>(1 + take() % 4);
    input.piece_size = 1 + size_t{take()};
    input.step = 1 + take() % 2;
    const size_t keys = 1 + take() % keys_max;
    while (input.owners.size() < keys) {
        const uint8_t control = take();
        input.owners.push_back(static_cast<uint16_t>(control % input.fragments));
        for (uint32_t i = 0; i < input.step; ++i) {
            const std::string_view bytes = input.rest.substr(0, control / 8);
            input.arguments.emplace_back(bytes);
            input.rest.remove_prefix(bytes.size());
        }
    }
    return input;
}

std::string written(const std::vector<std::string>& arguments) {
    std::string out;
    resp::write_array_header(out, arguments.size());
    for (const std::string& argument : arguments)
        resp::write_bulk(out, argument);
    return out;
}

// A server that answers every key with the key, and an empty one with a null.
std::string answer(const std::vector<std::string>& keys) {
    std::string out;
    resp::write_array_header(out, keys.size());
    for (const std::string& key : keys) {
        if (key.empty()) {
            resp::write_null(out, resp::Version::Resp2);
        } else {
            resp::write_bulk(out, key);
        }
    }
    return out;
}

std::vector<std::string> keys_of(const Input& input, int owner) {
    std::vector<std::string> keys;
    for (size_t key = 0; key < input.owners.size(); ++key) {
        if (owner < 0 || input.owners[key] == owner) {
            keys.push_back(input.arguments[1 + key * input.step]);
        }
    }
    return keys;
}

std::vector<std::string> fragment_of(const Input& input, uint16_t owner) {
    std::vector<std::string> arguments = {"MGET"};
    for (size_t key = 0; key < input.owners.size(); ++key) {
        if (input.owners[key] != owner) continue;
        for (size_t i = 0; i < input.step; ++i) {
            arguments.push_back(input.arguments[1 + key * input.step + i]);
        }
    }
    return arguments;
}

void check_fragments(const Input& input, test::Arena& arena) {
    const std::string request = written(input.arguments);
    const resp::RequestLimits limits;
    resp::RequestParser parser(limits);
    RM_ASSERT(parser.feed(request).status == ParseStatus::Complete);
    Chain chain(arena.pool);
    test::append_in_pieces(chain, arena.pool, request, input.piece_size);
    const Bytes bytes(chain);
    std::vector<ByteRange> ranges;
    resp::find_arguments(parser.frame(), bytes, ranges);
    const resp::Split split = {
        .name = "MGET", .bytes = &bytes, .arguments = ranges, .step = input.step};
    for (uint16_t owner = 0; owner < input.fragments; ++owner) {
        const std::vector<std::string> expected = fragment_of(input, owner);
        if (expected.size() == 1) continue;
        std::vector<uint32_t> keys;
        for (uint32_t key = 0; key < input.owners.size(); ++key) {
            if (input.owners[key] == owner) keys.push_back(key);
        }
        Chain target(arena.pool);
        RM_ASSERT(resp::write_fragment(split, keys, target, nullptr));
        RM_ASSERT(target.to_string() == written(expected));
    }
}

resp::JoinStatus join(const Input& input,
                      const std::vector<std::string>& texts,
                      test::Arena& arena,
                      std::string& joined) {
    std::vector<Chain> chains;
    std::vector<const Chain*> responses;
    chains.reserve(texts.size());
    for (const std::string& text : texts) {
        Chain& chain = chains.emplace_back(arena.pool);
        test::append_in_pieces(chain, arena.pool, text, input.piece_size);
        responses.push_back(&chain);
    }
    static_cast<void>(resp::sum_integers(responses));
    static_cast<void>(resp::all_ok(responses));
    std::vector<resp::JoinSource> sources;
    Chain target(arena.pool);
    const resp::JoinStatus status = resp::join_arrays(
        {.owners = input.owners, .responses = responses, .version = resp::Version::Resp2},
        sources,
        target,
        nullptr);
    joined = target.to_string();
    return status;
}

// The responses arrive as the parser cut them: whole frames, of whatever shape.
void check_hostile(const Input& input, test::Arena& arena) {
    resp::ResponseParser parser;
    const Fed fed = parser.feed(input.rest);
    if (fed.status != ParseStatus::Complete) return;
    std::vector<std::string> texts(input.fragments,
                                   std::string(input.rest.substr(0, fed.consumed)));
    std::string joined;
    if (join(input, texts, arena, joined) != resp::JoinStatus::Joined) return;
    resp::ResponseParser check;
    RM_ASSERT(check.feed(joined).status == ParseStatus::Complete);
    RM_ASSERT(check.frame().size == joined.size());
    RM_ASSERT(check.frame().type == '*');
    RM_ASSERT(check.frame().number == static_cast<int64_t>(input.owners.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // Slices have a block each, and they may be one byte long.
    static test::Arena arena(2304);
    if (size > 500) return 0;
    const Input input = read_input(data, size);
    check_fragments(input, arena);

    std::vector<std::string> answers;
    for (uint16_t owner = 0; owner < input.fragments; ++owner) {
        answers.push_back(answer(keys_of(input, owner)));
    }
    std::string joined;
    RM_ASSERT(join(input, answers, arena, joined) == resp::JoinStatus::Joined);
    RM_ASSERT(joined == answer(keys_of(input, -1)));

    check_hostile(input, arena);
    RM_ASSERT(arena.pool.in_use() == 0);
    return 0;
}
