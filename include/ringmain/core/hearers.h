// ringmain/core/hearers.h - how many clients of a worker listen to each channel of a pool, and
// which servers hold the worker's subscription.
//
// For PUBSUB NUMSUB and PUBLISH: a server that holds it counts a worker once, however many of its
// clients listen, and one that does not sends them nothing. The worker writes, and only with
// several workers in the process; whoever of them is asked reads what the others have written. Few
// do, and a lock that is held for a look-up is seldom met.

#pragma once

#include "ringmain/core/topics.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmain::core {

// Servers are named by their number (ServerShared), which outlives reloads.
class Hearers {
  public:
    Hearers() = default;
    Hearers(const Hearers&) = delete;
    Hearers& operator=(const Hearers&) = delete;
    ~Hearers() = default;

    // One more, or one less, of those that there are.
    void add(TopicKind kind, std::string_view name);
    void remove(TopicKind kind, std::string_view name);

    // The server has the subscription from now on, or has it no more.
    void hold(TopicKind kind, std::string_view name, uint32_t server);
    void release(TopicKind kind, std::string_view name, uint32_t server);
    // It has none any more.
    void release_all(uint32_t server);

    // Who will get what is published at the server, less the one that it counts: less than nobody
    // where that one is for nobody any more.
    [[nodiscard]] int64_t more_receivers(TopicKind kind,
                                         std::string_view name,
                                         uint32_t server) const;
    // Who is subscribed, less the one that the server counts.
    [[nodiscard]] int64_t more_hearers(TopicKind kind,
                                       std::string_view name,
                                       uint32_t server) const;

    // Of all patterns that match the channel, the sum of more_receivers(). Nothing when that takes
    // more than `steps`, from which its own are taken.
    [[nodiscard]] std::optional<int64_t> more_by_patterns(std::string_view channel,
                                                          uint32_t server,
                                                          uint64_t& steps) const;

  private:
    // One has it as long as a client listens or a server holds it.
    struct Entry {
        uint64_t clients = 0;
        std::vector<uint32_t> servers;  // that hold it, in order: all of the pool may

        [[nodiscard]] bool is_held(uint32_t server) const;
        [[nodiscard]] int64_t more_receivers(uint32_t server) const;
        void release(uint32_t server);

        [[nodiscard]] bool is_used() const { return clients > 0 || !servers.empty(); }
    };

    using ByName = std::map<std::string, Entry, std::less<>>;
    using Pattern = std::pair<std::string, int64_t>;

    [[nodiscard]] ByName& of(TopicKind kind) { return entries_[static_cast<size_t>(kind)]; }

    ByName::iterator entry(TopicKind kind, std::string_view name);
    ByName::iterator settle(TopicKind kind, ByName::iterator at);
    [[nodiscard]] const Entry* find(TopicKind kind, std::string_view name) const;
    [[nodiscard]] size_t copy_patterns(uint32_t server,
                                       std::optional<std::string>& last,
                                       std::vector<Pattern>& patterns) const;

    mutable std::atomic_flag busy_;
    std::array<ByName, topic_kind_count> entries_;
    // The patterns that do not have the one client that a server counts.
    std::map<std::string_view, const Entry*> miscounted_;
};

}  // namespace ringmain::core
