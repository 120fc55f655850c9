// Commands that become several (core/steps.h): writes whose keys live on several servers, and WAIT.

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/base/hex.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/steps.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/commands.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "resp_front.h"

namespace ringmain::core {

namespace {

// What a source is called on the destination's server, for the time of a script there: nobody's
// key, and with the destination's beginning, which a server may demand of the proxy's keys.
std::string foreign_name(std::string_view destination, uint64_t mark, size_t number) {
    std::string name(destination);
    name += ":ringmain:";
    append_hex(name, mark);
    return name.append(":").append(std::to_string(number));
}

// Empty: the time is in `wait_ms`. Else what redis says, in the order in which it looks.
std::string_view read_wait(std::string_view replicas, std::string_view timeout, int64_t& wait_ms) {
    if (!ascii::parse_int64(replicas).has_value()) {
        return "-ERR value is not an integer or out of range\r\n";
    }
    const std::optional<int64_t> ms = ascii::parse_int64(timeout);
    if (!ms.has_value()) return "-ERR timeout is not an integer or out of range\r\n";
    if (*ms < 0) return "-ERR timeout is negative\r\n";
    wait_ms = std::min(*ms, resp::wait_ms_max);
    return "";
}

}  // namespace

bool RespFront::is_emulated(const Command& command) {
    return command.crossing != Crossing::Refused &&
           !(resp::has_patterns(command) && reads_other_keys());
}

// The keys live on several servers: scratch.keys and scratch.servers say where.
Taken RespFront::take_crossing(const Command& command) {
    const std::string what = "the keys of '" + upper_case(command.name) + "' live";
    const bool emulates = pool_.options->cross_server_writes == config::CrossServerWrites::Emulate;
    if (!emulates || !is_emulated(command)) {
        refuse_crossing(what, !emulates && is_emulated(command));
        return Taken::Yes;
    }
    if (!client_.requests.empty()) return later();
    const std::span<const ByteRange> all = arguments();
    if (bytes_.size() > Steps::request_size_max || all.size() > Steps::words_max) {
        refuse("'" + upper_case(command.name) + "' with " + std::to_string(all.size()) +
                   " arguments and " + std::to_string(bytes_.size()) +
                   " bytes is too large to be done in steps (limits " +
                   std::to_string(Steps::words_max) + " and " +
                   std::to_string(Steps::request_size_max) + "); give the keys a common hash tag",
               stats::Reason::Limit);
        return Taken::Yes;
    }
    Scratch& scratch = proxy_.scratch();
    auto steps = std::make_unique<Steps>();
    steps->command = &command;
    steps->moves_at = scratch.moves_at;
    steps->words = resp::texts_of(bytes_, all);
    const uint32_t destination = resp::find_destination(command, bytes_, all, scratch.text);
    const auto at = std::ranges::find(scratch.keys, destination);
    RM_ASSERT(at != scratch.keys.end());
    steps->home = scratch.servers[static_cast<size_t>(at - scratch.keys.begin())];
    const uint64_t mark = proxy_.prng().next();
    const std::string destination_key = steps->words[destination];
    for (size_t i = 0; i < scratch.keys.size(); ++i) {
        if (scratch.servers[i] == steps->home) continue;
        std::string& word = steps->words[scratch.keys[i]];
        Steps::Source source = {.key = word, .name = {}, .server = scratch.servers[i]};
        source.name = foreign_name(destination_key, mark, i);
        if (command.crossing != Crossing::Moved) word = source.name;
        steps->sources.push_back(std::move(source));
    }
    const size_t count = steps->sources.size();
    return take_steps(std::move(steps), count);
}

Taken RespFront::take_steps(std::unique_ptr<Steps> steps, size_t fragment_count) {
    if (!proxy_.stores().has_fragments(fragment_count)) {
        refuse(too_many_requests(proxy_), stats::Reason::Limit);
        return Taken::Yes;
    }
    Request* request = proxy_.make_request(client_);
    RM_ASSERT(request != nullptr);
    request->join = proxy_.make_join();
    request->untimed = true;
    for (size_t i = 0; i < fragment_count; ++i) {
        proxy_.make_fragment(*request);
    }
    note(*request);
    request->command = steps->command;
    // What its parts bring is counted like a gather's.
    request->policy = ResponsePolicy::Gathered;
    client_.gathers += 1;
    Session& session = proxy_.leases().session_of(client_);
    session.steps = std::move(steps);
    proxy_.leases().begin_steps(*request);
    return Taken::Yes;
}

// Every server is asked on a connection of the client's own.
Taken RespFront::wait_for_replicas(const Command& command) {
    static_cast<void>(proxy_.leases().session_of(client_));
    if (!client_.requests.empty()) return later();
    if (proxy_.leases().is_ending(client_)) {
        refuse("'WAIT' is not begun: the connection is about to end");
        return Taken::Yes;
    }
    const std::string replicas(word(1));
    auto steps = std::make_unique<Steps>();
    const std::string_view mistake = read_wait(replicas, word(2), steps->wait_ms);
    if (!mistake.empty()) {
        error(mistake);
        return Taken::Yes;
    }
    steps->command = &command;
    steps->moves_at = Instant::never();
    steps->words = {"WAIT", replicas, std::to_string(steps->wait_ms)};
    const Taken taken = take_steps(std::move(steps), pool_.servers.size());
    if (Leases::has_ended(client_)) proxy_.leases().on_client_end(client_);
    return taken;
}

}  // namespace ringmain::core
