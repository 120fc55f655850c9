#include <array>
#include <bit>
#include <cstring>

#include "bytes.h"
#include "hash_functions.h"

namespace ringmain::placement {

namespace {

constexpr size_t three_words = 12;

struct State {
    uint32_t a;
    uint32_t b;
    uint32_t c;
};

void add_words(State& state, std::string_view block) {
    state.a += load_u32(block, 0);
    state.b += load_u32(block, 4);
    state.c += load_u32(block, 8);
}

// lookup3's reversible mixing of the three words, between blocks.
void mix_between_blocks(State& state) {
    auto& [a, b, c] = state;
    a = (a - c) ^ std::rotl(c, 4);
    c += b;
    b = (b - a) ^ std::rotl(a, 6);
    a += c;
    c = (c - b) ^ std::rotl(b, 8);
    b += a;
    a = (a - c) ^ std::rotl(c, 16);
    c += b;
    b = (b - a) ^ std::rotl(a, 19);
    a += c;
    c = (c - b) ^ std::rotl(b, 4);
    b += a;
}

// lookup3's last mixing, after which `c` is the hash.
void mix_at_end(State& state) {
    auto& [a, b, c] = state;
    c = (c ^ b) - std::rotl(b, 14);
    a = (a ^ c) - std::rotl(c, 11);
    b = (b ^ a) - std::rotl(a, 25);
    c = (c ^ b) - std::rotl(b, 16);
    a = (a ^ c) - std::rotl(c, 4);
    b = (b ^ a) - std::rotl(a, 14);
    c = (c ^ b) - std::rotl(b, 24);
}

}  // namespace

// Bob Jenkins's lookup3, hashlittle with initial value 13 (nc_jenkins.c).
uint32_t hash_jenkins(std::string_view key) {
    constexpr uint32_t initial_value = 13;
    const uint32_t start = 0xDEADBEEFU + static_cast<uint32_t>(key.size()) + initial_value;
    State state = {start, start, start};
    if (key.empty()) return state.c;

    // A last full block counts as the tail.
    while (key.size() > three_words) {
        add_words(state, key.substr(0, three_words));
        mix_between_blocks(state);
        key.remove_prefix(three_words);
    }
    std::array<char, three_words> tail = {};
    std::memcpy(tail.data(), key.data(), key.size());
    add_words(state, {tail.data(), tail.size()});
    mix_at_end(state);
    return state.c;
}

}  // namespace ringmain::placement
