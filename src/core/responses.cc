// The way back: a server's bytes become responses, responses find their requests.

#include "ringmain/base/assert.h"
#include "ringmain/base/prefetch.h"
#include "ringmain/base/printable.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/memcached/forward.h"
#include "ringmain/resp/multi_key.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "front.h"
#include "gather.h"
#include "memcached_stats.h"
#include "script_front.h"
#include "split.h"

namespace ringmain::core {

void Proxy::on_server_bytes(ServerConn& conn, Slice slice) {
    // Bytes that were under way when the connection was given up belong to nobody.
    if (conn.is_given_up()) return;
    if (conn.early_link.is_linked()) [[unlikely]] {
        streams_.take_early(conn);
        if (conn.state == ServerConn::State::Closed) return;
    }
    conn.server->counters().response_bytes.add(slice.size);
    take_server_bytes(conn, slice);
}

// They are counted.
void Proxy::take_server_bytes(ServerConn& conn, Slice slice) {
    conn.server->note_heard(now_);
    conn.heard_at = now_;
    if (conn.is_subscriber) {
        subscriptions_.on_bytes(conn, slice);
    } else if (auto* parser = std::get_if<resp::ResponseParser>(&conn.parser)) {
        parse_responses(conn, *parser, slice);
    } else {
        parse_responses(conn, std::get<memcached::ResponseParser>(conn.parser), slice);
    }
    if (conn.is_lease) [[unlikely]] {
        leases_.on_answered(conn);
    }
    if (conn.pairing.holds() && conn.is_all_answered()) [[unlikely]] {
        conn.pairing.release(now_, environment_.pairing_interval);
        if (!conn.out.empty()) dirty_servers_.add(conn);
    }
    conn.publish(now_);
}

// Whether a byte may be part of an answer: something that it could answer has left. What was queued
// or became sendable in this batch has not, nor has what waits behind a send that is under way.
bool Proxy::awaits_bytes(const ServerConn& conn) const {
    if (conn.prelude_answers > 0) return conn.prelude_out.empty();
    const Fragment* head = conn.fragments.front();
    return head != nullptr && !Streams::is_leaving(conn) && head != conn.traffic.first_unsent &&
           head->batch != static_cast<uint32_t>(batch_) && conn.ready_batch != batch_;
}

// What a server says of itself on a new connection, "-DENIED Redis is running in protected mode" or
// "ERROR Too many open connections", is quoted. Once it has answered, bytes may be somebody's data.
std::string unasked_text(const ServerConn& conn, std::string_view bytes) {
    constexpr size_t shown_max = 100;
    std::string text = "sent bytes that nobody asked for";
    if (conn.spoke_since_connect && !Streams::is_leaving(conn)) return text;
    const std::string_view line = bytes.substr(0, std::min(bytes.find('\r'), bytes.size()));
    if (is_full(line)) return crowded_text(line);
    text += ": \"";
    text += escaped(line.substr(0, shown_max));
    text += line.size() > shown_max ? "...\"" : "\"";
    return text;
}

namespace {

// One of the first `count` of the FIFO is.
bool is_one_heard(const Fragment* fragment, uint32_t count) {
    for (; count > 0; --count, fragment = fragment->next) {
        if (is_heard(*fragment)) return true;
    }
    return false;
}

// Whether the answer says in what state the connection is for whoever comes next. An error of a
// memcached may; what is no line of one is not kept.
bool tells_state(const ServerConn& conn, const Fragment& fragment) {
    if (fragment.special != Special::No || fragment.request->policy == ResponsePolicy::Script ||
        fragment.request->verb == memcached::Verb::MetaSet) {
        return true;
    }
    const auto* parser = std::get_if<memcached::ResponseParser>(&conn.parser);
    if (parser == nullptr) return false;
    const memcached::ResponseFrame& frame = parser->frame();
    return frame.size == 0 || frame.kind == memcached::ResponseKind::Error;
}

// Of a response that nobody hears: one without an end would be read for ever.
bool is_worth_its_end(const ServerConn& conn) {
    constexpr uint64_t dropped_max = uint64_t{1} << 30;
    const auto taken = [](const auto& parser) { return parser.bytes_taken(); };
    return std::visit(taken, conn.parser) < dropped_max;
}

// Of one response more values than its request has keys.
bool has_unasked(const ServerConn& conn, const memcached::ResponseFrame& frame) {
    return frame.value_count > 1 && has_too_many(conn, frame.value_count);
}

// What is not there as a whole would be kept up to its end, which need not come; and the beginning
// of what streams has left.
bool is_astray(const ServerConn& conn, const memcached::ResponseFrame& frame, ParseStatus status) {
    const bool is_whole = status == ParseStatus::Complete && !conn.streaming;
    return !is_whole && frame.size > 0 && !may_answer(conn, frame);
}

// The same of a part of a split request, by its first byte.
bool is_astray(const ServerConn& conn, const resp::ResponseFrame& frame, ParseStatus status) {
    if (status == ParseStatus::Complete || conn.prelude_answers > 0) return false;
    const Fragment& head = *conn.fragments.front();
    const bool is_part = head.request->join != nullptr && head.special == Special::No;
    return is_part && is_wanted(head) && !may_fit_join(*head.request, frame.type);
}

void keep_first_words(Chain& partial, Slice slice) {
    constexpr uint32_t kept_max = 256;
    if (partial.size() > kept_max) {
        std::string scratch;
        const std::string words(partial.view({.offset = 0, .size = kept_max}, scratch));
        partial.clear();
        static_cast<void>(partial.append_copy(words, nullptr));
    }
    const uint64_t room = kept_max - partial.size();
    static_cast<void>(partial.append_copy(slice.view().substr(0, room), nullptr));
}

}  // namespace

// How many fragments, from the head on, the bytes that now come may be for: one, except at the
// beginning of a value of a shared get.
uint32_t Proxy::awaiting(const ServerConn& conn) {
    const auto* parser = std::get_if<memcached::ResponseParser>(&conn.parser);
    const bool is_open = parser != nullptr && parser->frame().singly && !parser->in_single_value();
    return is_open ? conn.fragments.front()->in_line : 1;
}

// Of a response that crosses receives. False: the connection was lost over it.
bool Proxy::keep_response_part(ServerConn& conn, Slice slice) {
    const Fragment* head = conn.fragments.front();  // null, maybe, in a prelude
    if (conn.prelude_answers == 0 && !is_one_heard(head, awaiting(conn))) {
        if (!is_worth_its_end(conn)) {
            lose(conn, "sent more than 1 GiB of a response that nobody waits for", Blame::Nobody);
            return false;
        }
        if ((tells_state(conn, *head) || is_wanted(*head)) && !conn.streaming) {
            keep_first_words(conn.partial, slice);
        } else {
            conn.partial.clear();  // only its end matters
        }
        return true;
    }
    if (conn.streaming) {
        streams_.pass_on(conn, slice);
        return true;
    }
    if (conn.prelude_answers == 0 && !admit_part(conn, slice.size)) {
        return leases_.counts_on(conn);
    }
    // Places in a response are 32 bits.
    const bool fits = conn.partial.size() + slice.size <= response_size_max;
    // What holds much gives way before streams of others do (Streams::pass_on).
    const uint32_t capacity = blocks_->capacity();
    const bool is_much = conn.partial.size() / block_size > capacity / 64;
    const bool has_room = blocks_->available() > reserve() + (is_much ? capacity / 32 : 0);
    if (fits && has_room && conn.partial.append_growing(slice)) return true;
    if (conn.prelude_answers > 0) {
        lose(conn,
             "sent a greeting for which buffer memory is exhausted (buffer_memory)",
             fits ? Blame::Us : Blame::Server);
        return false;
    }
    // The server has done nothing wrong, and others wait for it: only this request fails, and the
    // rest of its response is counted and dropped.
    conn.partial.clear();
    const std::string text = error_line(
        conn.server->pool(), "the response does not fit into buffer memory; see buffer_memory");
    Fragment* fragment = conn.fragments.front();
    for (uint32_t left = awaiting(conn); left > 0; --left, fragment = fragment->next) {
        if (fragment->abandoned) continue;
        fragment->abandoned = true;
        fail(*fragment, text, stats::Reason::Limit);
        if (conn.state == ServerConn::State::Closed) return false;  // its fragments are gone
    }
    return leases_.counts_on(conn);
}

// Of a gather: whether bytes of its response may be kept. When they are too many it has failed, and
// what is still to come for it is dropped, of each server whose response goes on: it is not
// awaited, since it may have no end.
bool Proxy::admit_part(ServerConn& conn, uint32_t size) {
    Fragment& fragment = *conn.fragments.front();
    Request& request = *fragment.request;
    if (request.policy != ResponsePolicy::Gathered) return true;
    count_part(fragment, size);
    if (is_too_large(request)) {
        fragment.abandoned = true;
        fail(fragment, too_large_text(request), stats::Reason::Limit);
    } else if (!request.failed) {
        return true;
    }
    conn.partial.clear();
    return false;
}

// `end` is the last part of a whole response, or all of it. False: the connection is gone.
bool Proxy::take_response(ServerConn& conn, const auto& frame, Slice end) {
    if (Streams::is_under_way(conn)) [[unlikely]] {
        streams_.end_response(conn, end.size);
    }
    Chain whole(*blocks_);
    if (!conn.partial.empty()) {
        if (!keep_response_part(conn, end)) return false;
        whole = std::move(conn.partial);
    }
    const Bytes bytes = all_of(whole, end);
    if (conn.prelude_answers > 0) {
        on_prelude_response(conn, frame, bytes);
    } else {
        on_response(conn, frame, bytes);
    }
    return !conn.is_given_up();
}

void Proxy::parse_responses(ServerConn& conn, auto& parser, Slice slice) {
    while (slice.size > 0) {
        if (!awaits_bytes(conn)) {
            streams_.take_unasked(conn, slice);
            return;
        }
        constexpr bool may_share = std::is_same_v<decltype(parser), memcached::ResponseParser&>;
        if constexpr (may_share) begin_shared(conn, parser);
        const Fed fed = parser.feed(slice.view());
        if (fed.status == ParseStatus::Error) {
            lose(conn, std::string("sent a malformed response: ").append(parser.error()));
            return;
        }
        ParseStatus status = fed.status;
        if constexpr (may_share) {
            if (has_unasked(conn, parser.frame())) {
                lose(conn, not_asked_for);
                return;
            }
            if (!continue_shared(conn, parser, status)) return;
        }
        if (is_astray(conn, parser.frame(), status)) {
            lose(conn, unfitting_response);
            return;
        }

        const auto consumed = static_cast<uint32_t>(fed.consumed);
        const Slice end = slice.cut(0, consumed);
        slice = slice.cut(consumed, slice.size - consumed);
        if (status == ParseStatus::NeedMore) {
            if (!keep_response_part(conn, end)) return;
            streams_.consider(conn, parser, consumed);
            continue;
        }
        if (!take_response(conn, parser.frame(), end)) return;
        parser.next();
    }
}

// The head of the FIFO, taken out of it.
Fragment& Proxy::leave_queue(ServerConn& conn) {
    Fragment& fragment = *conn.fragments.pop_front();
    if (conn.first_in_time == &fragment) conn.first_in_time = fragment.next;
    if (conn.newest == &fragment) conn.newest = fragment.next;
    fragment.request->fragments_queued -= 1;
    if (fragment.in_line > 1) {
        conn.fragments.front()->in_line = static_cast<uint16_t>(fragment.in_line - 1);
    }
    if (conn.open_get.first == &fragment) conn.open_get = {};
    if (conn.note_unsent(fragment)) fragment.sent = now_;
    // What asks in turns may have begun long before.
    const bool may_be_slow =
        now_ - fragment.queued >= slow_threshold_ || fragment.special == Special::Turn;
    if (may_be_slow && !fragment.noted) [[unlikely]] {
        note_slow(conn, fragment);
    }
    return fragment;
}

Fragment& Proxy::take_answered(ServerConn& conn) {
    Fragment& fragment = leave_queue(conn);
    conn.note_response(fragment, now_);
    return fragment;
}

// What an error says beside its answer to the request.
void Proxy::note_error(ServerConn& conn, const Request& request, const Bytes& bytes) {
    const std::string_view begin =
        bytes.view({0, std::min(bytes.size(), doubt_size)}, scratch_.text);
    if (request.policy == ResponsePolicy::Script) doubt_scripts(conn, request, begin);
    if (!wants_password(begin) || !conn.server->health().tell_password(now_)) return;
    tell(conn, "server " + conn.server->title() + " " + password_text(first_line(bytes)));
}

// What is heard first of a server that takes no more connections is no answer to anything.
bool Proxy::is_turned_away(ServerConn& conn, const Bytes& error) {
    if (conn.spoke_since_connect && conn.server->pool().is_redis()) return false;
    const std::string line = first_line(error);
    if (!conn.server->pool().is_redis() && wants_token(line)) {
        lose(conn, token_reason, Blame::Us);
        return true;
    }
    if (conn.spoke_since_connect || !is_full(line)) return false;
    lose(conn, crowded_text(line));
    return true;
}

void Proxy::on_response(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    if (frame.type == '>') {
        lose(conn, unasked_push);
        return;
    }
    const bool is_error = frame.is_error();
    const Fragment& head = *conn.fragments.front();
    if (head.special != Special::No) [[unlikely]] {
        if (!is_error || !is_turned_away(conn, bytes)) leases_.on_response(conn, frame, bytes);
        return;
    }
    const bool split = head.request->join != nullptr;
    if (split && !is_error && is_wanted(head) &&
        !fits_join(head.request->policy, head, frame, bytes, scratch_.text)) {
        lose(conn, unfitting_response);
        return;
    }
    if (is_error) [[unlikely]] {
        if (is_turned_away(conn, bytes)) return;
        note_error(conn, *head.request, bytes);
    }
    if (is_error && conn.server->pool().options->eject_on_loading &&
        is_loading(bytes.view({0, std::min(bytes.size(), 8U)}, scratch_.text))) {
        if (is_servers_word(*head.request)) {
            report_failure(*conn.server, head.queued, loading_reason);
        }
    } else if (!head.abandoned) {
        note_success(conn, head.queued);
    }
    Fragment& fragment = take_answered(conn);
    Request& request = *fragment.request;
    if (fragment.abandoned) {
        free_if_done(request);
    } else if (split) {
        // Which error of a gather speaks for all is decided when all are there.
        complete_split(fragment, bytes, is_error && request.policy != ResponsePolicy::Gathered);
    } else {
        deliver(request, &bytes);
    }
}

namespace {

std::string scripts_full_text(const Pool& pool) {
    return "pool " + pool.options->name + ": " + std::to_string(scripts_max) +
           " scripts of SCRIPT LOAD, or " + std::to_string(scripts_size_max >> 20) +
           " MiB of them, are kept, and no more: a server that has lost a later one answers "
           "NOSCRIPT; SCRIPT FLUSH makes room";
}

[[nodiscard]] bool append_both(Chain& target,
                               const Bytes* bytes,
                               std::string_view tail,
                               OpenBlock* open) {
    if (bytes != nullptr && !bytes->append_to(target, {0, bytes->size()}, open)) return false;
    return tail.empty() || target.append_copy(tail, open);
}

}  // namespace

// The response of a request that was not split: `bytes`, unless null, and `tail`.
void Proxy::deliver(Request& request, const Bytes* bytes, std::string_view tail) {
    ClientConn* client = request.client;
    if (client == nullptr) {
        free_if_done(request);
        return;
    }
    if (client->requests.front() != &request) {
        client->keeps = true;
        if (!append_both(request.response, bytes, tail, &kept_)) give_up(*client);
        request.ready = true;
        return;
    }
    client->requests.pop_front();
    prefetch(client->requests.front(), cache_line_size);
    if (!request.mute) append_response(*client, bytes, tail);
    detach(request);
    free_if_done(request);
    settle(*client);
}

// One client's responses of one batch lie together in the open block. What comes while a send is
// under way goes into a block of the client's own, so that a slow client pins its own memory only.
void Proxy::append_response(ClientConn& client, const Bytes* bytes, std::string_view tail) {
    OpenBlock* open = client.unsent == 0 ? &open_ : nullptr;
    const uint64_t before = client.out.size();
    const bool kept = client.binary == nullptr
                          ? append_both(client.out, bytes, tail, open)
                          : client.binary->write_next(bytes, tail, client.out, open);
    if (!kept) give_up(client);
    note_output(client, client.out.size() - before);
}

void Proxy::complete_split(Fragment& fragment, const Bytes& bytes, bool is_error) {
    Request& request = *fragment.request;
    request.fragments_waiting -= 1;
    if (request.client == nullptr) {
        free_if_done(request);
        return;
    }
    request.client->keeps = true;
    if (!request.failed) {
        if (request.policy == ResponsePolicy::Gathered) count_last_part(fragment, bytes.size());
        // The first error speaks for all, in the server's own words.
        request.failed = is_error;
        Chain& target = is_error ? request.response : fragment.response;
        const bool wanted = !is_error || !request.noreply;
        if (wanted && !bytes.append_to(target, {0, bytes.size()}, &kept_)) {
            give_up(*request.client);
            request.failed = true;  // a prefix of a response cannot be joined
        }
    }
    if (request.fragments_waiting > 0) return;
    request.client->pool->counters->latency.record(now_ - fragment.queued);
    if (!request.failed && request.policy == ResponsePolicy::Gathered) {
        const uint64_t work = work_of(request);
        if (!joins_.admit(work)) {
            joins_.add(*request.join, work);
            return;
        }
    }
    finish_split(request);
}

// Nothing of it is still to come.
void Proxy::finish_split(Request& request) {
    if (!request.failed) answer_joined(request);
    make_ready(request);
}

// With one response of all parts, or with an error of our own.
void Proxy::answer_joined(Request& request) {
    const bool is_large = request.policy == ResponsePolicy::Gathered && is_too_large(request);
    if (!is_large && join_responses(request)) return;
    const Pool& pool = *request.client->pool;
    std::string text;
    stats::Reason reason = stats::Reason::Limit;
    if (is_large) {
        text = too_large_text(request);
    } else if (blocks_->available() == 0) {
        text = error_line(pool, no_memory);
    } else {
        text = error_line(pool, "the servers' responses to the parts do not fit the request");
        reason = stats::Reason::Other;
    }
    count_error(pool, reason);
    request.response.clear();
    if (!request.response.append_copy(text, &kept_)) give_up(*request.client);
}

bool Proxy::join_responses(Request& request) {
    const Join& join = *request.join;
    std::vector<const Chain*>& responses = scratch_.responses;
    responses.clear();
    for (const Fragment* fragment : join.fragments) {
        responses.push_back(&fragment->response);
    }

    if (!request.client->pool->is_redis()) {
        if (request.verb == memcached::Verb::FlushAll ||
            request.verb == memcached::Verb::Verbosity) {
            return request.noreply || request.response.append_copy("OK\r\n", &kept_);
        }
        const std::string_view text =
            Bytes(join.keys).view({0, static_cast<uint32_t>(join.keys.size())}, scratch_.text);
        std::vector<std::string_view>& keys = scratch_.key_views;
        keys.resize(join.key_sizes.size());
        size_t at = 0;
        for (size_t i = 0; i < keys.size(); ++i) {
            keys[i] = {text.data() + at, join.key_sizes[i]};
            at += join.key_sizes[i] + 1U;
        }
        RM_ASSERT(at <= text.size() + 1);
        if (request.verb == memcached::Verb::Stats) {
            return request.response.append_copy(
                join_stats(*this, request.stats_kind, {.responses = responses, .names = keys}),
                &kept_);
        }
        return memcached::join_values(keys, join.owners, responses, request.response, &kept_);
    }

    switch (request.policy) {
        case ResponsePolicy::One:
        case ResponsePolicy::Script:
            break;
        case ResponsePolicy::PerKey:
            return resp::join_arrays({.owners = join.owners,
                                      .responses = responses,
                                      .version = resp::version_of(request.resp3)},
                                     scratch_.join_sources,
                                     request.response,
                                     &kept_) == resp::JoinStatus::Joined;
        case ResponsePolicy::AggSum: {
            const std::optional<int64_t> sum = resp::sum_integers(responses);
            if (!sum.has_value()) return false;
            const resp::Header line(':', static_cast<uint64_t>(*sum));
            return request.response.append_copy(line.view(), &kept_);
        }
        case ResponsePolicy::AllSucceeded:
            return resp::all_ok(responses) &&
                   request.response.append_copy(resp::ok_response, &kept_);
        case ResponsePolicy::Gathered: {
            const bool is_joined = join_gather(*this, request, responses, &kept_);
            Pool& pool = *request.client->pool;
            if (request.command->id == CommandId::ScriptLoad && pool.scripts.all().take_full()) {
                notices_.push_back({.good = false, .text = scripts_full_text(pool)});
            }
            return is_joined;
        }
    }
    return false;
}

// The fragment's server cannot answer it. `text` is complete wire text; empty: nobody will hear of
// it.
void Proxy::fail(Fragment& fragment, std::string_view text, stats::Reason reason) {
    Request& request = *fragment.request;
    if (request.gathering == Gathering::Keyspace) {
        // The answer names the server.
        Chain part(*blocks_);
        static_cast<void>(part.append_copy(text, &kept_));
        complete_split(fragment, Bytes(part), false);
        return;
    }
    // Of the question whether a server takes transactions it is EXEC that is told, and counts.
    const bool is_heard = fragment.special != Special::Check && !text.empty();
    if (request.client != nullptr && !request.failed && is_heard) {
        const Pool& pool = *request.client->pool;
        if (!request.is_counted) count_error(pool, reason);
        pool.counters->forward_error.add(1);
    }
    request.fragments_waiting -= 1;
    if (request.client == nullptr) {
        free_if_done(request);
        return;
    }
    std::string with_state;
    const bool in_steps = Leases::is_in_steps(request);
    const bool is_first = !request.failed;
    if (in_steps && !text.empty()) {
        with_state = Leases::with_state(request, text);
        text = with_state;
    }
    if (fragment.special == Special::Check) {
        Session& session = *request.client->session;
        const size_t begin = text.find(": ") + 2;
        session.lost = text.substr(begin, text.size() - begin - 2);
        session.lost_reason = reason;
    }
    if (!request.failed && !request.noreply) {
        request.client->keeps = true;
        if (!request.response.append_copy(text, &kept_)) give_up(*request.client);
    }
    request.failed = true;
    const bool is_turn = fragment.special == Special::Turn || fragment.special == Special::Wait;
    if (is_turn) request.client->session->turns.reset();
    if (in_steps) {
        leases_.on_failed_step(request, is_first);
    } else if (request.fragments_waiting == 0) {
        make_ready(request);
    }
}

void Proxy::fail_all(ServerConn& conn, std::string_view text, stats::Reason reason) {
    if (std::exchange(conn.timed_out, false)) reason = stats::Reason::Timeout;
    while (!conn.fragments.empty()) {
        Fragment& fragment = leave_queue(conn);
        if (fragment.abandoned) {
            free_if_done(*fragment.request);
        } else {
            fail(fragment, text, reason);
        }
    }
}

}  // namespace ringmain::core
