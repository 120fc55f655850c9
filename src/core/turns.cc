#include "ringmain/core/turns.h"

#include "ringmain/core/leases.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/writer.h"

#include <algorithm>

#include "front.h"

namespace ringmain::core {

// The key that is asked next, those behind it that may be asked with it, and their server.
uint32_t Leases::next_question(const Pool& pool, Turns& turns, std::string& text) {
    const std::vector<std::string>& keys = turns.pop.keys;
    const uint32_t server = pool.server_of(keys[turns.next], proxy_->now(), proxy_->prng());
    turns.asked = 1;
    while (turns.pop.counts_keys && turns.next + turns.asked < keys.size()) {
        const std::string& key = keys[turns.next + turns.asked];
        if (pool.server_of(key, proxy_->now(), proxy_->prng()) != server) break;
        turns.asked += 1;
    }
    text = resp::question_text(turns.pop, turns.next, turns.asked);
    return server;
}

// Where the keys live, and whose turn it is, of the servers in the order of their first keys.
uint32_t Leases::whose_turn(const Pool& pool, const Turns& turns, std::vector<uint32_t>& places) {
    std::vector<uint32_t> servers;
    for (const std::string& key : turns.pop.keys) {
        places.push_back(pool.server_of(key, proxy_->now(), proxy_->prng()));
        if (std::find(servers.begin(), servers.end(), places.back()) == servers.end()) {
            servers.push_back(places.back());
        }
    }
    return servers[turns.taken % servers.size()];
}

// Behind a wait that has found nothing.
void Leases::begin_round(const Pool& pool, Turns& turns) {
    turns.next = 0;
    turns.asks_until = turns.pop.keys.size();
    // What lives elsewhere now was not looked at.
    const bool may_have_moved = turns.placements != pool.placements || pool.is_in_ramps();
    if (may_have_moved) turns.waited = 0;
    turns.placements = pool.placements;
    if (may_have_moved || proxy_->now() >= turns.until || !pool.any_live()) return;
    std::vector<uint32_t> places;
    const uint32_t server = whose_turn(pool, turns, places);
    const auto needs_no_question = [&](size_t key) {
        return turns.is_empty(key) || places[key] == server;
    };
    while (turns.asks_until > 0 && needs_no_question(turns.asks_until - 1)) {
        turns.asks_until -= 1;
    }
}

// Past what needs no question. The end is for the next wait to look at, if there is one, and if its
// keys still live where they did.
void Leases::skip_keys(const Pool& pool, Turns& turns) {
    const auto skip = [&turns] {
        while (turns.asks() && turns.is_empty(turns.next)) {
            turns.next += 1;
        }
    };
    const bool has_moved = turns.placements != pool.placements;
    if (has_moved) turns.waited = 0;
    skip();
    if (turns.asks() || !turns.pop.waits) return;
    if (proxy_->now() < turns.until && !has_moved) return;
    turns.asks_until = turns.pop.keys.size();
    skip();
}

// The keys of the server whose turn it is.
uint32_t Leases::next_wait(const Pool& pool, Turns& turns, std::string& text, Duration* wait) {
    std::vector<uint32_t> places;
    const uint32_t server = whose_turn(pool, turns, places);
    turns.taken += 1;
    turns.waited = 0;
    turns.placements = pool.placements;
    std::vector<std::string_view> keys;
    for (size_t i = 0; i < places.size(); ++i) {
        if (places[i] != server) continue;
        keys.emplace_back(turns.pop.keys[i]);
        turns.waited |= uint64_t{1} << i;
    }
    if (pool.is_in_ramps()) turns.waited = 0;
    const bool ends = turns.until != Instant::never();
    *wait = ends ? std::min(Turns::length, turns.until - proxy_->now()) : Turns::length;
    text = resp::wait_text(turns.pop, keys, *wait);
    return server;
}

// With what the servers have answered.
void Leases::answer_turns(Request& request, std::string_view text) {
    const Turns& turns = *request.client->session->turns;
    if (!turns.pop.waits) {
        request.client->pool->counters->latency.record(proxy_->now() - turns.began);
    }
    note_turns(request, true);
    end_turns(request, text);
}

void Leases::end_turns(Request& request, std::string_view text) {
    request.client->session->turns.reset();
    note_change(*request.client);
    proxy_->finish(request, text);
}

// With an error of our own: no server gets the next question.
void Leases::fail_turns(Request& request, std::string_view why, stats::Reason reason) {
    const Pool& pool = *request.client->pool;
    proxy_->count_error(pool, reason);
    pool.counters->forward_error.add(1);
    note_turns(request, false);
    end_turns(request, error_line(pool, why));
}

void Leases::take_turn(Request& request) {
    ClientConn& client = *request.client;
    Pool& pool = *client.pool;
    Turns& turns = *client.session->turns;
    const bool waits = turns.pop.waits;
    skip_keys(pool, turns);
    if (!turns.asks() && (!waits || proxy_->now() >= turns.until)) {
        answer_turns(request, client.resp3 ? "_\r\n" : "*-1\r\n");
        return;
    }
    if (!turns.end.empty()) {
        fail_turns(request, turns.end, stats::Reason::Other);
        return;
    }
    // Each key is asked once for a client that has ended its side; it is not waited for.
    const bool is_last = turns.taken > 0 || !turns.asks();
    if (turns.is_over || (waits && is_last && has_ended(client))) {
        take_no_more(client);
        end_turns(request, {});
        return;
    }
    if (!pool.any_live()) {
        fail_turns(request, proxy_->no_server_text(pool), stats::Reason::NoServer);
        return;
    }
    std::string text;
    Duration wait;
    Server& server = pool.server(turns.asks() ? next_question(pool, turns, text)
                                              : next_wait(pool, turns, text, &wait));
    std::string_view why = "out of memory for requests; see buffer_memory";
    proxy_->scratch().why_reason = stats::Reason::Limit;
    ServerConn* conn = nullptr;
    if (proxy_->has_room_for(text.size())) {
        conn = waits ? take(server, client, Need::Wait, &why)
                     : proxy_->usable_connection(server, client, text.size(), &why);
    }
    if (conn == nullptr) {
        fail_turns(request, why, proxy_->scratch().why_reason);
        return;
    }
    conn->write(text);
    request.fragments_waiting = 0;
    request.only.special = waits ? Special::Wait : Special::Turn;
    proxy_->enqueue(*conn, request.only);
    if (!waits) {
        // What the client asks behind it is answered behind it, and not before on other servers.
        client.session->must_wait = true;
        note_change(client);
        return;
    }
    begin_waiting(client, *conn, wait);
}

// Whether it can be an answer to what is under way.
bool Leases::fits_turn(const Turns& turns, const resp::ResponseFrame& frame) {
    if (frame.is_error()) return true;
    return turns.asks() ? resp::fits_question(turns.pop, frame) : resp::fits_wait(turns.pop, frame);
}

// A turn's answer, which fits; the connection is given back.
void Leases::on_turn(Request& request, const resp::ResponseFrame& frame, const Bytes& bytes) {
    Turns& turns = *request.client->session->turns;
    if (resp::is_nothing(frame)) {
        if (turns.asks()) {
            turns.next += turns.asked;
        } else {
            begin_round(*request.client->pool, turns);
        }
        take_turn(request);
        return;
    }
    resp::PopHead head;
    if (turns.asks() && !frame.is_error()) head = resp::head_of(turns.pop, turns.next);
    bool kept = head.text.empty() || request.response.append_copy(head.text, &proxy_->kept_);
    kept = kept &&
           bytes.append_to(request.response, {head.skip, bytes.size() - head.skip}, &proxy_->kept_);
    if (!kept) proxy_->give_up(*request.client);
    answer_turns(request, {});
}

// To a question on a connection that others use, too.
void Leases::on_asked(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& bytes) {
    const Fragment& head = *conn.fragments.front();
    if (!is_wanted(head)) {
        proxy_->free_if_done(take_request(conn));
        return;
    }
    if (!fits_turn(*head.request->client->session->turns, frame)) {
        proxy_->lose(conn, unfitting_response);
        return;
    }
    on_turn(take_request(conn), frame, bytes);
}

}  // namespace ringmain::core
