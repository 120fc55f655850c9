// Property: splitting a get over servers and joining their responses answers as one server would;
// responses of any bytes either fail the join or give one well-formed response.

#include "ringmain/base/assert.h"
#include "ringmain/memcached/forward.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::memcached {
namespace {

constexpr uint16_t server_count = 3;
constexpr std::string_view end = "END\r\n";

// Hands out the input byte by byte; zeros when it is used up.
class Input {
  public:
    explicit Input(std::string_view bytes) : bytes_(bytes) {}

    uint8_t byte() {
        if (bytes_.empty()) return 0;
        const auto value = static_cast<uint8_t>(bytes_.front());
        bytes_.remove_prefix(1);
        return value;
    }

    std::string_view take(size_t count) {
        const std::string_view taken = bytes_.substr(0, count);
        bytes_.remove_prefix(taken.size());
        return taken;
    }

    [[nodiscard]] bool empty() const { return bytes_.empty(); }

  private:
    std::string_view bytes_;
};

struct Get {
    std::vector<std::string> keys;
    std::vector<uint16_t> owners;
    std::array<std::string, server_count> responses;
};

// A chain of pieces that do not touch each other.
Chain spread(BlockPool& pool, std::string_view bytes, size_t piece_size) {
    Chain chain(pool);
    while (!bytes.empty()) {
        const std::string_view piece = bytes.substr(0, piece_size);
        Block* block = pool.take();
        RM_ASSERT(block != nullptr);
        piece.copy(block->data, piece.size());
        block->used = block_size;
        RM_ASSERT(chain.append_shared({block, 0, static_cast<uint32_t>(piece.size())}));
        pool.release(block);
        bytes.remove_prefix(piece.size());
    }
    return chain;
}

// Empty when the join failed.
std::string join(const Get& get, size_t piece_size) {
    static std::vector<char> memory(size_t{1024} * block_size);
    BlockPool pool(memory, {});
    std::vector<Chain> chains;
    std::array<const Chain*, server_count> pointers = {};
    chains.reserve(server_count);
    for (size_t i = 0; i < server_count; ++i) {
        chains.push_back(spread(pool, get.responses[i], piece_size));
        pointers[i] = &chains[i];
    }
    const std::vector<std::string_view> keys(get.keys.begin(), get.keys.end());
    OpenBlock open(pool);
    Chain target(pool);
    if (!join_values(keys, get.owners, pointers, target, &open)) return {};
    return target.to_string();
}

void check_split_and_join(Input input) {
    const size_t piece_size = 1 + input.byte() % 32;
    Get get;
    std::string expected;
    const uint8_t hits = input.byte();  // a bit for each of the six keys
    for (size_t count = input.byte() % 8; count > 0; --count) {
        // Few keys, so that they repeat and begin alike. Their size says where they live.
        const auto size = static_cast<uint16_t>(1 + input.byte() % server_count);
        const int letter = input.byte() % 2;
        get.keys.push_back(std::string(size, static_cast<char>('a' + letter)));
        get.owners.push_back(static_cast<uint16_t>(size - 1));
        if ((hits >> (size - 1 + letter * server_count) & 1) == 0) continue;
        const std::string data(input.take(input.byte() % 16));
        const std::string value = "VALUE " + get.keys.back() + " 0 " + std::to_string(data.size()) +
                                  "\r\n" + data + "\r\n";
        expected += value;
        get.responses[get.owners.back()] += value;
    }
    for (std::string& response : get.responses)
        response += end;
    expected += end;
    RM_ASSERT(join(get, piece_size) == expected);
}

void check_any_bytes(Input input) {
    const size_t piece_size = 1 + input.byte() % 32;
    Get get = {.keys = {"a", "bb", "a", "c"}, .owners = {0, 1, 0, 2}, .responses = {}};
    for (std::string& response : get.responses)
        response = input.take(input.byte());
    for (const std::string& response : get.responses) {
        ResponseParser parser;
        const Fed fed = parser.feed(response);
        const bool is_values = fed.status == ParseStatus::Complete &&
                               fed.consumed == response.size() &&
                               parser.frame().kind == ResponseKind::Values;
        // Others never get here; they must do no harm all the same.
        if (!is_values) return static_cast<void>(join(get, piece_size));
    }
    const std::string joined = join(get, piece_size);
    if (joined.empty()) return;
    ResponseParser parser;
    const Fed fed = parser.feed(joined);
    RM_ASSERT(fed.status == ParseStatus::Complete);
    RM_ASSERT(fed.consumed == joined.size());
    RM_ASSERT(parser.frame().kind == ResponseKind::Values);
    RM_ASSERT(parser.frame().value_count <= get.keys.size());
}

}  // namespace
}  // namespace ringmain::memcached

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    ringmain::memcached::check_split_and_join(ringmain::memcached::Input(bytes));
    ringmain::memcached::check_any_bytes(ringmain::memcached::Input(bytes));
    return 0;
}
