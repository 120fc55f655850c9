// tests/sim/directory.h - which servers may have a key, by the servers that were in.
//
// A server that came back gets its keys again one by one while slow_start lasts: until then each
// may be where it was, so that of those that returned lately any set counts as being still out.
// While a reload is under way some workers place keys by the one configuration and some by the
// other.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/config/config.h"
#include "ringmain/placement/placement.h"

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmain::sim {

// "s3" is 3.
[[nodiscard]] uint32_t number_of(std::string_view server);

class Directory {
  public:
    // The configuration that all begin with has all servers that there ever are.
    explicit Directory(const config::Pool& pool);

    // From now on these servers get traffic.
    void change(const std::vector<bool>& live, Instant now);

    // From now on keys are placed by these, each of which is some worker's. They outlive this.
    void change_pools(std::vector<const config::Pool*> pools, Instant now);

    // Divided: which servers are in, workers of different configurations know for themselves.
    void divide(bool is_divided, Instant now);

    // Keys are on their way to servers that came back.
    [[nodiscard]] bool is_shifting(Instant now) const;

    // Nothing can be said of where a key is.
    [[nodiscard]] bool is_random() const {
        return pool_->placement.distribution == placement::DistributionKind::Random;
    }

    // The servers that a request of that time may have gone to, in no order; until the next call.
    [[nodiscard]] const std::vector<uint32_t>& servers_of(std::string_view key,
                                                          Instant from,
                                                          Instant to);

    [[nodiscard]] bool may_have(uint32_t server, std::string_view key, Instant from, Instant to);

    // Every worker places it there now. Not to be asked while keys are shifting.
    [[nodiscard]] bool must_have(uint32_t server, std::string_view key);

    // At some moment of that time no server was in.
    [[nodiscard]] bool was_empty(Instant from, Instant to) const;

    // All workers had it in their configuration all that time.
    [[nodiscard]] bool was_configured(uint32_t server, Instant from, Instant to) const;

    [[nodiscard]] const std::vector<bool>& live() const { return ages_.back().live; }

    // Some worker has it in its configuration now.
    [[nodiscard]] bool is_configured(uint32_t server) const;

  private:
    using Set = uint32_t;  // of servers, as bits

    struct Age {
        Instant since;
        std::vector<bool> live;
        Set in = 0;
        Set returned = 0;  // lately
        Set perhaps = 0;   // in for some worker
        std::vector<const config::Pool*> pools;
    };

    struct Placed {
        placement::Placement placement;
        std::vector<uint32_t> numbers;  // by place in the configuration
    };

    [[nodiscard]] Set perhaps_in(const Age& age) const;
    [[nodiscard]] static Set servers_in(const config::Pool& pool);
    [[nodiscard]] const Placed& placed(const config::Pool& pool, Set in);
    void add_of(const Age& age, const config::Pool& pool, std::string_view key);
    void add(uint32_t server);

    const config::Pool* pool_;
    bool is_divided_ = false;
    std::vector<Age> ages_;
    std::vector<Instant> returned_at_;  // by server
    std::map<std::pair<const config::Pool*, Set>, Placed> placements_;
    std::vector<uint32_t> found_;
};

}  // namespace ringmain::sim
