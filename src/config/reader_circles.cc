// Pools that are each other's servers.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "listens.h"
#include "reader.h"
#include "words.h"

namespace ringmain::config {

namespace {

constexpr size_t shown_max = 8;  // pools of one circle

// A server of one pool is where another listens.
struct Lead {
    uint32_t server = 0;
    uint32_t pool = 0;  // the other one
};

using Leads = std::vector<std::vector<Lead>>;  // by pool

Leads leads_of(const std::vector<Pool>& pools) {
    using Door = std::pair<uint16_t, std::string_view>;
    std::multimap<Door, uint32_t> listeners;
    for (uint32_t i = 0; i < pools.size(); ++i) {
        const Address& listen = pools[i].listen;
        if (!listen.empty()) listeners.emplace(Door(listen.port, listen.path), i);
    }
    Leads leads(pools.size());
    std::vector<uint32_t> seen_for(pools.size());  // one server that leads there is enough
    for (uint32_t i = 0; i < pools.size(); ++i) {
        for (uint32_t server = 0; server < pools[i].servers.size(); ++server) {
            const Address address = normal_address(pools[i].servers[server].address);
            const auto [begin, end] = listeners.equal_range(Door(address.port, address.path));
            for (auto one = begin; one != end; ++one) {
                const uint32_t other = one->second;
                // What leads to its own pool is told where that is read.
                if (other == i || seen_for[other] == i + 1) continue;
                if (!leads_to(address, pools[other].listen)) continue;
                seen_for[other] = i + 1;
                leads[i].push_back({.server = server, .pool = other});
            }
        }
    }
    return leads;
}

}  // namespace

// Depth first; a lead back to a pool that is on the way closes a circle.
void Reader::check_circles() {
    enum class State : uint8_t { New, OnTheWay, Done };

    struct Step {
        uint32_t pool = 0;
        size_t taken = 0;  // of its leads
    };

    const std::vector<Pool>& pools = config_.pools;
    const Leads leads = leads_of(pools);
    std::vector<State> states(pools.size(), State::New);
    std::vector<Step> way;
    const auto lead_of = [&leads](const Step& step) { return leads[step.pool][step.taken - 1]; };
    const auto report = [&](uint32_t first) {
        const auto begin = std::ranges::find(way, first, &Step::pool);
        std::string text;
        for (auto step = begin; step != way.end(); ++step) {
            if (step - begin == shown_max) {
                text += ", ... (" + std::to_string(way.end() - begin) + " pools in all)";
                break;
            }
            const Lead lead = lead_of(*step);
            const Server& server = pools[step->pool].servers[lead.server];
            text += (step == begin ? "[pool." : ", [pool.") + pools[step->pool].name +
                    "] has server " +
                    quoted(server.name.empty() ? server.address.text() : server.name) +
                    " where [pool." + pools[lead.pool].name + "] listens";
        }
        const Step& last = way.back();
        findings_->error(server_places_[last.pool][lead_of(last).server],
                         "requests would go round in a circle: " + text +
                             "; give one of them the server's own address");
    };
    for (uint32_t start = 0; start < pools.size(); ++start) {
        if (states[start] == State::New) way.push_back({.pool = start});
        while (!way.empty()) {
            Step& step = way.back();
            states[step.pool] = State::OnTheWay;
            if (step.taken == leads[step.pool].size()) {
                states[step.pool] = State::Done;
                way.pop_back();
                continue;
            }
            step.taken += 1;
            const uint32_t next = lead_of(step).pool;
            if (states[next] == State::OnTheWay) report(next);
            if (states[next] == State::New) way.push_back({.pool = next});
        }
    }
}

}  // namespace ringmain::config
