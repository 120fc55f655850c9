// Commands that wait on their server: each on a connection that its client has for itself.

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/commands.h"

#include "resp_front.h"

namespace ringmain::core {

// BLPOP and BRPOP can be asked of one server after the other.
bool RespFront::may_take_turns(const Command& command) {
    return (command.name == "blpop" || command.name == "brpop") &&
           frame_.argument_count - 2 <= Turns::keys_max && bytes_.size() <= Turns::keys_size_max;
}

Taken RespFront::wait_in_turns(const Command& command) {
    const std::optional<int64_t> wait_ms =
        resp::wait_ms_of(command, bytes_, arguments(), proxy_.scratch().text);
    if (!wait_ms.has_value()) {
        error("-ERR timeout is not a float or out of range\r\n");
        return Taken::Yes;
    }
    auto turns = std::make_unique<Turns>();
    turns->from_right = command.name == "brpop";
    if (*wait_ms > 0) turns->until = proxy_.now() + Duration::millis(*wait_ms);
    const std::span<const ByteRange> all = arguments();
    for (const ByteRange& key : all.subspan(1, all.size() - 2)) {
        turns->keys.emplace_back(bytes_.view(key, proxy_.scratch().text));
    }
    Request* request = proxy_.make_request(client_);
    if (request == nullptr) {
        refuse("out of memory for requests; see buffer_memory", stats::Reason::Limit);
        return Taken::Yes;
    }
    note(*request);
    client_.session->turns = std::move(turns);
    proxy_.leases().take_turn(*request);
    return Taken::Yes;
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
            break;
        case Place::Several:
            if (may_take_turns(command)) return wait_in_turns(command);
            refuse_crossing("the keys of '" + upper_case(command.name) + "' live");
            return Taken::Yes;
        case Place::Refused:
            return Taken::Yes;
    }
    if (!proxy_.has_room_for(bytes_.size()) || !proxy_.has_fragments(1)) {
        refuse("out of memory for requests; see buffer_memory", stats::Reason::Limit);
        return Taken::Yes;
    }
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
    const Instant answer_by =
        wait_ms.value_or(0) == 0
            ? Instant::never()
            : proxy_.now() + Duration::millis(*wait_ms + pool_.options->timeout_ms) + wait_margin;
    forward_on(*conn, Special::Wait, 0, "");
    proxy_.leases().begin_waiting(client_, *conn, answer_by);
    if (Leases::has_ended(client_)) proxy_.leases().on_client_end(client_);
    return Taken::Yes;
}

}  // namespace ringmain::core
