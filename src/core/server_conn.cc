#include "ringmain/core/server_conn.h"

#include "ringmain/core/pool.h"
#include "ringmain/core/server.h"

#include "front.h"

namespace ringmain::core {

ServerConn::ServerConn(BlockPool& blocks, Server& owner, bool speaks_resp3)
    : server(&owner),
      resp3(speaks_resp3),
      upload_line(blocks),
      database(owner.pool().options->redis_db),
      prelude_out(blocks),
      out(blocks),
      partial(blocks) {
    if (!owner.pool().is_redis()) parser.emplace<memcached::ResponseParser>();
}

bool ServerConn::is_extra() const {
    return is_lease || database != server->pool().options->redis_db;
}

bool ServerConn::is_giving(Instant now) const {
    const bool is_in_response =
        std::visit([](const auto& reader) { return !reader.at_start(); }, parser);
    return is_in_response &&
           server->silence.heard_at() + first_limit(*server->pool().options) > now;
}

Instant ServerConn::next_attempt() const {
    return server->health().is_down() ? std::max(retry_at, look_at) : retry_at;
}

namespace {

// The greeting has not had as long as it took to be connected: there and back as well, at least.
bool is_far(const ServerConn& conn, Instant now) {
    if (conn.state != ServerConn::State::Prelude) return false;
    const Instant greeted = ready_from(conn);
    return now - greeted < greeted - conn.since;
}

}  // namespace

Blame ServerConn::blame_for_lateness(const Fragment& fragment, Instant begun, Instant now) const {
    const Instant taken = last_taken();
    const bool is_taking_some =
        taken > fragment.queued && taken + first_limit(*server->pool().options) > now;
    if (is_taking_some || is_giving(now) || Streams::may_hold_answers(*this)) return Blame::Nobody;
    if (is_far(*this, now)) return Blame::Nobody;
    // Who waits behind what moved says nothing; nor does an answer that may have come and cannot be
    // received.
    return is_starved || begun < moved_at ? Blame::Us : Blame::Server;
}

// Whether that is less than it was is not known before it was asked once.
void ServerConn::note_in_kernel(uint64_t bytes, Instant now) {
    const bool is_less = bytes < in_kernel;
    const uint64_t most = to_take + bytes;
    to_take = most > in_kernel ? most - in_kernel : 0;
    in_kernel = bytes;
    if (is_less && takes_slowly) took_at = now;
    if (is_less && unsent > 0) taken_at = now;
    if (takes_slowly && to_take == 0) moved_at = now;
    takes_slowly = to_take > 0;
}

// One that is everybody's, where a missing answer is noticed and what is held back has time for two
// round trips. What is before a request that is not all there may be answered with its end.
// Whatever the connection is by then: behind an answer that is late the next one may be another's.
bool ServerConn::holds_back(Instant now, Duration interval) {
    if (pairing.holds() && is_late()) return true;
    constexpr int64_t times = 8;
    const Duration timeout = Duration::millis(server->pool().options->timeout_ms);
    const bool has_time = timeout.ns > 0 && traffic.took.ns * times <= timeout.ns;
    const bool may_hold = has_time && is_everybodys() && !set_apart && uploader == nullptr;
    return pairing.must_wait(!may_hold || is_all_answered(), now, interval);
}

void ServerConn::note_taken() {
    stats::ServerCounters& counters = server->counters();
    const uint32_t requests = traffic.unsent - traffic.questions;
    counters.requests.add(requests);
    counters.request_bytes.add(out.size());
    server->pool().counters->fragments.add(requests);
    traffic.sent_bytes += out.size();
    traffic.first_unsent = nullptr;
    traffic.unsent = 0;
    traffic.questions = 0;
    traffic.out_size = 0;
    show({.out_queue = fragments.size(), .out_queue_bytes = traffic.sent_bytes});
}

void ServerConn::note_waited(const Fragment& fragment) {
    if constexpr (!stats::is_counting) return;
    server->counters().responses.add(1);
    traffic.sent_bytes -= fragment.size;
}

void ServerConn::count_loss(stats::Counter stats::ServerCounters::*kind) {
    (server->counters().*kind).add(1);
    is_loss_counted = true;
}

void ServerConn::end_run(Instant now) {
    if (traffic.run_length == 0) return;
    traffic.took = now - traffic.run_queued;
    const stats::Histogram::Entry took = stats::Histogram::entry_of(traffic.took);
    server->counters().responses.add(traffic.run_length);
    server->counters().latency.record(took, traffic.run_length);
    const uint32_t whole = traffic.run_length - traffic.run_parts;
    if (whole > 0) server->pool().counters->latency.record(took, whole);
    traffic.run_length = 0;
    traffic.run_parts = 0;
}

void ServerConn::publish(Instant now) {
    end_run(now);
    show({.in_queue = traffic.unsent,
          .in_queue_bytes = traffic.out_size,
          .out_queue = fragments.size() - traffic.unsent,
          .out_queue_bytes = traffic.sent_bytes});
}

void ServerConn::forget_traffic(Instant now) {
    end_run(now);  // what came with its end was answered
    traffic = {};
    unsent = 0;
    takes_long = false;
    in_kernel = 0;
    to_take = 0;
    takes_slowly = false;
    show({});
}

// Several connections share a gauge: each adds what has changed of its own, modulo 2^64.
void ServerConn::show(const Shown& now) {
    if constexpr (!stats::is_counting) return;
    stats::ServerCounters& counters = server->counters();
    if (now.in_queue != shown_.in_queue || now.in_queue_bytes != shown_.in_queue_bytes) {
        counters.in_queue.add(now.in_queue - shown_.in_queue);
        counters.in_queue_bytes.add(now.in_queue_bytes - shown_.in_queue_bytes);
    }
    counters.out_queue.add(now.out_queue - shown_.out_queue);
    counters.out_queue_bytes.add(now.out_queue_bytes - shown_.out_queue_bytes);
    shown_ = now;
}

}  // namespace ringmain::core
