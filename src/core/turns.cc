#include "ringmain/core/turns.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/leases.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/writer.h"

#include <algorithm>

#include "front.h"

namespace ringmain::core {

namespace {

std::string seconds_of(Duration duration) {
    const int64_t ms = std::max<int64_t>((duration.ns + 999'999) / 1'000'000, 1);
    const std::string rest = std::to_string(1000 + ms % 1000).substr(1);
    return std::to_string(ms / 1000) + "." + rest;
}

}  // namespace

// What is asked next, and of which server.
uint32_t Leases::next_turn(const Pool& pool, Turns& turns, std::string& text, Duration* wait) {
    const std::string_view letter = turns.from_right ? "R" : "L";
    if (turns.next < turns.keys.size()) {
        const std::string& key = turns.keys[turns.next];
        resp::write_array_header(text, 2);
        resp::write_bulk(text, std::string(letter) + "POP");
        resp::write_bulk(text, key);
        *wait = {};
        return pool.server_of(key, proxy_->now(), proxy_->prng());
    }
    // The servers in the order of their first keys, and the keys of the one whose turn it is.
    std::vector<uint32_t> places;
    std::vector<uint32_t> servers;
    for (const std::string& key : turns.keys) {
        places.push_back(pool.server_of(key, proxy_->now(), proxy_->prng()));
        if (std::find(servers.begin(), servers.end(), places.back()) == servers.end()) {
            servers.push_back(places.back());
        }
    }
    const uint32_t server = servers[turns.taken++ % servers.size()];
    const bool ends = turns.until != Instant::never();
    *wait = ends ? std::min(Turns::length, turns.until - proxy_->now()) : Turns::length;
    const auto count = static_cast<uint32_t>(std::count(places.begin(), places.end(), server));
    resp::write_array_header(text, count + 2);
    resp::write_bulk(text, "B" + std::string(letter) + "POP");
    for (size_t i = 0; i < places.size(); ++i) {
        if (places[i] == server) resp::write_bulk(text, turns.keys[i]);
    }
    resp::write_bulk(text, seconds_of(*wait));
    return server;
}

void Leases::end_turns(Request& request, std::string_view text) {
    request.client->session->turns.reset();
    note_change(*request.client);
    proxy_->finish(request, text);
}

void Leases::take_turn(Request& request) {
    ClientConn& client = *request.client;
    Pool& pool = *client.pool;
    Turns& turns = *client.session->turns;
    if (turns.next == turns.keys.size() && proxy_->now() >= turns.until) {
        end_turns(request, client.resp3 ? "_\r\n" : "*-1\r\n");
        return;
    }
    // Each key is asked once for a client that has ended its side; it is not waited for.
    const bool is_last = turns.taken > 0 || turns.next == turns.keys.size();
    if (is_last && has_ended(client)) {
        take_no_more(client);
        end_turns(request, {});
        return;
    }
    if (!pool.any_live()) {
        end_turns(request, error_line(pool, proxy_->no_server_text(pool)));
        return;
    }
    std::string text;
    Duration wait;
    Server& server = pool.server(next_turn(pool, turns, text, &wait));
    std::string_view why = "out of memory for requests; see buffer_memory";
    ServerConn* conn =
        proxy_->has_room_for(text.size()) ? take(server, client, Need::Wait, &why) : nullptr;
    if (conn == nullptr) {
        end_turns(request, error_line(pool, why));
        return;
    }
    const bool written = conn->out.append_copy(text, nullptr);
    RM_ASSERT(written);
    request.fragments_waiting = 0;
    request.only.special = Special::Wait;
    proxy_->enqueue(*conn, request.only);
    const int64_t timeout_ms = pool.options->timeout_ms;
    begin_waiting(client,
                  *conn,
                  timeout_ms == 0
                      ? Instant::never()
                      : proxy_->now() + wait + Duration::millis(timeout_ms) + wait_margin);
}

// A turn's answer; the connection is given back.
void Leases::on_turn(Request& request, const resp::ResponseFrame& frame, const Bytes& bytes) {
    Turns& turns = *request.client->session->turns;
    if (frame.is_null || frame.type == '_') {
        turns.next = turns.next < turns.keys.size() ? turns.next + 1 : 0;
        take_turn(request);
        return;
    }
    std::string head;
    if (frame.type == '$') {
        resp::write_array_header(head, 2);
        resp::write_bulk(head, turns.keys[turns.next]);
    }
    const bool kept = (head.empty() || request.response.append_copy(head, &proxy_->open_)) &&
                      bytes.append_to(request.response, {0, bytes.size()}, &proxy_->open_);
    if (!kept) proxy_->give_up(*request.client);
    end_turns(request, {});
}

}  // namespace ringmain::core
