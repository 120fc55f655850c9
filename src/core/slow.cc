// Which requests were slow. One that was not costs a comparison, and while the slow log is on a
// copy of the beginning of its key, whose bytes are gone when the response comes.

#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <algorithm>
#include <string_view>

#include "front.h"

namespace ringmain::core {

namespace {

int64_t micros(Duration span) {
    return std::max<int64_t>(span.ns, 0) / 1000;
}

std::string_view name_of(const Request& request) {
    if (request.command != nullptr) return request.command->name;
    if (request.verb != memcached::Verb::Invalid) return memcached::word_of(request.verb);
    return "unknown";
}

}  // namespace

// Without the admin port nobody could read it.
Duration slow_threshold_of(const config::Config& config) {
    const int64_t ms = config.stats.slow_log_threshold_ms;
    return ms == 0 || config.admin.listen.empty() ? never_slow : Duration::millis(ms);
}

void note_command(Request& request, const Command* command, std::string_view key_head) {
    static_assert(noted_key_size_max == sizeof(Request::key.bytes));
    request.command = command;
    request.key.assign(key_head);
}

// The fragment is out of the FIFO, answered or with its connection lost, or its time is up.
void Proxy::note_slow(const ServerConn& conn, const Fragment& fragment) {
    const Request& request = *fragment.request;
    const bool answered = !fragment.abandoned && conn.state == ServerConn::State::Ready;
    // What is meant to wait does what it was asked. What asks servers in turns or in steps is noted
    // at its end, and so are parts: with the last to come, which its client has waited for.
    if (fragment.special == Special::Wait || Leases::is_in_steps(request)) return;
    if (request.fragments_waiting > 1) return;
    Instant began = fragment.queued;
    if (fragment.special == Special::Turn) {
        if (answered || request.client == nullptr) return;
        began = request.client->session->turns->began;
    }
    if (now_ - began < slow_threshold_) return;
    stats::SlowRequest slow;
    slow.total_us = micros(now_ - began);
    // Its bytes may be waiting still. What was queued in one batch leaves at once.
    const Fragment* unsent = conn.traffic.first_unsent;
    const bool waits = fragment.abandoned && unsent != nullptr && fragment.queued >= unsent->queued;
    slow.queued_us = waits ? slow.total_us : micros(fragment.sent - fragment.queued);
    slow.answered = answered;
    slow.pool.assign(conn.server->pool().options->name);
    slow.server.assign(conn.server->title());
    push_slow(slow, request);
}

void Proxy::push_slow(stats::SlowRequest& slow, const Request& request) {
    slow.at_ns = wall_.ns;
    slow.worker = environment_.worker_index;
    slow.command.assign(name_of(request));
    slow.key.assign(request.key.view());
    slow.key_size = request.key_size;
    if (request.client != nullptr) {
        slow.client.assign(request.client->peer);
        slow.client_id = request.client->id;
    }
    counters_->worker.slow_requests.add(1);
    counters_->slow_requests.push(slow);
}

void Leases::note_turns(const Request& request, bool answered) {
    const Turns& turns = *request.client->session->turns;
    if (!turns.pop.waits) note_whole(request, turns.began, answered);
}

// It has asked servers again and again since then.
void Leases::note_whole(const Request& request, Instant began, bool answered) {
    const Duration total = proxy_->now() - began;
    if (total < proxy_->slow_threshold_) return;
    stats::SlowRequest slow;
    slow.total_us = micros(total);
    slow.answered = answered;
    slow.pool.assign(request.client->pool->options->name);
    slow.server.assign("several");
    proxy_->push_slow(slow, request);
}

}  // namespace ringmain::core
