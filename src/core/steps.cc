// Commands that are done in steps: each answer leads to the next question.

#include "ringmain/core/steps.h"

#include "ringmain/base/assert.h"
#include "ringmain/buffer/cursor.h"
#include "ringmain/core/leases.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "front.h"
#include "gather.h"
#include "step_requests.h"

namespace ringmain::core {

namespace {

constexpr std::string_view moved = "servers came or went meanwhile; try again";
constexpr std::string_view lease_lost = "the connection that watched the source is lost";
constexpr size_t line_end_size = 2;

Steps& steps_of(const Request& request) {
    return *request.client->session->steps;
}

// The servers of the beginning may not be those of the keys any more.
bool has_moved(const Request& request, Instant now) {
    const Steps& steps = steps_of(request);
    return steps.placements != request.client->pool->placements || now >= steps.moves_at;
}

// The destination has the time to live of the source.
bool keeps_ttl(const Command& command) {
    return command.crossing != Crossing::Carried || command.name == "copy";
}

}  // namespace

bool Leases::is_in_steps(const Request& request) {
    if (request.client == nullptr || request.client->session == nullptr) return false;
    const Steps* steps = request.client->session->steps.get();
    return steps != nullptr && steps->request == &request;
}

std::string Leases::with_state(const Request& request, std::string_view line) {
    std::string text(line.substr(0, line.size() - line_end_size));
    return text.append("; ").append(state_text(steps_of(request))).append("\r\n");
}

// --- the beginning, and every end ----------------------------------------------------------------

void Leases::begin_steps(Request& request) {
    ClientConn& client = *request.client;
    Steps& steps = steps_of(request);
    steps.request = &request;
    steps.placements = client.pool->placements;
    steps.began = proxy_->now();
    client.session->must_wait = true;
    note_change(client);
    switch (steps.command->crossing) {
        case Crossing::Carried:
            fetch(request);
            return;
        case Crossing::Renamed:
        case Crossing::RenamedNx:
            read_watched(request);
            return;
        case Crossing::Moved:
            steps.phase = Steps::Phase::Look;
            ask_simply(request,
                       Steps::Phase::Look,
                       steps.sources[0].server,
                       request_text({"SISMEMBER", steps.sources[0].key, steps.words[3]}));
            return;
        case Crossing::Popped:
            break;
        case Crossing::Refused:
            RM_ASSERT(steps.command->id == CommandId::Wait);
            wait_everywhere(request);
            return;
    }
    RM_ASSERT(false);
}

// With an error of our own.
void Leases::stop_steps(Request& request, std::string_view why, stats::Reason reason) {
    const Pool& pool = *request.client->pool;
    proxy_->count_error(pool, reason);
    // Else its servers have got all, and it is what they say that is told.
    if (reason != stats::Reason::Other) pool.counters->forward_error.add(1);
    const std::string text = with_state(request, error_line(pool, why));
    if (!request.response.append_copy(text, &proxy_->kept_)) proxy_->give_up(*request.client);
    request.failed = true;
    end_steps(request);
}

// With a server's answer, when it says all: behind an error of a later attempt something is done.
void Leases::answer_steps(Request& request, Chain& answer) {
    const Steps& steps = steps_of(request);
    if (is_error(answer) && steps.attempts > 1) {
        refuse_steps(request, answer);
        return;
    }
    request.response.append_chain(std::move(answer));
    end_steps(request);
}

// With a server's error about what it was asked in other words than the client's.
void Leases::refuse_steps(Request& request, const Chain& answer, size_t source) {
    using Phase = Steps::Phase;
    Steps& steps = steps_of(request);
    const std::string asked = question_text(steps);
    const bool is_at_home =
        steps.phase == Phase::Carry || steps.phase == Phase::LookThere || steps.phase == Phase::Add;
    const uint32_t server = is_at_home ? steps.home : steps.sources[source].server;
    // Of what it refuses nothing is done.
    if (steps.phase == Phase::Carry) steps.phase = Phase::Fetch;
    if (steps.phase == Phase::Add) steps.phase = Phase::LookAgain;
    // The servers of another configuration have other numbers.
    if (has_moved(request, proxy_->now())) {
        stop_steps(request, moved, stats::Reason::Lost);
        return;
    }
    const std::string said = line_of(answer);
    const bool passes = is_transient(said) && !said.starts_with("-OOM");
    stop_steps(request,
               "server " + request.client->pool->server(server).title() + " refuses " + asked +
                   ": " + said + "; " +
                   (passes ? "ask again when it takes that"
                           : "make it take that, or give the keys a common hash tag"),
               stats::Reason::Other);
}

void Leases::end_steps(Request& request) {
    const Steps& steps = steps_of(request);
    if (steps.phase != Steps::Phase::Wait) {
        const Duration total = proxy_->now() - steps.began;
        if (!request.failed) request.client->pool->counters->latency.record(total);
        note_whole(request, steps.began, !request.failed);
    }
    forget_steps(*request.client);
    proxy_->make_ready(request);
}

// What is still leased is not clean.
void Leases::forget_steps(ClientConn& client) {
    Session& session = *client.session;
    if (session.steps == nullptr) return;
    const bool waits = session.steps->phase == Steps::Phase::Wait;
    if (waits) client.pool->counters->clients_waiting.subtract(1);
    const std::vector<ServerConn*> held = session.steps->leases;
    for (ServerConn* conn : held) {
        if (conn == nullptr) continue;
        // With an answer on its way it is looked at when that is there (on_answered).
        release(*conn);
        if (waits) {
            proxy_->lose(*conn, unneeded_reason, Blame::Nobody);
        } else if (conn->fragments.empty()) {
            give_up_watch(*conn);
        }
    }
    session.steps.reset();
    note_change(client);
}

void Leases::lose_leases(const Steps& steps) {
    const std::vector<ServerConn*> held = steps.leases;
    for (ServerConn* conn : held) {
        if (conn != nullptr) proxy_->lose(*conn, left_reason, Blame::Nobody);
    }
}

void Leases::on_failed_step(Request& request, bool is_first) {
    if (request.fragments_waiting == 0) {
        end_steps(request);
        return;
    }
    // Without one answer the others are of no use, and WAIT may wait for ever.
    const Steps& steps = steps_of(request);
    if (is_first && steps.phase == Steps::Phase::Wait) lose_leases(steps);
}

// --- questions and answers -----------------------------------------------------------------------

void Leases::ask(ServerConn& conn, Fragment& fragment, Special special, uint32_t leading) {
    fragment.response.clear();
    fragment.received = 0;
    fragment.led = false;
    fragment.noted = false;
    fragment.special = special;
    fragment.leading = leading;
    proxy_->enqueue(conn, fragment);
}

// The connection that clients share. Null: the request has its answer.
ServerConn* Leases::step_connection(Request& request, uint32_t server, uint64_t size) {
    ClientConn& client = *request.client;
    Pool& pool = *client.pool;
    if (has_moved(request, proxy_->now())) {
        stop_steps(request, moved, stats::Reason::Lost);
        return nullptr;
    }
    std::string_view why;
    ServerConn* conn = proxy_->usable_connection(pool.server(server), client, size, &why);
    if (conn == nullptr) {
        stop_steps(request, std::string(why), proxy_->scratch().why_reason);
        return nullptr;
    }
    if (!proxy_->has_room_for(size + 2 * block_size)) {
        stop_steps(request, no_memory, stats::Reason::Limit);
        return nullptr;
    }
    return conn;
}

// The phase is that of the question from when it is queued on: until then nothing of it is done.
void Leases::ask_simply(Request& request,
                        Steps::Phase phase,
                        uint32_t server,
                        const std::string& text) {
    ServerConn* conn = step_connection(request, server, text.size());
    if (conn == nullptr) return;
    conn->write(text);
    steps_of(request).phase = phase;
    ask(*conn, *request.join->fragments[0], Special::Step, 0);
}

void Leases::on_step(ServerConn& conn, const Bytes& bytes) {
    Fragment& fragment = take_head(conn);
    const std::string refusal = fragment.response.to_string();  // of what stood before it
    fragment.response.clear();
    Request& request = *fragment.request;
    if (!is_wanted(fragment)) {
        proxy_->free_if_done(request);
        return;
    }
    // While it counts as waiting itself, the loss of others cannot end the request.
    if (!request.failed) keep_answer(conn, fragment, bytes, refusal);
    if (fragment.special == Special::Wait && conn.lessee != nullptr) give_back(conn);
    request.fragments_waiting -= 1;
    if (request.fragments_waiting > 0) return;
    if (request.failed) {
        end_steps(request);
        return;
    }
    next_step(request);
}

void Leases::keep_answer(ServerConn& conn,
                         Fragment& fragment,
                         const Bytes& bytes,
                         const std::string& refusal) {
    Request& request = *fragment.request;
    const Pool& pool = *request.client->pool;
    count_last_part(fragment, bytes.size());
    std::string line;
    if (!refusal.empty()) {
        line = error_line(
            pool,
            "server " + conn.server->title() +
                (fragment.special == Special::Wait ? " refuses PUBLISH, which WAIT needs: "
                                                   : " refuses transactions: ") +
                refusal);
    } else if (is_too_large(request)) {
        line = too_large_text(request);
    } else if (!bytes.append_to(fragment.response, {0, bytes.size()}, &proxy_->kept_)) {
        line = error_line(pool, no_memory);
    }
    if (line.empty()) return;
    fragment.response.clear();
    proxy_->count_error(pool, stats::Reason::Other);
    if (!request.response.append_copy(with_state(request, line), &proxy_->kept_)) {
        proxy_->give_up(*request.client);
    }
    request.failed = true;
    on_failed_step(request, true);
}

void Leases::next_step(Request& request) {
    switch (steps_of(request).phase) {
        case Steps::Phase::Fetch:
            on_fetched(request);
            return;
        case Steps::Phase::Carry:
            on_carried(request);
            return;
        case Steps::Phase::Remove:
            on_removed(request);
            return;
        case Steps::Phase::Look:
        case Steps::Phase::LookAgain:
        case Steps::Phase::LookForSource:
        case Steps::Phase::LookThere:
        case Steps::Phase::Add:
            on_moving(request);
            return;
        case Steps::Phase::Wait:
            on_waited_everywhere(request);
            return;
    }
    RM_ASSERT(false);
}

// --- values that are carried ---------------------------------------------------------------------

void Leases::fetch(Request& request) {
    Steps& steps = steps_of(request);
    steps.phase = Steps::Phase::Fetch;
    uint64_t size = 0;
    for (const Steps::Source& source : steps.sources) {
        size += fetch_text(source.key).size();
    }
    // Each connection's output may begin a block.
    const size_t connections_max =
        std::min(steps.sources.size(), request.client->pool->servers.size());
    if (!proxy_->has_room_for(size + connections_max * block_size)) {
        stop_steps(request, no_memory, stats::Reason::Limit);
        return;
    }
    // All or none: what is asked is of use only when everything is.
    std::vector<ServerConn*> connections;
    for (const Steps::Source& source : steps.sources) {
        ServerConn* conn = step_connection(request, source.server, size);
        if (conn == nullptr) return;
        connections.push_back(conn);
    }
    for (size_t i = 0; i < connections.size(); ++i) {
        ServerConn& conn = *connections[i];
        conn.write(fetch_text(steps.sources[i].key));
        ask(conn, *request.join->fragments[i], Special::Step, 0);
    }
}

// On a connection that notices when somebody changes the source, or moves the member there.
void Leases::read_watched(Request& request) {
    ClientConn& client = *request.client;
    Steps& steps = steps_of(request);
    const Steps::Source& source = steps.sources[0];
    const bool moves = steps.command->crossing == Crossing::Moved;
    steps.phase = moves ? Steps::Phase::LookAgain : Steps::Phase::Fetch;
    steps.attempts += 1;
    if (has_moved(request, proxy_->now())) {
        stop_steps(request, moved, stats::Reason::Lost);
        return;
    }
    std::string_view why = lease_lost;
    proxy_->scratch().why_reason = stats::Reason::Lost;
    if (steps.leases.empty()) {
        // Returns what it has put there.
        static_cast<void>(take(client.pool->server(source.server), client, Need::Steps, &why));
    }
    ServerConn* conn = steps.leases.empty() ? nullptr : steps.leases[0];
    if (conn == nullptr) {
        stop_steps(request, std::string(why), proxy_->scratch().why_reason);
        return;
    }
    const std::string text = moves ? watch_text(mark_of(source.key, steps.words[3])) +
                                         request_text({"SISMEMBER", source.key, steps.words[3]})
                                   : watch_text(source.key) + fetch_text(source.key);
    if (!proxy_->has_room_for(text.size() + block_size)) {
        stop_steps(request, no_memory, stats::Reason::Limit);
        return;
    }
    conn->write(text);
    ask(*conn, *request.join->fragments[0], Special::Step, watch_answers);
}

void Leases::on_fetched(Request& request) {
    const Steps& steps = steps_of(request);
    std::vector<Fetched> values;
    for (Fragment* fragment : request.join->fragments) {
        // Of several errors the first key's, as redis looks at them.
        if (is_error(fragment->response)) {
            refuse_steps(request, fragment->response, values.size());
            return;
        }
        const std::optional<Fetched> value = read_fetched(fragment->response);
        if (!value.has_value()) {
            stop_steps(request, misfit, stats::Reason::Other);
            return;
        }
        values.push_back(*value);
    }
    if (steps.attempts > 1 && !values[0].exists) {
        stop_steps(request,
                   "another client removed or renamed the source meanwhile",
                   stats::Reason::Other);
        return;
    }
    carry(request, values);
}

void Leases::carry(Request& request, std::span<const Fetched> values) {
    Steps& steps = steps_of(request);
    const auto exists = [](const Fetched& value) { return value.exists; };
    const auto count = static_cast<size_t>(std::ranges::count_if(values, exists));
    std::string head = carry_head(count, steps.words.size());
    for (size_t i = 0; i < values.size(); ++i) {
        if (values[i].exists) resp::write_bulk(head, steps.sources[i].name);
    }
    std::string words;
    for (const std::string& word : steps.words) {
        resp::write_bulk(words, word);
    }
    const uint64_t size = request.join->gathered + head.size() + words.size();
    ServerConn* conn = step_connection(request, steps.home, size);
    if (conn == nullptr) return;

    OpenBlock open(proxy_->blocks());
    bool written = conn->out.append_copy(head, &open);
    for (size_t i = 0; i < values.size(); ++i) {
        const Fetched& value = values[i];
        Chain& answer = request.join->fragments[i]->response;
        if (value.exists) {
            const int64_t expires_at = keeps_ttl(*steps.command) ? value.expires_at_ms : 0;
            written = written && conn->out.append_copy(carry_value_head(expires_at), &open);
            Cursor cursor(answer);
            cursor.skip(value.dump_offset);
            written = written &&
                      cursor.append_to(
                          conn->out, answer.size() - value.dump_offset, &open, Sharing::Sparing);
        }
        answer.clear();
    }
    written = written && conn->out.append_copy(words, &open);
    RM_ASSERT(written);
    request.join->gathered = 0;
    steps.phase = Steps::Phase::Carry;
    ask(*conn, *request.join->fragments[0], Special::Step, 0);
}

void Leases::on_carried(Request& request) {
    Steps& steps = steps_of(request);
    Chain& answer = request.join->fragments[0]->response;
    if (is_error(answer)) {
        refuse_steps(request, answer);
        return;
    }
    if (!take_only_element(answer)) {
        stop_steps(request, misfit, stats::Reason::Other);
        return;
    }
    const std::string line = line_of(answer);
    const bool asks_first = steps.command->crossing == Crossing::RenamedNx;
    const bool is_no = is_error(answer) || (asks_first && line == ":0");
    if (steps.command->crossing == Crossing::Carried || is_no) {
        answer_steps(request, answer);
        return;
    }
    if (line != (asks_first ? ":1" : "+OK")) {
        stop_steps(request, misfit, stats::Reason::Other);
        return;
    }
    steps.answer = answer.to_string();
    remove_source(request);
}

void Leases::remove_source(Request& request) {
    Steps& steps = steps_of(request);
    const std::string& source = steps.sources[0].key;
    const std::string text = steps.command->crossing == Crossing::Moved
                                 ? remove_text({"SREM", source, steps.words[3]})
                                 : remove_text({"UNLINK", source});
    ServerConn* conn = steps.leases[0];
    if (conn == nullptr || !proxy_->has_room_for(text.size() + block_size)) {
        stop_steps(request,
                   conn == nullptr ? lease_lost : no_memory,
                   conn == nullptr ? stats::Reason::Lost : stats::Reason::Limit);
        return;
    }
    conn->write(text);
    steps.phase = Steps::Phase::Remove;
    ask(*conn, *request.join->fragments[0], Special::Step, remove_answers);
}

void Leases::on_removed(Request& request) {
    Steps& steps = steps_of(request);
    Chain& answer = request.join->fragments[0]->response;
    const bool is_run = take_only_element(answer);
    if (is_run) give_back(*steps.leases[0]);
    if (is_error(answer)) {
        refuse_steps(request, answer);
        return;
    }
    if (is_run ? !is_flag(line_of(answer)) : !is_null(line_of(answer))) {
        stop_steps(request, misfit, stats::Reason::Other);
        return;
    }
    if (is_run && steps.command->crossing == Crossing::Moved) {
        answer_steps(request, answer);
        return;
    }
    if (is_run) {
        if (!request.response.append_copy(steps.answer, &proxy_->kept_)) {
            proxy_->give_up(*request.client);
        }
        end_steps(request);
        return;
    }
    if (steps.command->crossing == Crossing::RenamedNx) {
        stop_steps(request, "another client changed the source meanwhile", stats::Reason::Other);
        return;
    }
    if (steps.attempts == Steps::attempts_max) {
        stop_steps(request,
                   "other clients changed the source " + std::to_string(steps.attempts) +
                       " times while it was copied; give both keys a common hash tag",
                   stats::Reason::Other);
        return;
    }
    read_watched(request);
}

// --- SMOVE ---------------------------------------------------------------------------------------

// As redis goes about it: first the source, then the destination's type.
void Leases::on_moving(Request& request) {
    using Phase = Steps::Phase;
    Steps& steps = steps_of(request);
    Chain& answer = request.join->fragments[0]->response;
    const std::string line = line_of(answer);
    const bool is_one = line == ":1";
    const std::string& source = steps.sources[0].key;
    const uint32_t source_server = steps.sources[0].server;
    const std::string& destination = steps.words[2];
    const std::string& member = steps.words[3];
    const bool is_needed = steps.phase == Phase::LookAgain || steps.phase == Phase::LookForSource;
    // A set's type is what SMOVE itself looks at; any other error is about our words.
    if (is_error(answer) && !line.starts_with("-WRONGTYPE")) {
        refuse_steps(request, answer);
        return;
    }
    // What says neither is no yes: the member would be removed, and be nowhere.
    if (!is_error(answer) && !is_flag(line)) {
        stop_steps(request, misfit, stats::Reason::Other);
        return;
    }
    const bool goes_on =
        !is_error(answer) && (is_one || !is_needed) && steps.phase != Phase::LookThere;
    if (!goes_on) {
        // Whether the destination has the member is nothing to one who did not move it.
        if (!is_error(answer) && is_one) {
            answer.clear();
            const bool kept = answer.append_copy(":0\r\n", &proxy_->kept_);
            if (!kept) proxy_->give_up(*request.client);
        }
        answer_steps(request, answer);
        return;
    }
    switch (steps.phase) {
        case Phase::Look:
            if (is_one) {
                read_watched(request);
            } else {
                ask_simply(
                    request, Phase::LookForSource, source_server, request_text({"EXISTS", source}));
            }
            return;
        case Phase::LookAgain:
            ask_simply(request, Phase::Add, steps.home, add_text(destination, member));
            return;
        case Phase::LookForSource:
            ask_simply(request,
                       Phase::LookThere,
                       steps.home,
                       request_text({"SISMEMBER", destination, member}));
            return;
        case Phase::Add:
            remove_source(request);
            return;
        case Phase::LookThere:
        case Phase::Fetch:
        case Phase::Carry:
        case Phase::Remove:
        case Phase::Wait:
            break;
    }
    RM_ASSERT(false);
}

}  // namespace ringmain::core
