#include "ringmain/core/streams.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/counted_commands.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/memcached/forward.h"

#include <algorithm>
#include <utility>

#include "front.h"
#include "meta_sets.h"
#include "script_front.h"

namespace ringmain::core {

namespace {

// Another client waits for an answer behind the one that is being passed on.
bool others_wait(const ServerConn& conn) {
    const Fragment& head = *conn.fragments.front();
    for (const Fragment* fragment = head.next; fragment != nullptr; fragment = fragment->next) {
        if (is_wanted(*fragment) && fragment->request->client != head.request->client) return true;
    }
    return false;
}

// While the answer comes, its connection is what it will be then: with one that is no error a
// transaction has ended.
bool leaves_clean(const Fragment& fragment) {
    return fragment.special == Special::No || fragment.special == Special::Exec;
}

// Of the answer to a question of LMPOP: after nothing another server is asked.
bool begins_element(const Chain& partial) {
    constexpr std::string_view begin = "*2\r\n";
    std::string scratch;
    return partial.size() > begin.size() &&
           Bytes(partial).view({0, begin.size()}, scratch) == begin;
}

}  // namespace

// What may wait of one value.
uint64_t Streams::window_of(const Pool& pool) {
    const uint64_t threshold = pool.options->stream_threshold;
    return threshold == 0 ? stream_window : std::min(stream_window, 4 * threshold);
}

// --- responses -----------------------------------------------------------------------------------

bool Streams::is_to_stream(const ServerConn& conn, uint64_t missing) {
    const uint64_t threshold = conn.server->pool().options->stream_threshold;
    if (threshold == 0 || conn.partial.size() + missing <= threshold) return false;
    // A server that announces much and brings nothing is told of; so the beginning is held back.
    if (conn.partial.size() <= std::min<uint64_t>(threshold, stream_held_back)) return false;
    if (conn.prelude_answers > 0) return false;
    const Fragment& head = *conn.fragments.front();
    if (!is_wanted(head) || head.request->join != nullptr) return false;
    const bool is_element = head.special == Special::Turn && begins_element(conn.partial);
    if (head.special != Special::No && !is_element) return false;
    // Nothing of it may leave, or messages might fall into its middle; and who has said CLIENT
    // REPLY OFF hears nothing of what is looked at when it is whole.
    return !head.request->mute && !is_subscribed(*head.request->client);
}

// What is looked at when a response is whole (Proxy::on_response): of this one it will be gone.
bool Streams::is_asked_for(const ServerConn& conn, const memcached::ResponseParser& parser) const {
    const Fragment& head = *conn.fragments.front();
    const memcached::Verb verb = head.request->verb;
    if (!memcached::reads_value(verb)) return false;
    const memcached::ResponseFrame& frame = parser.frame();
    const bool is_shared = head.in_line > 1;
    if (!memcached::fits(verb, frame) || frame.singly != is_shared) return false;
    if (is_shared) return parser.in_single_value();  // and its owner is the head
    return !names_another(*proxy_, head, frame, Bytes(conn.partial));
}

void Streams::begin_moving(ServerConn& conn) {
    conn.moved_at = proxy_->now();
    conn.moved_size = 0;
    conn.moves_since = conn.moved_at;
    conn.large_key = 0;
    under_way_.add(conn);
    if (!conn.server->pool().is_redis()) return;  // memcached does not take long to begin an answer
    LargeKeys& large_keys = conn.server->large_keys;
    large_keys.use();
    const Fragment& head = *conn.fragments.front();
    if (head.key_hash != 0 && head.request->join == nullptr) large_keys.note(head.key_hash);
}

void Streams::begin_response(ServerConn& conn) {
    const bool is_new = !is_under_way(conn);
    if (is_new) begin_moving(conn);
    conn.streaming = true;
    conn.streamed = conn.partial.size();
    Request& request = *conn.fragments.front()->request;
    if (request.client != nullptr) request.client->keeps = true;
    request.response = std::move(conn.partial);
    give_what_waits(conn);
    if (is_new) set_apart(conn);
}

// Nobody will hear the response, or any part of what it belongs to.
bool Streams::is_dropping(const ServerConn& conn) {
    if (conn.prelude_answers > 0) return false;
    const Fragment& head = *conn.fragments.front();
    return !is_heard(head) || (head.request->failed && conn.partial.empty());
}

// A part of it has come. While it moves its server is not late with it; to drip is not to move.
void Streams::note_moved(ServerConn& conn, uint64_t size) {
    conn.moved_size += size;
    if (conn.moved_size < moves_by) return;
    conn.moved_size = 0;
    conn.moved_at = proxy_->now();
}

void Streams::note_part(ServerConn& conn, uint64_t size, uint64_t known_size) {
    if (is_under_way(conn)) {
        note_moved(conn, size);
        return;
    }
    const uint64_t threshold = conn.server->pool().options->stream_threshold;
    if (threshold == 0 || known_size <= threshold) return;
    begin_moving(conn);
    set_apart(conn);
}

void Streams::note_kept(ServerConn& conn, uint64_t size, uint64_t known_size) {
    const uint64_t threshold = conn.server->pool().options->stream_threshold;
    const bool is_held_back =
        conn.partial.size() <= std::min<uint64_t>(threshold, stream_held_back);
    if (conn.prelude_answers > 0 || is_held_back) return;
    const Fragment& head = *conn.fragments.front();
    if (leaves_clean(head) && head.in_line <= 1) note_part(conn, size, known_size);
}

// To the client, if its turn has come.
void Streams::give_what_waits(ServerConn& conn) {
    const Fragment& head = *conn.fragments.front();
    Request& request = *head.request;
    if (!is_wanted(head) || request.client->requests.front() != &request) return;
    if (!request.client->is_to_hear()) return;
    const uint64_t size = request.response.size();
    if (size == 0) return;
    ClientConn& client = *request.client;
    if (client.binary == nullptr) {
        client.out.append_chain(std::move(request.response));
    } else {
        const Chain part = std::move(request.response);
        if (!client.binary->write_part(Bytes(part), client.out, nullptr)) proxy_->give_up(client);
    }
    note_output(conn, client, size);
}

// One response may have any size: what has come of this one is one.
void Streams::note_size(const ServerConn& conn) {
    const Fragment& head = *conn.fragments.front();
    if (!is_wanted(head)) return;
    ClientConn& client = *head.request->client;
    client.largest_response = std::max(client.largest_response, conn.streamed);
}

void Streams::note_output(const ServerConn& conn, ClientConn& client, uint64_t size) {
    note_size(conn);
    proxy_->note_output(client, size);
    proxy_->mark_dirty(client);
}

bool Streams::may_be_set_apart(const ServerConn& conn) const {
    const Server& server = *conn.server;
    return conn.is_everybodys() && leaves_clean(*conn.fragments.front()) && server.live &&
           !server.pool().retired && !proxy_->draining_;
}

// To close it costs nobody anything: its head reads and nobody hears it, and the time of what is
// behind that is up. Who has left meanwhile may have left a write.
bool Streams::is_unwanted(const ServerConn& conn) {
    const bool reads = is_under_way(conn) || conn.large_key != 0;
    if (!reads || !conn.out.empty() || !is_dropping(conn)) return false;
    for (const Fragment* one = conn.fragments.front()->next; one != nullptr; one = one->next) {
        if (!one->abandoned) return false;
    }
    return true;
}

template <class Fits>
bool Streams::give_up_unwanted(Server& server, const Fits& fits) {
    for (const auto& conn : server.connections()) {
        if (!fits(*conn) || !is_unwanted(*conn)) continue;
        proxy_->lose(*conn, left_reason, Blame::Nobody);
        return true;
    }
    return false;
}

// For one more to be set apart.
bool Streams::has_place(Server& server) {
    return server.set_apart < set_apart_max ||
           give_up_unwanted(server, [](const ServerConn& conn) { return conn.set_apart; }) ||
           give_up_stopped(server);
}

bool Streams::give_up_spare(const ServerConn& late) {
    return late.is_everybodys() && give_up_unwanted(*late.server, [&late](const ServerConn& conn) {
               return conn.is_spare && conn.resp3 == late.resp3 && conn.database == late.database;
           });
}

// Who asks from now on shall not wait behind it.
void Streams::set_apart(ServerConn& conn) {
    if (!may_be_set_apart(conn)) return;
    if (!has_place(*conn.server)) {
        if (conn.server->is_crowded) proxy_->wake_at(proxy_->now());  // check_others()
        return;
    }
    if (change_places(conn)) return;
    order_stand_in(*conn.server, conn.resp3, conn.database);
}

// With one that is known to serve: nobody is to lose the connection that there is.
bool Streams::change_places(ServerConn& conn) {
    Server& server = *conn.server;
    ServerConn* other = Leases::find_idle(server, conn.resp3, conn.database);
    if (other == nullptr) return false;
    server.give_place(conn, *other);
    other->is_lease = false;
    conn.is_lease = true;
    proxy_->leases().count_extra(conn);
    proxy_->leases().count_extra(*other);
    mark_apart(conn);
    // Nobody may overtake himself on the other connection.
    proxy_->hold_back_clients(conn);
    return true;
}

// It changes places with what is streaming then, when it has answered.
void Streams::order_stand_in(Server& server, bool resp3, uint32_t database) {
    if (server.set_apart + server.stand_ins >= set_apart_max) return;
    std::string_view why;
    ServerConn* conn = take(server, resp3, database, &why);
    if (conn == nullptr) return;
    conn->is_stand_in = true;
    conn->used_at = proxy_->now();
    server.stand_ins += 1;
}

void Streams::on_ready(ServerConn& conn) {
    Server& server = *conn.server;
    conn.is_stand_in = false;
    server.stand_ins -= 1;
    proxy_->leases().give_back(conn);
    for (ServerConn* one = under_way_.front(); one != nullptr;
         one = decltype(under_way_)::after(*one)) {
        if (one->server != &server || server.set_apart >= set_apart_max) continue;
        if (may_be_set_apart(*one)) change_places(*one);
    }
}

void Streams::mark_apart(ServerConn& conn) {
    conn.set_apart = true;
    conn.server->set_apart += 1;
}

void Streams::leave_apart(ServerConn& conn) {
    conn.set_apart = false;
    conn.server->set_apart -= 1;
    conn.server->is_crowded = false;
}

Request* Streams::forward_apart(
    ClientConn& client, Server& server, const Bytes& bytes, uint64_t key_hash, ScriptId script) {
    if (!proxy_->has_room_for(bytes.size()) || !proxy_->stores().has_fragments(1)) return nullptr;
    ServerConn* conn = take_apart(client, server, bytes.size());
    if (conn == nullptr) return nullptr;
    Request* request = proxy_->make_request(client);
    RM_ASSERT(request != nullptr);
    // If there is room for that as well; else the client is told that there is no such script.
    if (script.is_one()) tell_script(*proxy_, *conn, script, bytes.size());
    request->only.key_hash = key_hash;
    conn->write(bytes);
    conn->large_key = key_hash;
    proxy_->enqueue(*conn, request->only);
    proxy_->hold_back(client);
    return request;
}

ServerConn* Streams::take_apart(const ClientConn& client, Server& server, uint64_t size) {
    if (!server.live || !has_place(server)) return nullptr;
    std::string_view why;
    ServerConn* conn = take(server, client.resp3, Leases::database_of(client), &why);
    if (conn == nullptr) return nullptr;
    mark_apart(*conn);
    if (size > large_request_size) conn->uploads_of = client.id;
    proxy_->waiting_.add(*conn);
    return conn;
}

// One that nobody has, connected or to be.
ServerConn* Streams::take(Server& server, bool resp3, uint32_t database, std::string_view* why) {
    ServerConn& conn = Leases::find(server, resp3, database);
    if (conn.state != ServerConn::State::Closed) return &conn;
    if (!proxy_->may_connect(server, conn, why)) {
        server.closed_leases.add(conn);
        return nullptr;
    }
    proxy_->start_connect(conn);
    return &conn;
}

void Streams::pass_on(ServerConn& conn, Slice slice) {
    Request& request = *conn.fragments.front()->request;
    ClientConn& client = *request.client;
    note_moved(conn, slice.size);
    if (!client.is_to_hear()) return;
    give_what_waits(conn);
    if (!client.is_to_hear()) return;
    const bool has_turn = client.requests.front() == &request;
    const bool has_room = proxy_->blocks().available() > proxy_->reserve();
    Chain& target = has_turn ? client.out : request.response;
    const Slice part =
        has_turn && client.binary != nullptr ? client.binary->of_value(slice) : slice;
    const bool kept = part.size == 0 || (has_room && target.append_growing(part));
    if (!kept) {
        proxy_->close_slow(client,
                           "buffer memory is exhausted by what waits for it (buffer_memory)");
        return;
    }
    conn.streamed += slice.size;
    if (has_turn) note_output(conn, client, slice.size);
}

void Streams::end_response(ServerConn& conn, uint64_t last_size) {
    const bool was_passed_on = std::exchange(conn.streaming, false);
    conn.moved_at = proxy_->now();
    const Duration limit = first_limit(*conn.server->pool().options);
    if (limit.ns > 0) proxy_->wake_at(conn.moved_at + limit);
    under_way_.remove(conn);
    if (was_passed_on) {
        pause(conn, false);
        conn.streamed += last_size;
        note_size(conn);
        give_what_waits(conn);
    }
    if (was_passed_on || is_wanted(*conn.fragments.front())) begin_time_of_own(conn);
}

// What its client has asked behind it has waited for nobody else. It was queued before that all the
// same: when it is late it says nothing about the server.
void Streams::begin_time_of_own(const ServerConn& conn) {
    const Fragment& head = *conn.fragments.front();
    for (Fragment* fragment = head.next; fragment != nullptr; fragment = fragment->next) {
        const bool is_own = fragment->request->client == head.request->client;
        if (is_own && is_wanted(*fragment)) fragment->queued = Instant{conn.moved_at.ns - 1};
    }
}

// --- connections ---------------------------------------------------------------------------------

std::string Streams::stall_text() {
    return "has sent less than " + std::to_string(moves_by) + " bytes of a response for ";
}

bool Streams::check(ServerConn& conn) {
    const Duration limit = late_limit(*conn.server->pool().options);
    if (conn.paused || limit.ns == 0) return true;
    const Instant due = conn.moved_at + limit;
    if (proxy_->now() < due) {
        proxy_->wake_at(due);
        return true;
    }
    conn.count_loss(&stats::ServerCounters::late);
    proxy_->lose(
        conn, stall_text() + std::to_string(limit.to_millis()) + " ms (late_connection_timeout)");
    return false;
}

// Who asks behind a large response waits for all of it.
bool Streams::holds_up_others(const ServerConn& conn) {
    const Duration limit = first_limit(*conn.server->pool().options);
    const Fragment& head = *conn.fragments.front();
    for (Fragment* fragment = head.next; fragment != nullptr; fragment = fragment->next) {
        const bool is_own = fragment->request->client == head.request->client;
        if (is_own || !is_wanted(*fragment)) continue;
        const Instant due = std::max(fragment->queued, conn.moves_since) + limit;
        if (due <= proxy_->now()) return true;
        proxy_->wake_at(due);
        return false;
    }
    return false;
}

bool Streams::check_others(ServerConn& conn) {
    Server& server = *conn.server;
    if (!may_be_set_apart(conn)) return true;
    if (!server.is_crowded && !holds_up_others(conn)) return true;
    if (has_place(server)) {
        if (server.stand_ins == 0) set_apart(conn);
        return true;
    }
    if (proxy_->replace_late(conn)) return true;
    server.is_crowded = true;
    proxy_->lose(conn, crowd_text(*server.pool().options), Blame::Nobody);
    return false;
}

void Streams::on_answered(ServerConn& conn) {
    if (conn.is_cut && conn.fragments.size() <= 1) {
        proxy_->lose(conn, left_reason, Blame::Nobody);
        return;
    }
    if (!conn.fragments.empty()) return;
    leave_apart(conn);
    conn.uploads_of = 0;
    conn.server->lease_failures = 0;
    conn.server->leases_told = false;
    conn.server->large_keys.forget(std::exchange(conn.large_key, 0));
    if (!return_to_place(conn)) proxy_->leases().give_back(conn);
}

// The one that took its place was lost, and there may be no other to be had.
bool Streams::return_to_place(ServerConn& conn) {
    Server& server = *conn.server;
    const Pool& pool = server.pool();
    const bool is_usable = conn.state == ServerConn::State::Ready && server.live && !pool.retired;
    if (!is_usable || conn.database != pool.options->redis_db) return false;
    ServerConn* failed = server.failed_place(conn.resp3);
    if (failed == nullptr) return false;
    server.swap_places(conn, *failed);
    // A server that was down with that one has nobody left who would find out that it is not.
    server.health().allow();
    conn.is_lease = false;
    failed->is_lease = true;
    proxy_->leases().count_extra(conn);
    proxy_->waiting_.remove(*failed);
    server.closed_leases.add(*failed);
    return true;
}

void Streams::fall_back(ServerConn& conn) {
    Fragment* last = conn.fragments.back();  // in front of it the server may be told its script
    if (last == nullptr || !is_wanted(*last)) return;
    Server& server = *conn.server;
    Request& request = *last->request;
    ClientConn& client = *request.client;
    const ServerConn& shared = server.connection(client.affinity, client.resp3);
    if (shared.state != ServerConn::State::Ready) return;
    if (MetaSets::is_too_old(server, request.version_need)) return;
    if (conn.uploader != nullptr) {
        last->queued = proxy_->now();  // what begins anew is not slow yet
        keep_request(conn, client);
        return;
    }
    const bool asks = MetaSets::must_ask(server, request.version_need);
    if (asks && !proxy_->has_room_for(0)) return;  // to ask
    std::string_view why;
    ServerConn* other = proxy_->usable_connection(server, client, conn.out.size(), &why);
    if (other == nullptr) return;
    if (asks) {
        last->queued = proxy_->now();
        static_cast<void>(proxy_->leave_queue(conn));
        request.fragments_waiting -= 1;
        MetaSets(*proxy_).ask(*other, request, std::move(conn.out));
        return;
    }
    other->out.append_chain(std::move(conn.out));
    while (!conn.fragments.empty()) {
        conn.fragments.front()->queued = proxy_->now();
        Fragment& fragment = proxy_->leave_queue(conn);
        fragment.request->fragments_waiting -= 1;
        proxy_->enqueue(*other, fragment);
    }
    // The next large one would go on a connection of its own.
    proxy_->hold_back(client);
}

// It waits in memory for its end, like any.
void Streams::keep_request(ServerConn& conn, ClientConn& client) {
    conn.uploader = nullptr;
    client.uploading = nullptr;
    restore(conn, client);
    Request& request = *client.requests.pop_back();
    client.upload = Upload::Behind;
    proxy_->detach(request);
    if (client.binary != nullptr) client.binary->forget_last();
    keep_or_wait(client);
    if (client.upload == Upload::Kept && client.paused) proxy_->resumable_.add(client);
}

// What had come of it, as it came.
void Streams::restore(ServerConn& conn, ClientConn& client) {
    Chain& partial = client.intake->partial;
    if (!conn.upload_line.empty()) {
        const uint64_t all = std::visit(
            [](const auto& parser) { return parser.frame().size - parser.bytes_missing(); },
            client.intake->parser);
        conn.out.pop_front(conn.out.size() - (all - conn.upload_line.size()));
        partial = std::move(conn.upload_line);
    }
    partial.append_chain(std::move(conn.out));
}

void Streams::on_lost(ServerConn& conn) {
    throttled_.remove(conn);
    if (std::exchange(conn.is_stand_in, false)) conn.server->stand_ins -= 1;
    conn.paused = false;
    conn.large_key = 0;
    conn.uploads_of = 0;
    conn.is_cut = false;
    conn.upload_line.clear();
    early_.remove(conn);
    asked_.remove(conn);
    if (conn.set_apart) {
        leave_apart(conn);
        // One of everybody's finds out when the server is there again.
        ServerConn& shared = conn.server->connection(0, conn.resp3);
        const bool is_down = conn.server->live && conn.server->health().is_down();
        if (is_down && shared.state == ServerConn::State::Closed) proxy_->watch(shared);
    }
    if (conn.uploader != nullptr) {
        // It is told why, and the rest of its request is dropped.
        ClientConn& client = *std::exchange(conn.uploader, nullptr);
        client.uploading = nullptr;
        client.upload = Upload::Dropping;
        count(*client.pool, *conn.fragments.back()->request);
        if (client.barrier) proxy_->hold_back(client);
    }
    under_way_.remove(conn);
    if (!std::exchange(conn.streaming, false)) return;
    const Fragment& head = *conn.fragments.front();
    if (!is_wanted(head)) return;
    Request& request = *head.request;
    ClientConn& client = *request.client;
    const bool is_kept = request.response.size() == conn.streamed;  // nothing of it has left
    request.response.clear();
    if (is_kept || client.requests.front() != &request || !client.is_to_hear()) return;
    // What is missing is no part of a packet.
    if (client.binary != nullptr && client.binary->has_all_of_value()) return;
    proxy_->tell_closing(client, conn.last_error + ", in the middle of a response to it");
    client.cut_off();
    proxy_->mark_dirty(client);
}

bool Streams::is_full(const ServerConn& conn) {
    const Fragment& head = *conn.fragments.front();
    if (!is_wanted(head)) return false;
    const Request& request = *head.request;
    const ClientConn& client = *request.client;
    const uint64_t waiting = client.out.size() + client.unsent + request.response.size();
    const uint64_t window = window_of(*client.pool);
    return waiting >= (conn.paused ? window / 2 : window);
}

// While others wait behind it everything is taken, as fast as it comes: they are not to wait for a
// slow client, and two clients are not to wait for each other.
void Streams::drive_all() {
    for (ServerConn* conn = under_way_.front(); conn != nullptr;
         conn = decltype(under_way_)::after(*conn)) {
        if (!conn->streaming) continue;
        give_what_waits(*conn);
        pause(*conn, is_full(*conn) && !others_wait(*conn));
    }
}

void Streams::pause(ServerConn& conn, bool paused) {
    if (conn.paused == paused) return;
    conn.paused = paused;
    throttled_.add(conn);
    if (paused) return;
    conn.moved_at = proxy_->now();
    if (conn.streaming) proxy_->wake_at(conn.moved_at);
}

}  // namespace ringmain::core
