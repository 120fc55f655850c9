// Large requests, on their way while they are still arriving.

#include "ringmain/base/assert.h"
#include "ringmain/core/counted_commands.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/memcached/forward.h"
#include "ringmain/resp/commands.h"

#include <algorithm>
#include <utility>

#include "front.h"
#include "meta_sets.h"

namespace ringmain::core {

struct Streams::Begun {
    const Command* command = nullptr;                // redis
    ByteRange key = {};                              // of that
    const memcached::RequestFrame* frame = nullptr;  // memcached
    Chain* line = nullptr;                           // of that, where a packet has come
    const memcached::BinaryFrame* packet = nullptr;  // which it is

    [[nodiscard]] uint32_t number() const {
        return frame == nullptr ? number_of(command) : number_of(frame->verb);
    }

    [[nodiscard]] memcached::VersionNeed version_need() const {
        return frame == nullptr ? memcached::VersionNeed::None : frame->version_need;
    }

    [[nodiscard]] bool is_mute() const { return frame != nullptr && frame->noreply; }
};

namespace {

// A plain command of one key that is there, in front of the argument that is arriving.
const Command* command_of(const resp::RequestParser& parser,
                          const Bytes& bytes,
                          std::string& text) {
    const resp::RequestFrame& frame = parser.frame();
    const uint32_t arriving = parser.argument_index();
    if (arriving == 0 || frame.oversized || frame.arguments[0].size > command_name_size_max) {
        return nullptr;
    }
    const Command* command = resp::find_command(bytes.view(frame.arguments[0], text));
    if (command == nullptr || command->only_key == 0 || command->only_key >= arriving ||
        !resp::arity_fits(*command, frame.argument_count)) {
        return nullptr;
    }
    const bool is_forwarded = command->handling == Handling::Forward ||
                              command->handling == Handling::Combine ||
                              command->handling == Handling::Publish;
    return is_forwarded ? command : nullptr;
}

// Its commands are what they seem, and it wants their answers.
bool is_plain(const ClientConn& client) {
    return !client.special && client.authenticated && client.replies == ClientConn::Replies::On;
}

// The connection on which large requests of the client are under way to the server.
ServerConn* find_uploads(const Server& server, const ClientConn& client) {
    for (const auto& conn : server.connections()) {
        if (conn->uploads_of == client.id && !conn->fragments.empty()) return conn.get();
    }
    return nullptr;
}

bool may_follow(const ServerConn& conn) {
    return conn.state == ServerConn::State::Ready && !conn.is_late() && !conn.is_cut;
}

// Whether a memcached that says so, or has begun to, takes the data of the request all the same:
// when it has found something wrong with a line of classic words, it runs them as commands.
bool is_refusal(memcached::Verb verb, std::string_view text) {
    constexpr std::string_view server_error = "SERVER_ERROR ";
    constexpr std::string_view client_error = "CLIENT_ERROR ";
    const std::string_view begin = text.substr(0, server_error.size());
    const bool is_meta = verb == memcached::Verb::MetaSet;
    if (!memcached::has_data_block(verb)) return false;
    return server_error.starts_with(begin) || (is_meta && client_error.starts_with(begin));
}

// Of a large request a server may refuse the beginning: its client's doing, and nobody else's. It
// may have meant the connection, too.
Blame blame_of_refusal(std::string_view text) {
    return is_full(text) ? Blame::Us : Blame::Nobody;
}

}  // namespace

void Streams::consider_request(ClientConn& client, const resp::RequestParser& parser) {
    std::string& scratch = proxy_->scratch().text;
    const Bytes bytes(client.intake->partial);
    const Command* command = is_plain(client) ? command_of(parser, bytes, scratch) : nullptr;
    if (command == nullptr) {
        keep_or_wait(client);
        return;
    }
    const ByteRange key = parser.frame().arguments[command->only_key];
    if (key.size > client.pool->options->key_size_max) {
        keep_or_wait(client);
    } else {
        place(client, {.command = command, .key = key});
    }
}

// It has a key and a data block: the line was found right.
void Streams::consider_request(ClientConn& client, const memcached::RequestParser& parser) {
    const memcached::RequestFrame& frame = parser.frame();
    if (frame.verb != memcached::Verb::Invalid) place(client, {.frame = &frame});
}

// A packet becomes a line and what has come of the value; it has both when its key is there.
void Streams::consider_request(ClientConn& client, const memcached::BinaryParser& parser) {
    const memcached::BinaryFrame& packet = parser.frame();
    const Chain& partial = client.intake->partial;
    if (partial.size() < packet.value.offset) return;
    Chain line(proxy_->blocks());
    memcached::RequestFrame frame;
    // What cannot be written is refused when its end is there.
    if (memcached::rewrite_line(packet, Bytes(partial), line, frame) == memcached::Rewritten::Yes) {
        place(client, {.frame = &frame, .line = &line, .packet = &packet});
    } else {
        keep_or_wait(client);
    }
}

std::string_view Streams::key_of(const ClientConn& client, const Begun& begun) const {
    const Bytes bytes(begun.line != nullptr ? *begun.line : client.intake->partial);
    std::string& scratch = proxy_->scratch().text;
    return begun.frame == nullptr ? bytes.view(begun.key, scratch)
                                  : memcached::placed_key(*begun.frame, bytes, scratch);
}

void Streams::place(ClientConn& client, const Begun& begun) {
    Pool& pool = *client.pool;
    if (!proxy_->stores().has_fragments(1) ||
        !proxy_->has_room_for(client.intake->partial.size())) {
        keep_or_wait(client);
        return;
    }
    if (!client.requests.empty() && client.upload != Upload::Behind) {
        // On another connection it might overtake them. It is considered again (resume).
        proxy_->hold_back(client);
        return;
    }
    if (client.user != nullptr && begun.command != nullptr) {
        const std::string why = why_forbidden(*client.user, *begun.command, key_of(client, begun));
        if (!why.empty()) {
            begin_dropping(client, begun);
            proxy_->answer_error(client, why + "\r\n");
            return;
        }
    }
    if (!pool.any_live()) {
        refuse(client, begun, proxy_->no_server_text(pool), stats::Reason::NoServer);
        return;
    }
    const uint32_t index = pool.server_of(key_of(client, begun), proxy_->now(), proxy_->prng());
    Server& server = *pool.servers[index];
    if (MetaSets::is_too_old(server, begun.version_need())) {
        refuse(client, begun, MetaSets::why_too_old(server), stats::Reason::Unsupported);
        return;
    }
    begin_request(client, server, begun);
}

// It is taken when its end is there; but behind large ones it is considered again when they are
// answered (resume).
void Streams::keep_or_wait(ClientConn& client) {
    if (client.upload == Upload::Behind && !client.requests.empty()) {
        proxy_->hold_back(client);
    } else {
        client.upload = Upload::Kept;
    }
}

// It is answered now; the rest of it is counted to its end and not kept.
void Streams::begin_dropping(ClientConn& client, const Begun& begun) {
    client.pool->counters->commands[begun.number()].add(1);
    proxy_->counters().requests.add(1);
    if (begun.packet != nullptr) client.binary->expect(*begun.packet);
    client.intake->partial.clear();
    client.upload = Upload::Dropping;
}

void Streams::refuse(ClientConn& client,
                     const Begun& begun,
                     std::string_view why,
                     stats::Reason reason) {
    begin_dropping(client, begun);
    proxy_->refuse_forward(client, error_line_unless(begun.is_mute(), *client.pool, why), reason);
}

// That on which its earlier ones are under way to the server, or one of its own. Null: what becomes
// of the request is decided.
ServerConn* Streams::connection_for(ClientConn& client, Server& server, const Begun& begun) {
    ServerConn* before = client.requests.empty() ? nullptr : find_uploads(server, client);
    // Asked is what connects now; else when all of it is there (forward).
    const bool is_doubtful = MetaSets::must_ask(server, begun.version_need());
    if (is_doubtful && (before != nullptr || !server.idle_leases.empty())) {
        keep_or_wait(client);
        return nullptr;
    }
    if (before != nullptr) {
        if (may_follow(*before)) return before;
        proxy_->hold_back(client);
        return nullptr;
    }
    if (!has_place(server)) {
        keep_or_wait(client);
        return nullptr;
    }
    std::string_view why;
    ServerConn* conn = take(server, client.resp3, client.pool->options->redis_db, &why);
    if (conn != nullptr) {
        mark_apart(*conn);
        conn->uploads_of = client.id;
        return conn;
    }
    // In one piece it may go the common way.
    const ServerConn& shared = server.connection(client.affinity, client.resp3);
    if (shared.state == ServerConn::State::Ready && server.takes_requests) {
        keep_or_wait(client);
    } else {
        refuse(client, begun, why, proxy_->scratch().why_reason);
    }
    return nullptr;
}

// What is remembered of it until it is answered.
void Streams::describe(Request& request, Server& server, const Begun& begun) {
    const std::string_view key = key_of(*request.client, begun);
    if (proxy_->notes_commands()) {
        note_command(request, begun.command, key.substr(0, noted_key_size_max));
        request.key_size = static_cast<uint32_t>(key.size());
    }
    if (begun.frame != nullptr) {
        note_frame(*proxy_, request, *begun.frame, key);
        return;
    }
    request.command = begun.command;
    request.client->last_command = begun.command;
    server.large_keys.note(LargeKeys::hash_of(proxy_->key_check_hash(key)));
    if (begun.command->handling == Handling::Publish) {
        proxy_->subscriptions().count_receivers(request, server, publishes_to(*begun.command), key);
    }
}

// As the server gets it. What it was before, up to the value, is kept where it was something else.
void Streams::write_beginning(ServerConn& conn, Chain& partial, const Begun& begun) {
    const Bytes bytes(partial);
    bool written = true;
    if (begun.packet != nullptr) {
        const uint32_t head_size = begun.packet->value.offset;
        written = bytes.append_to(conn.upload_line, {0, head_size}, nullptr);
        conn.out.append_chain(std::move(*begun.line));
        partial.pop_front(head_size);
        conn.out.append_chain(std::move(partial));
    } else if (begun.frame != nullptr && !begun.frame->is_canonical) {
        written = memcached::write_request(*begun.frame, bytes, conn.out) &&
                  bytes.append_to(conn.upload_line, {0, begun.frame->data.offset}, nullptr);
        partial.clear();
    } else {
        conn.out.append_chain(std::move(partial));
    }
    RM_ASSERT(written);  // there was room
}

void Streams::begin_request(ClientConn& client, Server& server, const Begun& begun) {
    ServerConn* conn = connection_for(client, server, begun);
    if (conn == nullptr) return;
    Request* request = proxy_->make_request(client);
    RM_ASSERT(request != nullptr);  // the limit was checked
    describe(*request, server, begun);
    conn->uploader = &client;
    conn->taken_at = proxy_->now();
    write_beginning(*conn, client.intake->partial, begun);
    if (begun.packet != nullptr) client.binary->expect(*begun.packet);
    proxy_->enqueue(*conn, request->only);
    conn->note_incomplete();
    proxy_->waiting_.add(*conn);
    client.upload = Upload::Sending;
    client.uploading = conn;
    wait_if_full(client);
}

// With its end, or when it has its answer without one. What is taken as something else is counted
// as that.
void Streams::count(const Pool& pool, const Request& request) {
    const uint32_t number = pool.is_redis() ? number_of(request.command) : number_of(request.verb);
    pool.counters->commands[number].add(1);
    proxy_->counters().requests.add(1);
}

void Streams::pass_on(ClientConn& client, Slice slice) {
    give_part(client, slice);
    if (client.upload == Upload::Sending) wait_if_full(client);
}

// It is read on when what waits is with the driver (on_taken).
void Streams::wait_if_full(ClientConn& client) {
    const ServerConn& conn = *client.uploading;
    if (conn.out.size() < window_of(conn.server->pool())) return;
    client.paused = true;
    proxy_->mark_dirty(client);
}

void Streams::give_part(const ClientConn& client, Slice slice, std::string_view behind) {
    if (client.upload != Upload::Sending) return;
    ServerConn& conn = *client.uploading;
    const Pool& pool = conn.server->pool();
    if (conn.out.empty()) {
        conn.taken_at = proxy_->now();
        const Duration limit = late_limit(*pool.options);
        if (limit.ns > 0) proxy_->wake_at(conn.taken_at + limit);
    }
    const bool has_room = proxy_->blocks().available() > proxy_->reserve();
    if (!has_room || !conn.out.append_growing(slice) || !conn.out.append_copy(behind, nullptr)) {
        proxy_->lose(
            conn, "cannot be sent more: buffer memory is exhausted (buffer_memory)", Blame::Us);
        return;
    }
    conn.note_grown(*conn.fragments.back());
    if (conn.state == ServerConn::State::Ready) proxy_->mark_dirty(conn);
}

// All that waited is with the driver.
void Streams::on_taken(ServerConn& conn) {
    conn.taken_at = proxy_->now();
    proxy_->wake_at(proxy_->now() + untaken_look);
    if (conn.uploader->paused) proxy_->resumable_.add(*conn.uploader);
}

// Of a request whose end is still to come it is looked at then (begin_time).
void Streams::note_leaving(ServerConn& conn) {
    const uint32_t requests = conn.traffic.unsent;
    if (requests == 0 || conn.out.size() / requests <= large_request_size) return;
    conn.note_large(proxy_->now());
    proxy_->wake_at(proxy_->now() + untaken_look);
}

bool Streams::asks_kernel(ServerConn& conn) {
    const bool is_full = conn.uploader != nullptr && conn.unsent > 0;
    if (conn.state != ServerConn::State::Ready || (!is_full && !conn.is_taking())) return false;
    const Instant now = proxy_->now();
    if (conn.judged_at == now || late_limit(*conn.server->pool().options).ns == 0) return false;
    asked_.add(conn);
    proxy_->wake_at(now + untaken_look);
    return true;
}

void Streams::judge_untaken(ServerConn& conn, uint64_t in_kernel) {
    conn.judged_at = proxy_->now();
    conn.note_in_kernel(in_kernel, conn.judged_at);
    proxy_->check_deadlines(conn);
}

// Of a larger value it reads the rest by itself.
bool Streams::may_hold_answers(const ServerConn& conn) {
    constexpr uint64_t read_size = 16 * 1024;
    const Pool& pool = conn.server->pool();
    const bool is_open = conn.uploader != nullptr || conn.is_cut;
    return is_open && !pool.is_redis() && pool.options->stream_threshold <= read_size;
}

bool Streams::may_be_refused(const ServerConn& conn) {
    if (conn.state != ServerConn::State::Ready || conn.is_subscriber) return false;
    const bool serves = conn.is_lease ? conn.server->is_connected() : conn.spoke_since_connect;
    const Fragment* fragment = serves ? conn.fragments.front() : nullptr;
    while (fragment != nullptr && fragment->size <= large_request_size) {
        fragment = fragment->next;
    }
    return fragment != nullptr;
}

bool Streams::waits_for_client(const ServerConn& conn, Duration since) const {
    return conn.uploader != nullptr && conn.fragments.size() == 1 && conn.out.empty() &&
           proxy_->now() - conn.taken_at > since;
}

// Of the requests whose clients have stopped in the middle that which has waited longest: somebody
// needs its place. Without its end it is not run, and may be sent again.
bool Streams::give_up_stopped(Server& server) {
    const Duration limit = std::max(first_limit(*server.pool().options), standstill_min);
    ServerConn* oldest = nullptr;
    for (const auto& conn : server.connections()) {
        if (conn->unsent > 0 || !waits_for_client(*conn, limit)) continue;
        if (oldest == nullptr || conn->taken_at < oldest->taken_at) oldest = conn.get();
    }
    if (oldest == nullptr) return false;
    proxy_->lose(*oldest,
                 "was sent no more of a request for " + std::to_string(limit.to_millis()) +
                     " ms, and others needed one of its " + std::to_string(set_apart_max) +
                     " connections for large values; send it again",
                 Blame::Nobody);
    return true;
}

bool Streams::has_room(const ClientConn& client) {
    return client.uploading->out.size() < window_of(client.uploading->server->pool()) / 2;
}

Streams::Ended Streams::end_request(ClientConn& client, bool is_refused, Slice end) {
    if (client.upload == Upload::Behind) {
        if (client.requests.empty()) client.upload = Upload::None;
        // What is refused here keeps its place among them.
        return client.requests.empty() || is_refused ? Ended::Take : Ended::Wait;
    }
    if (client.upload == Upload::Sending && is_refused) {
        abandon(client);  // what it turns out to be is taken yet
        return Ended::Take;
    }
    // However much waits: what is to come is another request's.
    // A packet ends with its value, which is a line to its server.
    give_part(client, end, client.binary != nullptr ? "\r\n" : "");
    const Upload was = client.upload;
    client.upload = was == Upload::Kept || client.requests.empty() ? Upload::None : Upload::Behind;
    if (was == Upload::Kept) return Ended::Take;
    if (was == Upload::Dropping) return Ended::Done;
    ServerConn& conn = *std::exchange(client.uploading, nullptr);
    begin_time(conn);
    conn.uploader = nullptr;
    conn.upload_line.clear();
    Fragment& fragment = *conn.fragments.back();
    count(*client.pool, *fragment.request);
    conn.note_complete(fragment);
    fragment.sent = proxy_->now();
    if (client.barrier) proxy_->hold_back(client);
    return Ended::Done;
}

// Of the request that will not arrive any more, and of those whose answers may have waited for it.
void Streams::begin_time(ServerConn& conn) {
    const Instant now = proxy_->now();
    Fragment* fragment = may_hold_answers(conn) ? conn.fragments.front() : conn.fragments.back();
    for (; fragment != nullptr; fragment = fragment->next) {
        fragment->queued = now;
    }
    conn.newest = conn.fragments.front();
    conn.newest_at = now;
    conn.note_large(now);
    proxy_->wake_at(now + untaken_look);
    const Duration limit = first_limit(*conn.server->pool().options);
    if (limit.ns > 0) proxy_->wake_at(now + limit);
}

// The client is gone, or will not send the rest, or has sent what is no request: a request without
// its end is not run. Those before it on the connection are answered first.
void Streams::abandon(ClientConn& client) {
    if (std::exchange(client.upload, Upload::None) != Upload::Sending) return;
    ServerConn& conn = *std::exchange(client.uploading, nullptr);
    begin_time(conn);
    conn.uploader = nullptr;
    Request& request = *client.requests.pop_back();
    if (!client.requests.empty()) client.upload = Upload::Behind;
    proxy_->detach(request);
    if (client.binary != nullptr) client.binary->forget_last();
    if (conn.fragments.size() > 1) {
        conn.is_cut = true;
        conn.fragments.back()->abandoned = true;
    } else {
        proxy_->lose(conn, left_reason, Blame::Nobody);
    }
    if (client.barrier && !client.requests.empty()) proxy_->hold_back(client);
}

void Streams::take_unasked(ServerConn& conn, Slice slice) {
    if (keep_early(conn, slice)) return;
    const Blame blame = is_leaving(conn) ? blame_of_refusal(slice.view()) : Blame::Server;
    MetaSets::note_unasked(conn);
    proxy_->lose(conn, unasked_text(conn, slice.view()), blame);
}

bool Streams::keep_early(ServerConn& conn, Slice slice) {
    constexpr size_t size_max = 1024;
    if (conn.server->pool().is_redis() || conn.uploads_of == 0 || !is_leaving(conn)) return false;
    // Some of it must have left for that: in an earlier batch.
    const Fragment& head = *conn.fragments.front();
    const uint64_t batch = proxy_->batch_;
    const bool has_begun = conn.prelude_answers == 0 &&
                           head.batch != static_cast<uint32_t>(batch) && conn.ready_batch != batch;
    if (!has_begun) return false;
    RM_DCHECK(conn.early_link.is_linked() || conn.partial.empty());
    const memcached::Verb verb = head.request->verb;
    std::string text = conn.partial.to_string();
    text += slice.view();
    const bool has_more = text.find('\n') < text.size() - 1;  // than a line
    if (has_more || text.size() > size_max || !is_refusal(verb, text)) return false;
    if (!conn.partial.append_growing(slice)) return false;
    early_.add(conn);
    return true;
}

// If the rest of its request has left.
void Streams::take_early(ServerConn& conn) {
    if (!proxy_->awaits_bytes(conn)) return;
    early_.remove(conn);
    Chain bytes = std::move(conn.partial);
    while (!bytes.empty() && conn.state != ServerConn::State::Closed) {
        const Slice slice = bytes.front();
        proxy_->take_server_bytes(conn, slice);
        bytes.pop_front(slice.size);
    }
}

void Streams::take_all_early() {
    for (ServerConn* conn = early_.front(); conn != nullptr;) {
        ServerConn& one = *conn;
        conn = decltype(early_)::after(one);
        take_early(one);
        if (!one.early_link.is_linked()) conn = early_.front();  // it may have taken others with it
    }
}

// The server does not take the rest, and has said why.
void Streams::lose_early(ServerConn& conn) {
    MetaSets::note_unasked(conn);
    const std::string text = conn.partial.to_string();
    proxy_->lose(conn, unasked_text(conn, text), blame_of_refusal(text));
}

bool Streams::end_early(ServerConn& conn) {
    take_early(conn);
    if (conn.early_link.is_linked()) lose_early(conn);
    return conn.state != ServerConn::State::Closed;
}

bool Streams::check_request(ServerConn& conn) {
    const bool waits = conn.state == ServerConn::State::Ready && !conn.out.empty();
    const Duration limit = late_limit(*conn.server->pool().options);
    if (limit.ns == 0 || !waits) return true;
    const Instant due = std::max(conn.taken_at, conn.ready_at) + limit;
    if (proxy_->now() < due) {
        proxy_->wake_at(due);
        return true;
    }
    if (conn.early_link.is_linked()) {
        lose_early(conn);
        return false;
    }
    conn.count_loss(&stats::ServerCounters::late);
    proxy_->lose(conn,
                 "has taken no more of a request for " + std::to_string(limit.to_millis()) +
                     " ms (late_connection_timeout)");
    return false;
}

}  // namespace ringmain::core
