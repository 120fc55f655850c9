#include "ringmain/placement/maglev.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "hash_functions.h"

namespace ringmain::placement {

namespace {

// Primes. A pool that outgrows one moves nearly all its keys, hence the wide steps; the size
// follows from all servers, so that one which fails does not change it.
constexpr std::array<uint32_t, 3> table_sizes = {65'537, 655'373, 8'388'617};
constexpr uint32_t entries_per_node = 32;
static_assert(table_sizes.back() / entries_per_node >= nodes_max);

uint32_t table_size_for(size_t node_count) {
    for (const uint32_t size : table_sizes) {
        if (size / entries_per_node >= node_count) return size;
    }
    RM_ASSERT(false);
}

// A server among those that take turns.
struct Player {
    uint32_t server;
    uint32_t weight;
    uint32_t taken;   // entries
    uint32_t cursor;  // the entry it would like next
    uint32_t stride;
};

Player player_of(const Node& node, uint32_t server, uint32_t table_size) {
    const uint64_t seed = hash_name(node.name);
    return {
        .server = server,
        .weight = node.weight,
        .taken = 0,
        .cursor = static_cast<uint32_t>((seed & UINT32_MAX) % table_size),
        .stride = static_cast<uint32_t>((seed >> 32) % (table_size - 1)) + 1,
    };
}

// Whether `a` takes its turn later than `b`. Turn n of a server is due at (n + 1/2) / weight, by
// which each ends up with its share rounded to the nearest entry (Sainte-Laguë's method).
bool is_later(const Player& a, const Player& b) {
    const uint64_t due_a = (2 * uint64_t{a.taken} + 1) * b.weight;
    const uint64_t due_b = (2 * uint64_t{b.taken} + 1) * a.weight;
    return due_a != due_b ? due_a > due_b : a.server > b.server;
}

}  // namespace

Maglev::Maglev(std::span<const Node> nodes) : entry_counts_(nodes.size(), 0) {
    const bool any_live =
        std::any_of(nodes.begin(), nodes.end(), [](const Node& n) { return n.live; });
    if (any_live) deal(nodes);
}

void Maglev::deal(std::span<const Node> nodes) {
    constexpr uint16_t free_entry = UINT16_MAX;
    static_assert(nodes_max <= free_entry);
    const uint32_t table_size = table_size_for(nodes.size());
    table_.assign(table_size, free_entry);

    std::vector<Player> players;  // a heap: who is due next comes first
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (!nodes[i].live) continue;
        players.push_back(player_of(nodes[i], static_cast<uint32_t>(i), table_size));
    }
    std::make_heap(players.begin(), players.end(), is_later);

    for (uint32_t turn = 0; turn < table_size; ++turn) {
        std::pop_heap(players.begin(), players.end(), is_later);
        Player& player = players.back();
        // The size is prime: the stride visits every entry, among them one that is free.
        while (table_[player.cursor] != free_entry) {
            player.cursor += player.stride;
            if (player.cursor >= table_size) player.cursor -= table_size;
        }
        table_[player.cursor] = static_cast<uint16_t>(player.server);
        player.taken += 1;
        std::push_heap(players.begin(), players.end(), is_later);
    }
    for (const Player& player : players) {
        entry_counts_[player.server] = player.taken;
    }
}

uint32_t Maglev::server_of(uint32_t hash) const {
    RM_ASSERT(!table_.empty());
    // The upper half of a good hash, scaled to the table: a remainder without the division.
    return table_[((mix(hash) >> 32) * table_.size()) >> 32];
}

}  // namespace ringmain::placement
