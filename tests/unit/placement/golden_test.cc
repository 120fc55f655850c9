// Every recorded placement of twemproxy 0.5.0, from tests/golden/placement.tsv.

#include "ringmain/placement/placement.h"
#include "tests/files.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::placement {

namespace {

struct Pool {
    Options options;
    std::vector<Node> nodes;             // sorted
    std::vector<std::string> addresses;  // sorted likewise: host:port:weight
};

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (size_t end = 0; (end = text.find(separator)) != std::string_view::npos;) {
        parts.push_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    parts.push_back(text);
    return parts;
}

template <class Number = uint32_t>
Number number(std::string_view text, int base = 10) {
    Number value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value, base);
    REQUIRE(parsed.ec == std::errc());
    REQUIRE(parsed.ptr == end);
    return value;
}

template <class Kind>
Kind kind_of(std::string_view name, std::span<const std::string_view> names) {
    const auto found = std::ranges::find(names, name);
    REQUIRE(found != names.end());
    return static_cast<Kind>(found - names.begin());
}

std::string key_of(std::string_view hex) {
    std::string key;
    if (hex == "-") return key;
    REQUIRE(hex.size() % 2 == 0);
    for (size_t i = 0; i < hex.size(); i += 2) {
        key.push_back(static_cast<char>(number(hex.substr(i, 2), 16)));
    }
    return key;
}

// host:port:weight[ name] or /path:weight[ name].
void add_server(Pool& pool, std::string_view text) {
    std::string_view name;
    if (const size_t space = text.rfind(' '); space != std::string_view::npos) {
        name = text.substr(space + 1);
        text = text.substr(0, space);
    }
    pool.addresses.emplace_back(text);
    const size_t weight_colon = text.rfind(':');
    const uint32_t weight = number(text.substr(weight_colon + 1));
    std::string_view host = text.substr(0, weight_colon);
    uint16_t port = 0;
    if (!host.starts_with('/')) {
        const size_t port_colon = host.rfind(':');
        port = number<uint16_t>(host.substr(port_colon + 1));
        host = host.substr(0, port_colon);
    }
    pool.nodes.push_back({.name = ring_name(name, host, port), .weight = weight, .live = true});
}

Pool pool_of(const std::vector<std::string_view>& columns) {
    Pool unsorted;
    for (const std::string_view server : split(columns.at(5), '|')) {
        add_server(unsorted, server);
    }

    std::vector<std::string> names;
    for (const Node& node : unsorted.nodes) {
        names.push_back(node.name);
    }
    Pool pool;
    pool.options = {
        .hash = kind_of<HashKind>(columns.at(2), hash_names()),
        .distribution = kind_of<DistributionKind>(columns.at(3), distribution_names()),
        .hash_tag = std::string(columns.at(4) == "-" ? "" : columns.at(4)),
    };
    for (const uint32_t position : sorted_order(names)) {
        pool.nodes.push_back(unsorted.nodes.at(position));
        pool.addresses.push_back(unsorted.addresses.at(position));
    }
    return pool;
}

// Checks row after row. Placements are built once per pool and ejected server.
class Golden {
  public:
    void check(const std::vector<std::string_view>& columns) {
        const std::string kind(columns.at(0));
        counts_[kind] += 1;
        if (kind == "HASH") return check_hash(columns);
        const std::string pool_name(columns.at(1));
        if (kind == "POOL") {
            pools_[pool_name] = pool_of(columns);
            return;
        }
        REQUIRE(pools_.contains(pool_name));
        if (kind == "RING") return check_ring(columns, pool_name);
        if (kind == "PLACE") return check_place(columns, pool_name);
        if (kind == "ERING") return check_ring_without(columns, pool_name);
        if (kind == "EPLACE") return check_place_without(columns, pool_name);
        FAIL("unknown kind of row: " << kind);
    }

    [[nodiscard]] const std::map<std::string, uint32_t>& counts() const { return counts_; }

    [[nodiscard]] size_t pool_count() const { return pools_.size(); }

    [[nodiscard]] size_t hash_kind_count() const { return hash_kinds_.size(); }

  private:
    void check_hash(const std::vector<std::string_view>& columns) {
        const auto kind = kind_of<HashKind>(columns.at(2), hash_names());
        hash_kinds_.insert(kind);
        CHECK(hash(kind, key_of(columns.at(1))) == number(columns.at(3)));
    }

    void check_ring(const std::vector<std::string_view>& columns, const std::string& pool_name) {
        const Pool& pool = pools_.at(pool_name);
        const uint32_t index = number(columns.at(2));
        CHECK(pool.nodes.at(index).name == columns.at(3));
        CHECK(pool.addresses.at(index) == columns.at(4));
        CHECK(placement_of(pool_name, nobody).points_of(index) == number(columns.at(5)));
    }

    void check_place(const std::vector<std::string_view>& columns, const std::string& pool_name) {
        const Pool& pool = pools_.at(pool_name);
        const uint32_t index =
            placement_of(pool_name, nobody).server_of(key_of(columns.at(2)), prng_);
        CHECK(index == number(columns.at(3)));
        CHECK(pool.nodes.at(index).name == columns.at(4));
        CHECK(pool.addresses.at(index) == columns.at(5));
    }

    void check_ring_without(const std::vector<std::string_view>& columns,
                            const std::string& pool_name) {
        const uint32_t ejected = number(columns.at(2));
        const uint32_t index = number(columns.at(3));
        CHECK(pools_.at(pool_name).nodes.at(index).name == columns.at(4));
        CHECK(placement_of(pool_name, ejected).points_of(index) == number(columns.at(5)));
        CHECK(placement_of(pool_name, ejected).points_of(ejected) == 0);
    }

    void check_place_without(const std::vector<std::string_view>& columns,
                             const std::string& pool_name) {
        const uint32_t ejected = number(columns.at(2));
        const uint32_t index =
            placement_of(pool_name, ejected).server_of(key_of(columns.at(3)), prng_);
        CHECK(index == number(columns.at(4)));
        CHECK(pools_.at(pool_name).nodes.at(index).name == columns.at(5));
    }

    const Placement& placement_of(const std::string& pool_name, uint32_t ejected) {
        const auto key = std::pair(pool_name, ejected);
        if (const auto found = placements_.find(key); found != placements_.end()) {
            return found->second;
        }
        const Pool& pool = pools_.at(pool_name);
        std::vector<Node> nodes = pool.nodes;
        if (ejected != nobody) nodes.at(ejected).live = false;
        return placements_.emplace(key, Placement(pool.options, nodes)).first->second;
    }

    static constexpr uint32_t nobody = UINT32_MAX;

    std::map<std::string, Pool> pools_;
    std::map<std::pair<std::string, uint32_t>, Placement> placements_;
    std::map<std::string, uint32_t> counts_;
    std::set<HashKind> hash_kinds_;
    Prng prng_{1};
};

}  // namespace

TEST_CASE("keys live where twemproxy 0.5.0 puts them") {
    const std::string text = ringmain::test::text_in(RM_GOLDEN_FOLDER "/placement.tsv");
    REQUIRE(!text.empty());

    Golden golden;
    for (const std::string_view line : split(text, '\n')) {
        if (line.empty() || line.starts_with('#')) continue;
        CAPTURE(line);
        golden.check(split(line, '\t'));
    }

    // A file cut short, or a kind of row that nobody looked at, must not pass.
    const std::map<std::string, uint32_t> expected = {
        {"POOL", 38},
        {"RING", 138},
        {"HASH", 684},
        {"PLACE", 2166},
        {"ERING", 45},
        {"EPLACE", 399},
    };
    CHECK(golden.counts() == expected);
    CHECK(golden.pool_count() == 38);
    CHECK(golden.hash_kind_count() == 12);
}

}  // namespace ringmain::placement
