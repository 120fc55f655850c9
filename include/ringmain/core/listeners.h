// ringmain/core/listeners.h - how many clients of a worker listen to each channel of a pool.
//
// For PUBSUB NUMSUB and PUBLISH: a server counts a worker once, however many of its clients listen.
// The worker writes, and only with several workers in the process; whoever of them is asked reads
// what the others have written. Few do, and a lock that is held for a look-up is seldom met.

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

class Listeners {
  public:
    Listeners() = default;
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;
    ~Listeners() = default;

    // One more, or one less, of those that there are.
    void add(TopicKind kind, std::string_view name);
    void remove(TopicKind kind, std::string_view name);

    [[nodiscard]] uint64_t count(TopicKind kind, std::string_view name) const;

    // Of all patterns that match the channel, the listeners but the first of each. Nothing when
    // that takes more than `steps`, from which its own are taken.
    [[nodiscard]] std::optional<uint64_t> more_by_patterns(std::string_view channel,
                                                           uint64_t& steps) const;

  private:
    using Pattern = std::pair<std::string, uint64_t>;

    [[nodiscard]] size_t copy_patterns(std::optional<std::string>& last,
                                       std::vector<Pattern>& patterns) const;

    mutable std::atomic_flag busy_;
    std::array<std::map<std::string, uint64_t, std::less<>>, topic_kind_count> counts_;
};

}  // namespace ringmain::core
