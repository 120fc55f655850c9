// The recorded placements of twemproxy, through the whole way: nutcracker.yml -> TOML -> Config ->
// server of a key. See tests/golden/placement.tsv for its rows.

#include "ringmain/config/load.h"
#include "ringmain/config/locate.h"
#include "ringmain/config/migrate.h"

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

using Row = std::vector<std::string>;

std::vector<std::string> cut(const std::string& text, char separator) {
    std::vector<std::string> parts(1);
    for (const char byte : text) {
        if (byte == separator) {
            parts.emplace_back();
        } else {
            parts.back() += byte;
        }
    }
    return parts;
}

std::vector<Row> rows_of_kind(const std::string& kind) {
    std::ifstream file(std::string(RM_GOLDEN_FOLDER) + "/placement.tsv");
    std::vector<Row> rows;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(kind + "\t")) rows.push_back(cut(line, '\t'));
    }
    REQUIRE_FALSE(rows.empty());
    return rows;
}

// POOL name hash distribution hash_tag servers
std::string yaml_of(const Row& pool) {
    std::string yaml = pool[1] + ":\n  listen: 127.0.0.1:22121\n  hash: " + pool[2] +
                       "\n  distribution: " + pool[3] + "\n";
    if (pool[4] != "-") yaml += "  hash_tag: \"" + pool[4] + "\"\n";
    yaml += "  servers:\n";
    for (const std::string& server : cut(pool[5], '|')) {
        yaml += "  - " + server + "\n";
    }
    return yaml;
}

std::map<std::string, Pool> migrated_pools() {
    std::map<std::string, Pool> pools;
    for (const Row& row : rows_of_kind("POOL")) {
        const Migrated migrated = migrate(yaml_of(row), "n.yml");
        INFO(render(migrated.diagnostics, "n.yml", yaml_of(row)));
        REQUIRE(migrated.accepted());
        Loaded loaded = load(migrated.toml, "f.toml");
        REQUIRE(loaded.accepted());
        pools[row[1]] = std::move(loaded.config.pools.front());
    }
    return pools;
}

}  // namespace

TEST_CASE("a migrated pool has twemproxy's servers, in its order, with its points") {
    const std::map<std::string, Pool> pools = migrated_pools();
    for (const Row& row : rows_of_kind("RING")) {
        CAPTURE(row[1]);
        const Pool& pool = pools.at(row[1]);
        const auto index = static_cast<uint32_t>(std::stoul(row[2]));
        CHECK(pool.servers[index].ring_name == row[3]);
        const placement::Placement placement(pool.placement, pool.nodes());
        if (pool.servers.size() > 1) CHECK(placement.points_of(index) == std::stoul(row[5]));
    }
}

TEST_CASE("a migrated pool puts every recorded key on twemproxy's server") {
    const std::map<std::string, Pool> pools = migrated_pools();
    std::map<std::string, Locator> locators;
    for (const auto& [name, pool] : pools) {
        locators.emplace(name, pool);
    }
    for (const Row& row : rows_of_kind("PLACE")) {
        const std::string key = key_from_hex(row[2]).value();
        const Row line = cut(locators.at(row[1]).line("k", key), '\t');
        REQUIRE(line.size() == 4);
        CAPTURE(row[1]);
        CAPTURE(row[2]);
        CHECK(line[1] == row[4]);
    }
}

}  // namespace ringmain::config
