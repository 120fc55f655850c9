// Commands that wait on their server, each on a connection that its client has for itself; and pops
// that look at several servers.

#include "ringmain/base/assert.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/commands.h"

#include "resp_front.h"

namespace ringmain::core {

// The keys of a pop live on several servers: scratch.keys has their positions.
Taken RespFront::pop_in_turns(const Command& command) {
    Scratch& scratch = proxy_.scratch();
    if (scratch.keys.size() > Turns::keys_max || bytes_.size() > Turns::keys_size_max) {
        refuse_crossing("more than " + std::to_string(Turns::keys_max) + " keys, or " +
                            std::to_string(Turns::keys_size_max) + " bytes, of '" +
                            upper_case(command.name) + "' live",
                        false,
                        stats::Reason::Limit);
        return Taken::Yes;
    }
    const std::vector<std::string> words = resp::texts_of(bytes_, arguments());
    auto turns = std::make_unique<Turns>();
    const std::string_view mistake = resp::read_pop(command, words, scratch.keys, turns->pop);
    if (!mistake.empty()) {
        error(mistake);
        return Taken::Yes;
    }
    turns->began = proxy_.now();
    turns->asks_until = turns->pop.keys.size();
    if (turns->pop.wait_ms > 0) {
        turns->until = proxy_.now() + Duration::millis(turns->pop.wait_ms);
    }
    Request* request = proxy_.make_request(client_);
    if (request == nullptr) {
        refuse(too_many_requests(proxy_), stats::Reason::Limit);
        return Taken::Yes;
    }
    note(*request);
    request->untimed = true;  // it is timed as a whole
    proxy_.leases().session_of(client_).turns = std::move(turns);
    proxy_.leases().take_turn(*request);
    return Taken::Yes;
}

// Or an answer that says what there is too much of.
bool RespFront::has_room_for(uint64_t size) {
    const std::string why = why_no_room(proxy_, size);
    if (!why.empty()) refuse(why, stats::Reason::Limit);
    return why.empty();
}

// What is large is taken for moved when servers come or go.
void RespFront::keep_waited_keys(Session& session) {
    Scratch& scratch = proxy_.scratch();
    session.forget_waited();
    session.keys_move_at = scratch.moves_at;
    if (bytes_.size() > Session::waited_keys_size_max) return;
    const std::span<const ByteRange> all = arguments();
    for (const uint32_t key : scratch.keys) {
        session.keep_waited(bytes_.view(all[key], scratch.text));
    }
}

Taken RespFront::wait_for(const Command& command) {
    if (command.id == CommandId::Wait) return wait_for_replicas(command);
    Session& session = proxy_.leases().session_of(client_);
    // It goes another way than what the client asked before, and must not overtake it.
    if (!client_.requests.empty()) return later();
    if (proxy_.leases().is_ending(client_)) {
        refuse("'" + upper_case(command.name) + "' is not begun: the connection is about to end");
        return Taken::Yes;
    }
    session.turns.reset();
    uint32_t index = 0;
    switch (place_keys(command, &index)) {
        case Place::OneServer:
            break;
        case Place::Anywhere:
            // The server refuses it at once, most probably.
            if (!has_server()) return Taken::Yes;
            index = pool_.first_live();
            proxy_.scratch().keys.clear();
            proxy_.scratch().moves_at = Instant::never();
            break;
        case Place::Several:
            if (command.crossing == Crossing::Popped) return pop_in_turns(command);
            refuse_crossing("the keys of '" + upper_case(command.name) + "' live");
            return Taken::Yes;
        case Place::Refused:
            return Taken::Yes;
    }
    if (!has_room_for(bytes_.size())) return Taken::Yes;
    Server& server = pool_.server(index);
    const bool has_own = session.watching != nullptr && session.watching->server == &server;
    std::string_view why;
    ServerConn* conn = has_own ? session.watching
                               : proxy_.leases().take(server, client_, Leases::Need::Wait, &why);
    if (conn == nullptr) {
        proxy_.refuse_forward(client_, error_line(pool_, why), proxy_.scratch().why_reason);
        return Taken::Yes;
    }
    const std::optional<int64_t> wait_ms =
        resp::wait_ms_of(command, bytes_, arguments(), proxy_.scratch().text);
    keep_waited_keys(session);
    forward_on(*conn, Special::Wait, 0, "");
    proxy_.leases().begin_waiting(client_, *conn, wait_of(wait_ms.value_or(0)));
    if (Leases::has_ended(client_)) proxy_.leases().on_client_end(client_);
    return Taken::Yes;
}

}  // namespace ringmain::core
