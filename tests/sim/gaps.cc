// What an answer that a server leaves out may do: until the proxy notices, clients whose requests
// are on that connection may hear the answers to others' (core/pairing.h). Nobody else may.

#include "tests/sim/world.h"

#include <algorithm>

namespace ringmain::sim {

namespace {

// As the proxy: behind what took long nothing is waited for so soon again.
constexpr int64_t rest_times = 100;

// The same: what is held back has time.
constexpr int64_t times_to_wait = 8;

}  // namespace

void World::follow_gaps(const Worker& worker) {
    for (const auto& link : links_) {
        if (link->worker == index_of(worker) && link->server != nullptr) follow_gap(*link);
    }
}

void World::begin_gap(Link& link) {
    link.gap_batch = workers_[link.worker].batches;
    mislead_clients(link);
}

void World::follow_gap(Link& link) {
    const core::ServerConn* conn = link.channel->server;
    const bool is_open = conn != nullptr && conn->state == core::ServerConn::State::Ready;
    const bool holds = is_open && conn->pairing.holds();
    if (holds && !link.holds) link.held_since = now_;
    if (!holds && link.holds) {
        const Duration took = {rest_times * (now_ - link.held_since).ns};
        link.held_until = now_ + std::max(scenario_.pairing, took);
    }
    const bool begins = holds && !link.holds;
    link.holds = holds;
    if (link.gap_since == Instant::never()) return;
    if (begins) gaps_held_ += 1;
    mislead_clients(link);
    if (!is_open) return;
    const Duration interval = scenario_.pairing;
    const Instant unless_at_rest = std::max(link.gap_since + interval, link.held_until) + interval;
    link.gap_until = std::max(link.gap_until, unless_at_rest);
    if (!may_hold_back(link)) link.gap_until = now_ + interval + interval;
    if (now_ <= link.gap_until) link.gap_batch = workers_[link.worker].batches;
    for (const core::Fragment* fragment = conn->fragments.front();
         fragment != nullptr && fragment != conn->traffic.first_unsent;
         fragment = fragment->next) {
        if (fragment->batch <= link.gap_batch) continue;
        fail(conn->server->title() + ": an answer is missing, and requests go on");
        return;
    }
}

bool World::may_hold_back(const Link& link) const {
    const core::ServerConn& conn = *link.channel->server;
    const Duration timeout = Duration::millis(link.server->truth().pool->timeout_ms);
    return timeout.ns > 0 && conn.traffic.took.ns * times_to_wait <= timeout.ns &&
           conn.is_everybodys() && !conn.set_apart && conn.uploader == nullptr;
}

// Those whose requests are on the connection.
void World::mislead_clients(const Link& link) {
    const core::ServerConn* conn = link.channel->server;
    const uint32_t server = link.server->index();
    for (const auto& other : links_) {
        if (other->client == nullptr || other->worker != link.worker) continue;
        if (&other->client->truth() != &link.server->truth()) continue;
        bool is_misled = false;
        const core::Fragment* fragment = conn == nullptr ? nullptr : conn->fragments.front();
        for (; fragment != nullptr && !is_misled; fragment = fragment->next) {
            is_misled = fragment->request->client == other->channel->client &&
                        fragment->request->client != nullptr;
        }
        Talker& talker = other->client->talker();
        if (is_misled) {
            talker.mislead(server, Instant::never());
        } else {
            talker.end_misleading(server, now_);
        }
    }
}

}  // namespace ringmain::sim
