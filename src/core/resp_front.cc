// What a redis client's request is, and where it goes.

#include "resp_front.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/core/counted_commands.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/commands.h"
#include "ringmain/resp/errors.h"
#include "ringmain/resp/inline.h"

#include <algorithm>
#include <optional>

#include "front.h"
#include "gather.h"
#include "resp_local.h"
#include "split.h"

namespace ringmain::core {

namespace {

constexpr std::string_view unauthenticated = "NOAUTH Authentication required.";

}  // namespace

std::string upper_case(std::string_view name) {
    std::string text(name);
    std::transform(text.begin(), text.end(), text.begin(), ascii::upper);
    std::replace(text.begin(), text.end(), '|', ' ');
    return text;
}

std::string too_large_to_answer(const Command& command, uint32_t size, uint32_t limit) {
    return "'" + upper_case(command.name) + "' with " + std::to_string(size) +
           " bytes is too large to be answered here (limit " + std::to_string(limit) + ")";
}

// The places of the arguments: those that the parser kept, or all by a second walk.
std::span<const ByteRange> RespFront::arguments() {
    if (frame_.argument_count <= resp::RequestFrame::arguments_kept) {
        return std::span(frame_.arguments).first(frame_.argument_count);
    }
    std::vector<ByteRange>& all = proxy_.scratch().arguments;
    if (!all_arguments_) resp::find_arguments(frame_, bytes_, all);
    all_arguments_ = true;
    return all;
}

// Of a word or number; of what is longer than any the beginning. Valid until the next one is asked
// for.
std::string_view RespFront::word(uint32_t index) {
    return bytes_.view(frame_.arguments[index].first(resp::word_size_max), proxy_.scratch().text);
}

void RespFront::refuse(std::string_view text, stats::Reason reason) {
    error(error_line(pool_, text), reason);
}

Taken RespFront::refuse_command(std::string_view name, std::string_view reason) {
    refuse("'" + upper_case(name) + "' is not supported: " + std::string(reason));
    return Taken::Yes;
}

// What is refused between MULTI and EXEC makes EXEC refuse the rest.
void RespFront::error(std::string_view line, stats::Reason reason) {
    if (client_.special) client_.session->abort_transaction(reason);
    proxy_.answer_error(client_, line, false, reason);
}

// What is taken again counts when it is. A counter never goes back: others read it at any time.
Taken RespFront::count_once(Taken taken) {
    if (taken != Taken::Later) counted_->add(1);
    return taken;
}

// Of what is dropped nobody knows which command it is.
void RespFront::refuse_unread() {
    pool_.counters->commands[number_of(nullptr)].add(1);
    if (frame_.long_name) {
        refuse("the command's name is longer than " +
               std::to_string(pool_.resp_limits.name_size_max) + " bytes");
    } else {
        refuse("request is larger than " + std::to_string(pool_.options->request_size_max) +
                   " bytes (request_size_max)",
               stats::Reason::Limit);
    }
}

Taken RespFront::take() {
    if (frame_.long_name || frame_.oversized) {
        refuse_unread();
        return Taken::Yes;
    }
    const std::string_view name =
        frame_.arguments[0].size > command_name_size_max ? std::string_view() : word(0);
    const Command* command = resp::find_command(name);
    if (command != nullptr && command->hidden && !takes_unknown()) command = nullptr;
    client_.last_command = command;
    counted_ = &pool_.counters->commands[number_of(command)];
    return count_once(command == nullptr ? take_unknown(name) : take_known(*command));
}

Taken RespFront::take_known(const Command& container) {
    const Command* command = &container;
    if (!command->subcommands.empty() && frame_.argument_count > 1) {
        const Command* subcommand = resp::find_subcommand(*command, word(1));
        if (subcommand == nullptr) {
            error(resp::unknown_subcommand(*command, word(1)));
            return Taken::Yes;
        }
        command = subcommand;
        client_.last_command = command;
        counted_ = &pool_.counters->commands[number_of(container, *command)];
    }
    if (!resp::arity_fits(*command, frame_.argument_count)) return refuse_arity(*command);
    if (!client_.authenticated && (command->flags & command_flag::no_auth) == 0) {
        if (command->id == CommandId::Exec) return refuse_exec(unauthenticated);
        error(std::string("-").append(unauthenticated).append("\r\n"));
        return Taken::Yes;
    }
    if (client_.user != nullptr) {
        const std::string why = why_forbidden(container, *command);
        if (!why.empty()) return forbid(*command, why);
    }
    return take_command(*command);
}

// A module's command, or one newer than the table: the server knows better.
Taken RespFront::take_unknown(std::string_view name) {
    if (!takes_unknown() || !resp::may_be_foreign(name) || frame_.argument_count < 2) {
        std::vector<std::string> texts;
        const std::span<const ByteRange> all = arguments();
        for (const ByteRange& range : all.first(std::min(all.size(), resp::shown_arguments_max))) {
            const ByteRange head = range.first(resp::shown_size_max);
            texts.emplace_back(bytes_.view(head, proxy_.scratch().text));
        }
        error(resp::unknown_command(texts));
        return Taken::Yes;
    }
    if (!client_.authenticated) {
        error(std::string("-").append(unauthenticated).append("\r\n"));
        return Taken::Yes;
    }
    if (client_.user != nullptr && !client_.user->may_run_unknown()) {
        error(
            "-NOPERM this user has no permissions to run commands that ringmain does not know\r\n");
        return Taken::Yes;
    }
    if (pool_.servers.size() > 1 && resp::asks_about_all_keys(name)) {
        return refuse_command(name, resp::reason_all_keys);
    }
    if (client_.special && !proxy_.leases().may_go_on(client_)) return later();
    if (client_.special && is_confined()) return refuse_confined(name);
    uint32_t server = 0;
    if (!route(frame_.arguments[1], &server)) return Taken::Yes;
    if (client_.special && client_.session->in_transaction) [[unlikely]] {
        const std::string_view key = bytes_.view(frame_.arguments[1], proxy_.scratch().text);
        proxy_.scratch().moves_at = pool_.moves_at(key, proxy_.now(), proxy_.prng());
        if (joins_transaction(server)) queue();
        return Taken::Yes;
    }
    if (has_to_wait()) return later();
    forward_to(server);
    return Taken::Yes;
}

Taken RespFront::take_command(const Command& command) {
    command_ = &command;
    if (client_.special) [[unlikely]] {
        if (!proxy_.leases().may_go_on(client_)) return later();
        if (is_refused_subscribed(command)) return Taken::Yes;
        if (client_.session->in_transaction) return take_queued(command);
    }
    switch (command.handling) {
        case Handling::Forward:
        case Handling::Combine:
            if (command.only_key == 0) {
                if (command.options_from != 0 && blocks(command)) return wait_for(command);
                return forward_by_keys(command);
            }
            return forward_by(frame_.arguments[command.only_key]);
        case Handling::Split:
            return split(command);
        case Handling::Gather:
            return gather(proxy_, client_, {command, bytes_, arguments()});
        case Handling::AnyServer:
            forward_to_any();
            return Taken::Yes;
        case Handling::Local:
            return take_local(command);
        case Handling::Transaction:
            return take_transaction(command);
        case Handling::Blocking:
            return wait_for(command);
        case Handling::Publish:
            return publish(command);
        case Handling::Subscribe:
            return take_subscribe(command);
        case Handling::Refused:
            return refuse_command(command.name, command.reason);
    }
    RM_ASSERT(false);
}

Taken RespFront::take_local(const Command& command) {
    if (bytes_.size() > local_request_size_max) {
        refuse(too_large_to_answer(command, bytes_.size(), local_request_size_max),
               stats::Reason::Limit);
        return Taken::Yes;
    }
    if (command.id == CommandId::Info) {
        return take_info(proxy_, client_, {command, bytes_, arguments()});
    }
    return answer_locally(proxy_, client_, command, bytes_, arguments());
}

// Or an answer that says that all are ejected.
bool RespFront::has_server() {
    if (pool_.any_live()) return true;
    if (client_.special) client_.session->abort_transaction(stats::Reason::NoServer);
    proxy_.refuse_forward(
        client_, error_line(pool_, proxy_.no_server_text(pool_)), stats::Reason::NoServer);
    return false;
}

bool RespFront::is_short_enough(ByteRange key) {
    if (key.size <= pool_.options->key_size_max) [[likely]] {
        return true;
    }
    refuse("key of " + std::to_string(key.size) + " bytes is larger than key_size_max (" +
               std::to_string(pool_.options->key_size_max) + ")",
           stats::Reason::Limit);
    return false;
}

bool RespFront::route(ByteRange key, uint32_t* server) {
    if (!is_short_enough(key)) return false;
    if (!has_server()) return false;
    if (first_key_.size == 0) first_key_ = key;
    *server = server_of(key);
    return true;
}

inline uint32_t RespFront::server_of(ByteRange key) {
    const std::string_view text = bytes_.view(key, proxy_.scratch().text, place_);
    return pool_.server_of(text, proxy_.now(), proxy_.prng());
}

// For the slow log.
void RespFront::note(Request& request) {
    if (!proxy_.notes_commands()) return;
    const ByteRange head = first_key_.first(noted_key_size_max);
    note_command(request, command_, bytes_.view(head, proxy_.scratch().text));
    request.key_size = first_key_.size;
}

bool RespFront::blocks(const Command& command) {
    return resp::blocks(command, bytes_, arguments(), proxy_.scratch().text);
}

// Where each key lives, in scratch.servers; `server` is that of the first.
RespFront::Place RespFront::place_keys(const Command& command, uint32_t* server) {
    const std::span<const ByteRange> all = arguments();
    Scratch& scratch = proxy_.scratch();
    scratch.keys.clear();
    const resp::KeySearch found = resp::find_keys(command, bytes_, all, scratch.text, scratch.keys);
    if (found != resp::KeySearch::Found) return Place::Anywhere;
    scratch.servers.clear();
    bool several = false;
    for (const uint32_t key : scratch.keys) {
        uint32_t index = 0;
        if (!route(all[key], &index)) return Place::Refused;
        scratch.servers.push_back(static_cast<uint16_t>(index));
        several = several || scratch.servers.front() != scratch.servers.back();
    }
    *server = scratch.servers.front();
    scratch.moves_at = pool_.is_in_ramps() ? first_move(all) : Instant::never();
    if (!several && command.options_from != 0) several = reads_elsewhere(command, *server);
    return several ? Place::Several : Place::OneServer;
}

// When the first of the keys moves.
Instant RespFront::first_move(std::span<const ByteRange> all) {
    Instant first = Instant::never();
    std::string scratch;
    ChainPlace place;
    for (const uint32_t key : proxy_.scratch().keys) {
        const std::string_view text = bytes_.view(all[key], scratch, place);
        first = std::min(first, pool_.moves_at(text, proxy_.now(), proxy_.prng()));
    }
    return first;
}

// The patterns of SORT name keys of which only the server knows how they go on. They live where its
// key does when the hash tag of the pattern says so, whatever comes for the '*' behind it.
bool RespFront::reads_elsewhere(const Command& command, uint32_t server) {
    if (pool_.servers.size() == 1 || !resp::has_patterns(command)) return false;
    const std::span<const ByteRange> all = arguments();
    std::vector<uint32_t> patterns;
    resp::find_patterns(bytes_, all, proxy_.scratch().text, patterns);
    const std::string& tag = pool_.options->placement.hash_tag;
    ChainPlace place;
    return std::ranges::any_of(patterns, [&](uint32_t at) {
        const ByteRange head = all[at].first(resp::pattern_head_size);
        const std::string_view text = bytes_.view(head, proxy_.scratch().text, place);
        const size_t begin = tag.empty() ? std::string_view::npos : text.find(tag[0]);
        const size_t end = begin == std::string_view::npos ? begin : text.find(tag[1], begin + 1);
        const bool is_tagged =
            end != std::string_view::npos && end > begin + 1 && end < text.find('*');
        return !is_tagged || pool_.server_of(text, proxy_.now(), proxy_.prng()) != server;
    });
}

// The one server of all keys; a refusal when they live on several.
RespFront::Place RespFront::place(const Command& command, uint32_t* server) {
    const Place found = place_keys(command, server);
    if (found != Place::Several) return found;
    refuse_crossing("the keys of '" + upper_case(command.name) + "' live");
    return Place::Refused;
}

void RespFront::refuse_crossing(const std::string& what,
                                bool may_be_emulated,
                                stats::Reason reason) {
    const std::string& tag = pool_.options->placement.hash_tag;
    std::string text =
        "-CROSSSLOT ringmain: " + what + " on several servers; give them a common hash tag";
    text += tag.empty() ? " (and set hash_tag for the pool)"
                        : " (" + tag.substr(0, 1) + "..." + tag.substr(1) + ")";
    if (may_be_emulated) {
        text += ", or have it done in steps (cross_server_writes = \"emulate\")";
    }
    error(text + "\r\n", reason);
}

Taken RespFront::forward_by_keys(const Command& command) {
    uint32_t server = 0;
    switch (place_keys(command, &server)) {
        case Place::OneServer:
            if (has_to_wait()) return later();
            forward(server);
            break;
        case Place::Several:
            if (command.handling == Handling::Combine) {
                return combine(
                    proxy_, client_, {command, bytes_, arguments()}, proxy_.scratch().keys);
            }
            if (command.crossing == Crossing::Popped) return pop_in_turns(command);
            if (command.crossing != Crossing::Refused) return take_crossing(command);
            refuse_crossing("the keys of '" + upper_case(command.name) + "' live");
            break;
        case Place::Anywhere:
            // Without keys every server gives the same answer; with a key count that does not fit,
            // a server refuses in its own words before it touches a key.
            forward_to_any();
            break;
        case Place::Refused:
            break;
    }
    return Taken::Yes;
}

// --- commands whose keys may live on several servers ---------------------------------------------

Taken RespFront::split(const Command& command) {
    const uint32_t step = command.id == CommandId::Mset ? 2 : 1;
    if ((frame_.argument_count - 1) % step != 0) {
        proxy_.answer_error(client_, resp::wrong_arity(command));
        return Taken::Yes;
    }
    const std::span<const ByteRange> all = arguments();
    Scratch& scratch = proxy_.scratch();
    scratch.servers.clear();
    if (!has_server()) return Taken::Yes;
    first_key_ = all[1];
    bool several = false;
    for (size_t i = 1; i < all.size(); i += step) {
        if (!is_short_enough(all[i])) return Taken::Yes;
        scratch.servers.push_back(static_cast<uint16_t>(server_of(all[i])));
        several = several || scratch.servers.front() != scratch.servers.back();
    }
    if (!several) {
        if (has_to_wait()) return later();
        forward_to(scratch.servers.front());
        return Taken::Yes;
    }
    if (is_large() && has_large_part(step) && has_to_wait_if_large()) return later();
    if (!choose_connections(proxy_, client_, bytes_.size())) return Taken::Yes;
    send_fragments(command, command.name, step);
    return Taken::Yes;
}

namespace {

// Nothing asked, nothing answered; but CLIENT REPLY SKIP was for this, as with redis.
Taken take_nothing(ClientConn& client) {
    using Replies = ClientConn::Replies;
    if (client.replies == Replies::SkipNext) client.replies = Replies::On;
    return Taken::Yes;
}

// Of a client that has said CLIENT REPLY OFF or SKIP.
Taken take_mutely(Proxy& proxy,
                  ClientConn& client,
                  const resp::RequestFrame& frame,
                  const Bytes& bytes) {
    using Replies = ClientConn::Replies;
    if (client.replies == Replies::SkipNext) client.replies = Replies::Skip;
    const Taken taken = RespFront(proxy, client, frame, bytes).take();
    if (client.replies == Replies::Skip) {
        client.replies = taken == Taken::Later ? Replies::SkipNext : Replies::On;
    }
    return taken;
}

Taken take_array(Proxy& proxy,
                 ClientConn& client,
                 const resp::RequestFrame& frame,
                 const Bytes& bytes) {
    if (frame.argument_count == 0 && !frame.oversized) return take_nothing(client);
    const bool is_heard = client.replies == ClientConn::Replies::On;
    const Taken taken = is_heard ? RespFront(proxy, client, frame, bytes).take()
                                 : take_mutely(proxy, client, frame, bytes);
    if (frame.argument_count > scratch_arguments_max) [[unlikely]] {
        proxy.scratch().forget_arguments();
    }
    return taken;
}

// An inline line is written anew as an array and taken as if it had come so.
Taken take_inline(Proxy& proxy,
                  ClientConn& client,
                  const resp::RequestFrame& frame,
                  const Bytes& bytes) {
    std::string& text = proxy.scratch().inline_array;
    const std::string_view line = bytes.view({0, frame.size}, proxy.scratch().text);
    const std::optional<uint32_t> count = resp::inline_to_array(line, text);
    if (!count.has_value()) {
        proxy.answer_error(
            client,
            std::string("-ERR Protocol error: ").append(resp::unbalanced_quotes).append("\r\n"),
            true,
            stats::Reason::Protocol);
        return Taken::Yes;
    }
    if (*count == 0) return take_nothing(client);
    if (*count > client.pool->resp_limits.arguments_max) {
        proxy.answer_error(client,
                           "-ERR Protocol error: invalid multibulk length\r\n",
                           true,
                           stats::Reason::Protocol);
        return Taken::Yes;
    }
    Chain copy(proxy.blocks());
    if (!proxy.has_room_for(text.size()) || !copy.append_copy(text, nullptr)) {
        proxy.answer_error(
            client, error_line(*client.pool, "out of buffer memory"), false, stats::Reason::Limit);
        return Taken::Yes;
    }
    resp::RequestParser parser(resp::no_limits);
    const Fed fed = parser.feed(text);
    RM_ASSERT(fed.status == ParseStatus::Complete && fed.consumed == text.size());
    const Bytes whole(copy);
    return take_array(proxy, client, parser.frame(), whole);
}

}  // namespace

Taken take_frame(Proxy& proxy,
                 ClientConn& client,
                 const resp::RequestFrame& frame,
                 const Bytes& bytes) {
    return frame.is_inline ? take_inline(proxy, client, frame, bytes)
                           : take_array(proxy, client, frame, bytes);
}

void refuse_stream(Proxy& proxy, ClientConn& client, const resp::RequestParser& parser) {
    if (parser.error().empty()) {
        proxy.answer_error(client, "", true, stats::Reason::Protocol);
        return;
    }
    proxy.answer_error(client,
                       std::string("-ERR Protocol error: ").append(parser.error()).append("\r\n"),
                       true,
                       stats::Reason::Protocol);
}

}  // namespace ringmain::core
