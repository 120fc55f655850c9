// Transactions: what is queued is kept here and sent in one piece with EXEC (src/design/0009).

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/errors.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "resp_front.h"
#include "script_front.h"

namespace ringmain::core {

namespace {

constexpr std::string_view multi_request = "*1\r\n$5\r\nMULTI\r\n";
constexpr std::string_view exec_request = "*1\r\n$4\r\nEXEC\r\n";
constexpr std::string_view check_request = "*1\r\n$5\r\nMULTI\r\n*1\r\n$7\r\nDISCARD\r\n";
constexpr std::string_view aborted_response =
    "-EXECABORT Transaction discarded because of previous errors.\r\n";

// Of those without keys: what a server can do within a transaction, and its connection is as
// before.
bool may_be_queued(const Command& command) {
    constexpr std::array ids = {
        CommandId::Unwatch, CommandId::Ping, CommandId::Echo, CommandId::Time, CommandId::Info};
    const bool is_command =
        command.id >= CommandId::Command && command.id <= CommandId::CommandList;
    return command.handling == Handling::AnyServer || is_command ||
           std::ranges::find(ids, command.id) != ids.end();
}

// Packed: it may stay for long.
bool keep(Proxy& proxy, Chain& queued, const Bytes& bytes) {
    const bool is_small = queued.size() + bytes.size() < copy_max;
    if (is_small && bytes.is_contiguous()) {
        return proxy.keep_beginning(queued, bytes.slice().view());
    }
    if (bytes.chain() == nullptr) return queued.append_growing(bytes.slice());
    bool kept = true;
    for (const ChainNode* node = bytes.chain()->nodes(); node != nullptr; node = node->next) {
        kept = kept && queued.append_growing({node->block, node->offset, node->size});
    }
    return kept;
}

bool keep(Proxy& proxy, Chain& scripts, const Session::QueuedScript& script) {
    const std::string_view bytes(reinterpret_cast<const char*>(&script), sizeof(script));
    if (scripts.size() < copy_max) return proxy.keep_beginning(scripts, bytes);
    return scripts.append_copy(bytes, nullptr);
}

std::string discarded(std::string_view why) {
    std::string line = "-EXECABORT ringmain: transaction discarded: ";
    return line.append(why).append("\r\n");
}

}  // namespace

// As redis has it.
Taken RespFront::refuse_arity(const Command& command) {
    if (command.id != CommandId::Exec) {
        error(resp::wrong_arity(command));
        return Taken::Yes;
    }
    return refuse_exec("wrong number of arguments for 'exec' command");
}

// Within a transaction and outside.
Taken RespFront::refuse_exec(std::string_view why) {
    static_cast<void>(proxy_.leases().session_of(client_));
    std::string line = "-EXECABORT Transaction discarded because of: ";
    return abort_exec(line.append(why).append("\r\n"), stats::Reason::Request);
}

// Outside a transaction.
Taken RespFront::take_transaction(const Command& command) {
    if (command.id == CommandId::Multi) {
        proxy_.leases().session_of(client_).in_transaction = true;
        Leases::note_change(client_);
        proxy_.answer(client_, resp::ok_response);
    } else if (command.id == CommandId::Exec) {
        error("-ERR EXEC without MULTI\r\n");
    } else if (command.id == CommandId::Discard) {
        error("-ERR DISCARD without MULTI\r\n");
    } else if (command.id == CommandId::Watch) {
        return watch(command);
    } else {
        unwatch();
    }
    return Taken::Yes;
}

// Between MULTI and EXEC.
Taken RespFront::take_queued(const Command& command) {
    if (command.id == CommandId::Exec) return exec();
    if (command.id == CommandId::Quit || command.id == CommandId::Reset) return take_local(command);
    if (command.id == CommandId::Discard) {
        discard();
        return Taken::Yes;
    }
    // These two abort nothing.
    if (command.id == CommandId::Multi) {
        proxy_.answer_error(client_, "-ERR MULTI calls can not be nested\r\n");
        return Taken::Yes;
    }
    if (command.id == CommandId::Watch) {
        proxy_.answer_error(client_, "-ERR WATCH inside MULTI is not allowed\r\n");
        return Taken::Yes;
    }
    if ((command.flags & command_flag::no_multi) != 0) {
        error("-ERR Command not allowed inside a transaction\r\n");
        return Taken::Yes;
    }
    if (command.handling == Handling::Refused) {
        return refuse_command(command.name, command.reason);
    }
    const bool publishes = command.handling == Handling::Publish;
    const bool has_keys = !command.key_specs.empty() && !publishes;
    const bool has_place = has_keys || publishes;
    if (command.handling == Handling::Subscribe || (!has_place && !may_be_queued(command))) {
        refuse("'" + upper_case(command.name) +
               "' is not supported inside MULTI: a transaction runs on one server, on a "
               "connection that clients share");
        return Taken::Yes;
    }
    uint32_t server = 0;
    Place found = Place::Anywhere;
    if (has_keys) {
        found = place(command, &server);
    } else if (publishes) {
        proxy_.scratch().moves_at = Instant::never();
        found =
            route(frame_.arguments[command.only_key], &server) ? Place::OneServer : Place::Refused;
    }
    if (found == Place::Refused) return Taken::Yes;
    if (found == Place::OneServer && !joins_transaction(server)) return Taken::Yes;
    queue();
    return Taken::Yes;
}

// The first keys of a transaction have their server, watched ones or those of a command.
void RespFront::note_place(Session& session) const {
    session.placed = pool_.placements;
    session.moves_at = proxy_.scratch().moves_at;
}

// The first command with a key chooses the server, unless watched keys have.
bool RespFront::joins_transaction(uint32_t server) {
    Session& session = *client_.session;
    const bool crosses = session.watching != nullptr
                             ? session.watching->server != &pool_.server(server)
                             : session.has_server && session.server != server;
    if (crosses) {
        refuse_crossing(session.watching != nullptr ? "the watched keys and this transaction's live"
                                                    : "the keys of this transaction live");
        return false;
    }
    if (!session.has_server && session.watching == nullptr) note_place(session);
    if (!session.has_server) {
        session.has_server = true;
        session.server = server;
    }
    session.moves_at = std::min(session.moves_at, proxy_.scratch().moves_at);
    return true;
}

void RespFront::queue() {
    Session& session = *client_.session;
    if (!session.lost.empty()) {
        refuse("the transaction is lost: " + session.lost, stats::Reason::Lost);
        return;
    }
    if (session.queued.size() + bytes_.size() > pool_.options->request_size_max) {
        refuse("transaction is larger than " + std::to_string(pool_.options->request_size_max) +
                   " bytes (request_size_max)",
               stats::Reason::Limit);
        return;
    }
    if (!session.aborted) {
        const bool kept = proxy_.has_room_for(bytes_.size()) && note_script() &&
                          keep(proxy_, session.queued, bytes_);
        if (!kept) {
            session.forget_queued();
            refuse("out of buffer memory for a transaction; see buffer_memory",
                   stats::Reason::Limit);
            return;
        }
        session.commands += 1;
        // It is for the server of the watched keys, though that hears of it with EXEC only.
        if (session.watching != nullptr) session.watching->used_at = proxy_.now();
    } else {
        session.forget_queued();
    }
    proxy_.answer(client_, "+QUEUED\r\n");
}

// Of what is about to be queued. False when there is no memory for it.
bool RespFront::note_script() {
    if (command_ == nullptr) return true;
    const bool is_digest = command_->id == CommandId::Evalsha;
    const bool is_text = command_->id == CommandId::Eval && has_key_count();
    if (!is_digest && !is_text) return true;
    Session& session = *client_.session;
    ByteRange place = frame_.arguments[1];
    place.offset += static_cast<uint32_t>(session.queued.size());
    using Kind = Session::QueuedScript::Kind;
    return keep(
        proxy_, session.scripts, {.place = place, .kind = is_digest ? Kind::Digest : Kind::Text});
}

// As outside a transaction: what EVAL has is kept, and the server is told what EVALSHA names.
void RespFront::announce_scripts(ServerConn& conn) {
    using Script = Session::QueuedScript;
    const Session& session = *client_.session;
    const Bytes queued(session.queued);
    ChainPlace place;
    ChainPlace next;
    std::string& scratch = proxy_.scratch().text;
    for (uint32_t at = 0; at < session.scripts.size(); at += sizeof(Script)) {
        Script script;
        std::memcpy(&script,
                    session.scripts.view({at, sizeof(Script)}, scratch, next).data(),
                    sizeof(Script));
        if (script.kind == Script::Kind::Text) {
            keep_script(proxy_, pool_, queued, script.place, place);
            continue;
        }
        const ByteRange head = script.place.first(resp::word_size_max);
        const ScriptId known = find_script(pool_, queued.view(head, scratch, place));
        if (known.is_one()) tell_script(proxy_, conn, known);
    }
}

// Whether what was queued can be sent as it is.
bool RespFront::may_execute(std::string* why, stats::Reason* reason) {
    const Session& session = *client_.session;
    *why = session.lost;
    *reason = session.lost_reason;
    const bool is_placed = session.has_server || session.watching != nullptr;
    const bool has_moved = session.placed != pool_.placements || proxy_.now() >= session.moves_at;
    if (why->empty() && is_placed && has_moved) {
        *why = "servers came or went since its first command; try again";
        *reason = stats::Reason::Lost;
    }
    if (why->empty() && session.watching == nullptr && !pool_.any_live()) {
        *why = proxy_.no_server_text(pool_);
        *reason = stats::Reason::NoServer;
    }
    return why->empty();
}

// On everybody's connection others would wait behind it, or lose what they have asked there: a
// server may end the one on which it is sent more than it takes. One that was asked whether it
// takes MULTI has to be kept until EXEC is taken again, which it is not where all end.
bool RespFront::transaction_goes_apart(uint64_t size) const {
    return size > pool_.large_from && !client_.session->is_bound() &&
           !proxy_.leases().is_ending(client_);
}

Taken RespFront::exec() {
    Session& session = *client_.session;
    std::string why;
    stats::Reason reason = stats::Reason::Other;
    if (!may_execute(&why, &reason)) return fail_exec(why, reason);
    if (session.aborted) return abort_exec(std::string(aborted_response), session.aborted_over);
    if (session.commands == 0 && session.watching == nullptr) {
        session.end_transaction();
        Leases::note_change(client_);
        proxy_.answer(client_, "*0\r\n");
        return Taken::Yes;
    }
    Server& server = session.watching != nullptr ? *session.watching->server
                     : session.has_server        ? pool_.server(session.server)
                                                 : pool_.server(pool_.first_live());
    if (session.watching == nullptr && server.transactions_refused_until > proxy_.now()) {
        return fail_exec(server.transactions_refused, stats::Reason::Other);
    }
    std::string_view refusal;
    const uint64_t size = session.queued.size() + multi_request.size() + exec_request.size();
    // The queued bytes may be packed; what goes around them may open blocks.
    const uint64_t room = session.queued.size() + 2 * block_size;
    ServerConn* conn = nullptr;
    if (transaction_goes_apart(size)) [[unlikely]] {
        if (!client_.requests.empty()) return later();
        if (why_no_room(proxy_, room).empty()) {
            conn = proxy_.streams().take_apart(client_, server, size);
        }
    }
    if (conn == nullptr) conn = proxy_.usable_connection(server, client_, size, &refusal);
    if (conn == nullptr) return fail_exec(refusal, proxy_.scratch().why_reason);
    if (!session.scripts.empty() && conn->knows_transactions) announce_scripts(*conn);
    if (const std::string full = why_no_room(proxy_, room); !full.empty()) {
        return fail_exec(full, stats::Reason::Limit);
    }
    if (!conn->knows_transactions) {
        // WATCH asks for itself: here the question would end the watch.
        return session.watching != nullptr ? later() : check_transactions(*conn);
    }
    send_transaction(*conn);
    return Taken::Yes;
}

// Nothing runs. False: it is taken later.
bool RespFront::abort_transaction() {
    Session& session = *client_.session;
    if (session.watching != nullptr && !client_.requests.empty()) return false;
    pool_.counters->transactions_aborted.add(1);
    proxy_.leases().stop_watching(client_, "");
    session.end_transaction();
    Leases::note_change(client_);
    return true;
}

// Over what the client has said.
Taken RespFront::abort_exec(const std::string& line, stats::Reason reason) {
    if (!abort_transaction()) return later();
    proxy_.answer_error(client_, line, false, reason);
    return Taken::Yes;
}

// Its server does not get it.
Taken RespFront::fail_exec(std::string_view why, stats::Reason reason) {
    const std::string line = discarded(why);
    if (!abort_transaction()) return later();
    proxy_.refuse_forward(client_, line, reason);
    return Taken::Yes;
}

void RespFront::send_transaction(ServerConn& conn) {
    Session& session = *client_.session;
    Request* request = proxy_.make_request(client_);
    RM_ASSERT(request != nullptr);
    note(*request);
    request->only.special = Special::Exec;
    request->only.leading = session.commands + 1;
    request->extra = session.commands;
    if (!session.scripts.empty()) {
        request->policy = ResponsePolicy::Script;
        request->command = command_;
    }
    conn.write(multi_request);
    if (session.queued.size() < copy_max) {
        const auto size = static_cast<uint32_t>(session.queued.size());
        const bool written =
            conn.out.append_range(session.queued, {0, size}, nullptr, Sharing::Sparing);
        RM_ASSERT(written);
    } else {
        conn.out.append_packed(std::move(session.queued));
    }
    conn.write(exec_request);
    proxy_.enqueue(conn, request->only);
    if (conn.set_apart) proxy_.hold_back(client_);
    pool_.counters->transactions.add(1);
    // The next request may not overtake it on another connection to the same server.
    session.must_wait = session.watching != nullptr;
    session.ends_watch = session.must_wait;
    session.end_transaction();
    Leases::note_change(client_);
}

// A server that refuses MULTI would run what follows one by one. So each new connection is asked
// once, and EXEC is taken again when the answer is there.
Taken RespFront::check_transactions(ServerConn& conn) {
    Request* request = proxy_.make_request(client_);
    RM_ASSERT(request != nullptr);
    note(*request);  // as EXEC, which waits for it
    request->noreply = true;
    request->untimed = true;
    request->only.special = Special::Check;
    request->only.leading = 1;
    conn.write(check_request);
    proxy_.enqueue(conn, request->only);
    conn.note_question();
    return later();
}

void RespFront::discard() {
    Session& session = *client_.session;
    session.end_transaction();
    Leases::note_change(client_);
    unwatch();
}

Taken RespFront::watch(const Command& command) {
    Session& session = proxy_.leases().session_of(client_);
    if (session.watching == nullptr && !client_.requests.empty()) return later();
    if (!session.lost.empty()) {
        refuse("keys that were watched before are lost: " + session.lost + "; UNWATCH first",
               stats::Reason::Lost);
        return Taken::Yes;
    }
    uint32_t server = 0;
    const Place found = place(command, &server);
    if (found == Place::Refused) return Taken::Yes;
    RM_ASSERT(found == Place::OneServer);
    ServerConn* conn = session.watching;
    if (conn != nullptr && conn->server != &pool_.server(server)) {
        refuse_crossing("the watched keys live");
        return Taken::Yes;
    }
    if (conn == nullptr) note_place(session);
    session.moves_at = std::min(session.moves_at, proxy_.scratch().moves_at);
    if (!has_room_for(bytes_.size() + block_size)) return Taken::Yes;
    std::string_view why;
    if (conn == nullptr) {
        conn = proxy_.leases().take(pool_.server(server), client_, Leases::Need::Watch, &why);
    } else if (proxy_.usable_connection(*conn->server, client_, bytes_.size(), &why) == nullptr) {
        conn = nullptr;
    }
    if (conn == nullptr) {
        proxy_.refuse_forward(client_, error_line(pool_, why), proxy_.scratch().why_reason);
        return Taken::Yes;
    }
    // Behind WATCH the check would end the watch.
    const bool checks = conn->fragments.empty() && !conn->knows_transactions;
    forward_on(*conn, Special::Watch, checks ? 2 : 0, checks ? check_request : "");
    return Taken::Yes;
}

void RespFront::unwatch() {
    Session& session = proxy_.leases().session_of(client_);
    session.forget_loss();
    ServerConn* conn = session.watching;
    if (conn == nullptr) {
        Leases::note_change(client_);
        proxy_.answer(client_, resp::ok_response);
        return;
    }
    Request* request = proxy_.has_room_for(block_size) ? proxy_.make_request(client_) : nullptr;
    if (request == nullptr) {
        proxy_.leases().stop_watching(client_, "");
        proxy_.answer(client_, resp::ok_response);
        return;
    }
    request->only.special = Special::Unwatch;
    conn->write(unwatch_request);
    proxy_.enqueue(*conn, request->only);
    session.must_wait = true;
    session.ends_watch = true;
    Leases::note_change(client_);
}

}  // namespace ringmain::core
