// ringmain/placement/placement.h - which server a key lives on.
//
// Immutable once built: a worker reads it without a lock, and a change of servers builds a new
// one. `index` below is a server's position in the pool's sorted order (sort_servers), as in
// twemproxy, not its position in the file.

#pragma once

#include "ringmain/base/prng.h"
#include "ringmain/placement/hash.h"
#include "ringmain/placement/ketama.h"
#include "ringmain/placement/maglev.h"
#include "ringmain/placement/modula.h"
#include "ringmain/placement/node.h"
#include "ringmain/placement/random.h"
#include "ringmain/placement/rendezvous.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ringmain::placement {

enum class DistributionKind : uint8_t { Ketama, Modula, Random, Rendezvous, Maglev };

[[nodiscard]] std::string_view name_of(DistributionKind kind);
[[nodiscard]] std::span<const std::string_view> distribution_names();

struct Options {
    HashKind hash = HashKind::Fnv1a_64;
    DistributionKind distribution = DistributionKind::Ketama;
    std::string hash_tag;  // empty or two characters
};

// The name of a server on the continuum: its own name; else "host:port", "host" when the port is
// 11211, "/path:" for a unix socket.
[[nodiscard]] std::string ring_name(std::string_view name, std::string_view host, uint16_t port);

// twemproxy's order: by length of the name, then by its bytes. Returns the permutation: result[i]
// is the position in `names` of the server with index i.
[[nodiscard]] std::vector<uint32_t> sorted_order(std::span<const std::string> names);

// Between the first tag[0] and the next tag[1], when it is not empty; else all of the key.
[[nodiscard]] std::string_view tagged_part(std::string_view key, std::string_view tag);

// The part of the key that is hashed: all of it, where there are no tags.
[[nodiscard]] inline std::string_view hashed_part(std::string_view key, std::string_view tag) {
    return tag.empty() ? key : tagged_part(key, tag);
}

class Placement {
  public:
    // `nodes` in sorted order. At least one must be live for server_of. Nodes that are not live
    // keep their index and have no keys.
    //
    // `known`: with the same options and nodes, others of which were live; or null. It saves work,
    // and the result is the same.
    Placement(const Options& options,
              std::span<const Node> nodes,
              const Placement* known = nullptr);

    [[nodiscard]] uint32_t hash_of(std::string_view key) const;  // tag applied; empty key is 0
    [[nodiscard]] uint32_t server_of_hash(uint32_t hash, Prng& prng) const;

    [[nodiscard]] uint32_t server_of(std::string_view key, Prng& prng) const {
        if (only_ != none) return only_;
        return server_of_hash(hash_of(key), prng);
    }

    [[nodiscard]] bool any_live() const { return live_count_ > 0; }

    // Points on the continuum of server `index`, for ketama; table entries for modula and maglev;
    // else its share: the weight for rendezvous, 1 for random. 0 when it gets no keys.
    [[nodiscard]] uint32_t points_of(uint32_t index) const;

  private:
    static constexpr uint32_t none = UINT32_MAX;

    using Distribution = std::variant<Ketama, Modula, Random, Rendezvous, Maglev>;

    static Distribution make_distribution(DistributionKind kind,
                                          std::span<const Node> nodes,
                                          const Placement* known);

    Options options_;
    Distribution distribution_;
    uint32_t live_count_ = 0;
    uint32_t only_ = none;  // the only live server: every key is its, unhashed
};

}  // namespace ringmain::placement
