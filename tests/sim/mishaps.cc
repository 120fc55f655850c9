// What goes wrong, and when.

#include "tests/sim/faults.h"
#include "tests/sim/world.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ringmain::sim {

namespace {

constexpr std::array<std::string_view, mishap_count> names = {"stands still",
                                                              "crawls",
                                                              "dies",
                                                              "dies and loses its data",
                                                              "vanishes",
                                                              "closes all",
                                                              "resets one",
                                                              "cuts an answer",
                                                              "swallows answers",
                                                              "says nonsense",
                                                              "answers askew",
                                                              "gives another's value",
                                                              "talks unasked",
                                                              "pushes",
                                                              "is loading",
                                                              "refuses the password",
                                                              "knows no RESP3",
                                                              "greets",
                                                              "is delayed",
                                                              "a worker stops",
                                                              "the machine stops",
                                                              "leaves an answer out"};

// A request is late, and one that was asked on another connection after that (core/silence.h); then
// others come.
Duration silent_span(int64_t timeout_ms) {
    return Duration::millis(3 * timeout_ms);
}

}  // namespace

Duration World::some_span(int64_t ms_max) {
    return Duration::millis(1 + static_cast<int64_t>(prng_.below(static_cast<uint64_t>(ms_max))));
}

void World::cause_mishaps() {
    next_mishap_ = on_grid(now_ + some_span(2 * scenario_.mishap_every.to_millis()));
    uint64_t at = prng_.below(scenario_.weight_sum);
    size_t which = 0;
    while (at >= scenario_.weights[which]) {
        at -= scenario_.weights[which];
        which += 1;
    }
    mishaps_[which] += 1;
    cause(static_cast<Mishap>(which));
}

void World::cause(Mishap mishap) {
    // The first pool is always there; with several it may be any.
    const Realm& realm = realms_[realms_.size() == 1 ? 0 : prng_.below(realms_.size())];
    const config::Pool& pool = *realm.truth.pool;
    const int64_t timeout_ms = std::max<int64_t>(pool.timeout_ms, 50);
    Duration span = some_span(prng_.below(4) == 0 ? 6 * timeout_ms : timeout_ms);
    if (mishap == Mishap::Stall && scenario_.has_silent) span.ns += silent_span(timeout_ms).ns;
    switch (mishap) {
        case Mishap::PauseWorker:
        case Mishap::PauseAll:
            for (Worker& worker : workers_) {
                const bool chosen = &worker == &workers_[prng_.below(workers_.size())];
                if (mishap == Mishap::PauseAll || chosen) pause(worker, span);
            }
            return;
        case Mishap::ResetOne:
        case Mishap::Unasked:
        case Mishap::Delay:
            cause_on_link(mishap);
            return;
        case Mishap::Stall:
        case Mishap::Crawl:
        case Mishap::Die:
        case Mishap::DieEmpty:
        case Mishap::Vanish:
        case Mishap::CloseAll:
        case Mishap::CutAnswer:
        case Mishap::SwallowAnswer:
        case Mishap::Malformed:
        case Mishap::WrongShape:
        case Mishap::WrongKey:
        case Mishap::Push:
        case Mishap::Loading:
        case Mishap::WrongPassword:
        case Mishap::NoResp3:
        case Mishap::Greeting:
        case Mishap::LeaveOut:
            break;
    }
    if (!Scenario::may_happen(mishap, pool)) return;
    Server& server = *realm.servers[prng_.below(realm.servers.size())];
    tell(pool.name,
         ": s",
         server.index(),
         " ",
         names[static_cast<size_t>(mishap)],
         " (",
         static_cast<uint64_t>(span.to_millis()),
         " ms)");
    last_fault_ = std::max(last_fault_, now_ + span);
    cause_at_server(mishap, server, span);
}

void World::cause_at_server(Mishap mishap, Server& server, Duration span) {
    uint32_t& faults = server.truth().faults[server.index()];
    const Instant until = now_ + span;
    switch (mishap) {
        case Mishap::Stall:
            faults |= Slow;
            server.still_until = on_grid(until);
            if (scenario_.has_silent && prng_.below(2) == 0) fall_silent(server);
            break;
        case Mishap::Crawl:
            faults |= Slow;
            server.crawls_until = until;
            server.crawl_max = span;
            break;
        case Mishap::Die:
        case Mishap::DieEmpty:
            faults |= Reset | Refuse;
            server.refuses_until = until;
            for (const auto& link : links_) {
                if (link->server == &server) reset(*link);
            }
            if (mishap == Mishap::DieEmpty) {
                server.lose_data(now_, prng_);
                doubt_data(server);
            }
            break;
        case Mishap::Vanish:
            faults |= Vanish;
            server.vanished_until = until;
            for (const auto& link : links_) {
                if (link->server != &server) continue;
                link->to_proxy.hold(until);
                link->to_peer.hold(until);
            }
            break;
        case Mishap::Greeting:
            server.greets_until = until;
            [[fallthrough]];  // all of them connect anew
        case Mishap::CloseAll:
            faults |= Close;
            for (const auto& link : links_) {
                if (link->server == &server && link->channel->connected) {
                    link->mute = true;
                    link->to_proxy.close(now_ + link->latency);
                }
            }
            break;
        case Mishap::CutAnswer:
            server.cuts = true;
            break;
        case Mishap::SwallowAnswer:
            server.swallows = true;
            break;
        case Mishap::LeaveOut:
            server.leaves_out = true;
            break;
        case Mishap::Malformed:
            server.lies_malformed = true;
            break;
        case Mishap::WrongShape:
            server.lies_shape = true;
            break;
        case Mishap::WrongKey:
            server.lies_key = true;
            break;
        case Mishap::Push:
            server.pushes = true;
            break;
        case Mishap::Loading:
            faults |= Loading;
            server.loads_until = until;
            server.remember();
            break;
        case Mishap::WrongPassword:
            faults |= WrongPassword;
            server.redis.password = "another";
            break;
        case Mishap::NoResp3:
            faults |= NoResp3;
            server.redis.knows_resp3 = !server.redis.knows_resp3;
            break;
        case Mishap::PauseWorker:
        case Mishap::PauseAll:
        case Mishap::ResetOne:
        case Mishap::Unasked:
        case Mishap::Delay:
            break;
    }
}

// It will go on on new connections only.
void World::fall_silent(const Server& server) {
    for (const auto& link : links_) {
        if (link->server == &server && link->channel->connected) link->mute = true;
    }
}

Link* World::some_server_link() {
    std::vector<Link*> open;
    for (const auto& link : links_) {
        if (link->server != nullptr && link->channel->connected && !link->channel->closed) {
            open.push_back(link.get());
        }
    }
    return open.empty() ? nullptr : open[prng_.below(open.size())];
}

void World::cause_on_link(Mishap mishap) {
    Link* link = some_server_link();
    if (link == nullptr) return;
    const Truth& truth = link->server->truth();
    uint32_t& faults = link->server->truth().faults[link->server->index()];
    tell(truth.pool->name,
         ": s",
         link->server->index(),
         " ",
         names[static_cast<size_t>(mishap)],
         " (worker ",
         link->worker,
         ")");
    if (mishap == Mishap::ResetOne) {
        faults |= Reset;
        reset(*link);
    } else if (mishap == Mishap::Delay) {
        faults |= Slow;
        const Instant until = now_ + some_span(2 * std::max<int64_t>(50, truth.pool->timeout_ms));
        last_fault_ = std::max(last_fault_, until);
        link->to_proxy.hold(until);
        if (prng_.below(2) == 0) link->to_peer.hold(until);
    } else {
        // All that are idle: it is to meet a request that comes in the same batch.
        for (const auto& other : links_) {
            if (other->worker == link->worker && other->server != nullptr) talk_unasked(*other);
        }
    }
}

// Only where nobody has asked for anything can it be known that nobody has.
void World::talk_unasked(Link& link) {
    const core::ServerConn* conn = link.channel->server;
    const bool idle = conn != nullptr && link.channel->connected && conn->fragments.empty() &&
                      conn->prelude_answers == 0 && link.to_proxy.empty() &&
                      link.channel->inbound.empty();
    if (!idle || link.mute || now_ < link.server->vanished_until) return;
    link.server->truth().faults[link.server->index()] |= Unasked;
    link.channel->inbound += link.server->some_answer();
    link.taken_bytes += link.server->some_answer().size();
    link.sent_bytes += link.server->some_answer().size();
    link.mute = true;
}

void World::pause(Worker& worker, Duration span) {
    tell("worker ",
         index_of(worker),
         " stands still for ",
         static_cast<uint64_t>(span.to_millis()),
         " ms");
    // In the midst of a long batch it makes that no longer: it is behind it.
    const Instant begin = worker.busy.ns > 0 ? std::max(worker.free_at, now_) : now_;
    const Instant from = std::max(worker.stopped_until, begin);
    worker.stopped_until = std::max(from, on_grid(begin + span));
    worker.stood.ns += (worker.stopped_until - from).ns;
    last_fault_ = std::max(last_fault_, worker.stopped_until);
    for (const auto& client : clients_) {
        client->forgive(worker.stopped_until);
    }
}

// The other end is gone: what it has sent and what is on its way is lost.
void World::reset(Link& link) {
    link.was_reset = true;
    link.arrived.clear();
    link.to_peer.drop();
    link.to_proxy.drop();
    if (link.channel->connected || link.client != nullptr) {
        link.reset_at = on_grid(now_ + link.latency);
    } else {
        link.refused = true;
    }
}

void World::doubt_data(const Server& server) {
    for (const auto& client : clients_) {
        if (&client->truth() == &server.truth()) client->talker().doubt(server.index(), now_);
    }
}

}  // namespace ringmain::sim
