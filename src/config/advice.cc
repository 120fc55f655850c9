#include "advice.h"

#include "ringmain/placement/placement.h"

#include <algorithm>
#include <map>
#include <vector>

#include "words.h"

namespace ringmain::config {

namespace {

using placement::DistributionKind;
using placement::HashKind;

class Adviser {
  public:
    Adviser(const Tree& tree, const Node& table, const Pool& pool, Findings& findings)
        : tree_(&tree), table_(&table), pool_(&pool), findings_(&findings) {}

    void run() {
        options();
        access();
        users();
        addresses();
        const DistributionKind kind = pool_->placement.distribution;
        if (kind == DistributionKind::Ketama && pool_->servers.size() > 1) ring();
    }

  private:
    void options() {
        if (pool_->placement.distribution == DistributionKind::Random) {
            warn("distribution",
                 "distribution 'random' sends every request to a server drawn anew: "
                 "what was written is hardly found again");
        }
        const bool is_endless = pool_->timeout_ms == 0 && pool_->late_connection_timeout_ms == 0;
        if (is_endless) {
            warn("timeout", "timeout = 0: a server that hangs holds its clients for ever");
        }
        ejection(is_endless);
    }

    void ejection(bool is_endless) {
        const bool any_unnamed = std::ranges::any_of(
            pool_->servers, [](const Server& server) { return server.name.empty(); });
        if (pool_->auto_eject_hosts && any_unnamed) {
            warn("auto_eject_hosts",
                 "auto_eject_hosts with servers that have no name: a server that "
                 "comes back at another address takes other keys; give each a "
                 "name, as in \"10.0.0.1:6379:1 cache1\"");
        }
        if (pool_->auto_eject_hosts && is_endless) {
            warn("auto_eject_hosts",
                 "auto_eject_hosts with timeout = 0: a server that hangs is never ejected; set "
                 "timeout, or health_check_interval");
        }
        if (!pool_->auto_eject_hosts) {
            without_ejection("eject_on_loading", pool_->eject_on_loading);
            without_ejection("slow_start", pool_->slow_start_ms > 0);
        }
        const int64_t late_ms = pool_->late_connection_timeout_ms;
        if (late_ms > 0 && late_ms < pool_->timeout_ms) {
            warn("late_connection_timeout",
                 "late_connection_timeout is shorter than timeout: every request that is late "
                 "takes its connection and all that wait on it along");
        }
    }

    void without_ejection(std::string_view option, bool is_set) {
        if (!is_set) return;
        warn(option, std::string(option) + " has no effect without auto_eject_hosts");
    }

    void access() {
        const Address& listen = pool_->listen;
        const bool is_everywhere = listen.host == "0.0.0.0" || listen.host == "::";
        const bool is_open =
            pool_->protocol == Protocol::Redis && pool_->redis_auth.empty() && pool_->users.empty();
        if (!is_everywhere || !is_open) return;
        warn("listen",
             "every interface is listened on, and no password is asked for; set "
             "redis_auth, or listen on one address");
    }

    // Whoever comes from redis writes "~shop:*".
    void users() {
        for (const User& user : pool_->users) {
            const auto is_pattern = [](const std::string& key) {
                return key.starts_with('~') || key.ends_with('*');
            };
            const auto found = std::ranges::find_if(user.keys, is_pattern);
            if (found == user.keys.end()) continue;
            warn("users",
                 "user " + quoted(user.name) + ": " + quoted(*found) +
                     " is no pattern but the beginning of keys, each of its bytes; "
                     "for all keys that begin with shop: write keys = [\"shop:\"]");
        }
    }

    void addresses() {
        constexpr size_t named_max = 3;
        std::map<std::string, const Server*> known;
        std::string text;
        size_t count = 0;
        for (const Server& server : pool_->servers) {
            const auto [other, is_new] = known.emplace(server.address.text(), &server);
            if (is_new) continue;
            count += 1;
            if (count > named_max) continue;
            text += count == 1 ? "servers " : "; ";
            text += quoted(other->second->ring_name) + " and " + quoted(server.ring_name) +
                    " have the same address " + quoted(other->first);
        }
        if (count == 0) return;
        if (count > named_max) {
            text += "; and so have " + std::to_string(count - named_max) + " more";
        }
        warn("servers", text + ": it gets the keys of both");
    }

    void ring() {
        const std::vector<uint32_t> points = placement::Ketama::count_points(pool_->nodes());
        for (uint32_t i = 0; i < pool_->servers.size(); ++i) {
            if (points[i] > 0) continue;
            warn("servers",
                 "server " + quoted(pool_->servers[i].ring_name) + " has weight " +
                     std::to_string(pool_->servers[i].weight) +
                     ", too little beside the others: it gets no point on the ring and "
                     "no keys; bring the weights closer together");
        }
        if (pool_->placement.hash == HashKind::Crc32) narrow_hash(0x7fff);
        if (pool_->placement.hash == HashKind::Crc16) {
            warn("hash",
                 "hash 'crc16' spreads short keys badly on a ketama ring; for a new pool "
                 "use hash = \"murmur\", or distribution = \"modula\"");
        }
    }

    // A hash of few bits reaches only the beginning of the ring, which has 32.
    void narrow_hash(uint32_t hash_max) {
        const placement::Placement placement(pool_->placement, pool_->nodes());
        std::vector<bool> is_reached(pool_->servers.size());
        Prng prng(0);
        for (uint32_t hash = 0; hash <= hash_max; ++hash) {
            is_reached[placement.server_of_hash(hash, prng)] = true;
        }
        const auto count = std::ranges::count(is_reached, true);
        if (count == std::ssize(is_reached)) return;
        const auto first =
            static_cast<size_t>(std::ranges::find(is_reached, true) - is_reached.begin());
        const std::string where =
            count == 1 ? "every key maps to server " + quoted(pool_->servers[first].ring_name)
                       : "only " + std::to_string(count) + " of " +
                             std::to_string(is_reached.size()) + " servers get keys";
        warn("hash",
             "hash 'crc32' gives 15-bit values: with distribution 'ketama' " + where +
                 " (in twemproxy too); for a new pool use hash = \"crc32a\" or "
                 "distribution = \"modula\"");
    }

    // At the option if the file has it, else at the pool's header.
    void warn(std::string_view key, std::string message) {
        const Node* node = tree_->find(*table_, key);
        const Place& place = node == nullptr ? table_->key_place : node->key_place;
        findings_->warn(place, std::move(message));
    }

    const Tree* tree_;
    const Node* table_;
    const Pool* pool_;
    Findings* findings_;
};

}  // namespace

void advise(const Tree& tree, const Node& table, const Pool& pool, Findings& findings) {
    Adviser(tree, table, pool, findings).run();
}

void advise(const Tree& tree, const Config& config, Findings& findings) {
    const Node* stats = tree.find(tree.root(), "stats");
    if (stats == nullptr || !config.admin.listen.empty() ||
        config.stats.slow_log_threshold_ms == 0) {
        return;
    }
    for (const std::string_view option : {"slow_log_threshold", "slow_log_size"}) {
        const Node* node = tree.find(*stats, option);
        if (node == nullptr) continue;
        findings.warn(node->key_place,
                      std::string(option) +
                          " has no effect without [admin] listen, where the slow log is shown");
    }
}

}  // namespace ringmain::config
