// What a memcached client's request is, and where it goes.

#include "ringmain/base/assert.h"
#include "ringmain/base/version.h"
#include "ringmain/core/counted_commands.h"
#include "ringmain/core/limits.h"
#include "ringmain/memcached/forward.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "front.h"
#include "memcached_stats.h"
#include "meta_sets.h"
#include "split.h"

namespace ringmain::core {

namespace {

using memcached::RequestFrame;
using memcached::Verb;

void describe(Request& request, const RequestFrame& frame) {
    request.verb = frame.verb;
    request.noreply = frame.noreply;
    request.quiet = frame.quiet;
    request.version_need = frame.version_need;
}

// One of 64 bits for a client and a key.
uint64_t bit_of(const Fragment& fragment) {
    return uint64_t{1} << ((fragment.key_hash + fragment.request->client->id) & 63);
}

// The client has asked for this key in this line before. When others write meanwhile, one of the
// two may hit and the other miss, and the response does not say which.
bool asks_again(const ServerConn::OpenGet& open, const Fragment& fragment) {
    if ((open.asked & bit_of(fragment)) == 0) return false;
    const Fragment* other = open.first;
    for (uint32_t left = other->in_line; left > 0; --left, other = other->next) {
        const bool is_same_client = other->request->client == fragment.request->client;
        if (is_same_client && other->key_hash == fragment.key_hash) return true;
    }
    return false;
}

bool may_join(const ServerConn& conn, const Fragment& fragment, Verb verb, size_t key_size) {
    const ServerConn::OpenGet& open = conn.open_get;
    return open.first != nullptr && open.out_size == conn.out.size() && open.verb == verb &&
           open.first->in_line < shared_get_keys_max &&
           open.line_size + 1 + key_size <= shared_get_line_size_max && !asks_again(open, fragment);
}

// A get of one key joins the one before it while that has not left. Server and response are the
// same for both; what is saved is the server's work for a response of its own (src/design/0007).
void send_get(Proxy& proxy,
              ServerConn& conn,
              Request& request,
              const RequestFrame& frame,
              const Bytes& bytes) {
    const std::string_view key = bytes.view(frame.keys[0], proxy.scratch().text);
    ServerConn::OpenGet open = conn.open_get;
    const bool joins = may_join(conn, request.only, frame.verb, key.size()) &&
                       memcached::extend_get(key, conn.out);
    const uint64_t size_before = conn.out.size();
    if (!joins) {
        const bool written = memcached::write_request(frame, bytes, conn.out);
        RM_ASSERT(written);
    }
    proxy.enqueue(conn, request.only);
    if (joins) {
        open.first->in_line += 1;
        // Nothing of the line leaves before the end of this batch.
        open.first->batch = request.only.batch;
        open.line_size += 1 + static_cast<uint32_t>(key.size());
    } else {
        open = {.first = &request.only,
                .line_size = static_cast<uint32_t>(conn.out.size() - size_before),
                .verb = frame.verb};
    }
    open.out_size = conn.out.size();
    open.asked |= bit_of(request.only);
    conn.open_get = open;
}

// For the slow log.
void note(const Proxy& proxy, Request& request, std::string_view key) {
    if (!proxy.notes_commands()) return;
    note_command(request, nullptr, key);
    request.key_size = static_cast<uint32_t>(key.size());
}

// For the join: in order, one blank between them.
void keep_keys(Proxy& proxy, Join& join, const RequestFrame& frame, const Bytes& bytes) {
    const std::vector<ByteRange>& keys = proxy.scratch().key_ranges;
    OpenBlock* open = &proxy.beginnings();
    join.key_sizes.resize(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
        join.key_sizes[i] = static_cast<uint16_t>(keys[i].size);
    }
    const uint32_t begin = keys.front().offset;
    bool kept = true;
    if (frame.is_canonical) {
        kept = bytes.append_to(join.keys, {begin, keys.back().end() - begin}, open);
    } else {
        for (const ByteRange key : keys) {
            kept =
                kept && bytes.append_to(join.keys, key, open) && join.keys.append_copy(" ", open);
        }
    }
    RM_ASSERT(kept);
}

// A line for one server becomes as many fragments as it needs to be short enough there.
void keep_lines_short(const RequestFrame& frame, Scratch& scratch) {
    constexpr uint32_t number_size_max = 20;  // as it is written there: of many zeros one
    const auto head = static_cast<uint32_t>(memcached::word_of(frame.verb).size() + 1 +
                                            std::min(frame.argument.size, number_size_max) + 2);
    const size_t servers = scratch.connections.size();
    std::vector<uint32_t>& sizes = scratch.keys;  // per fragment
    sizes.assign(servers, head);
    std::vector<uint16_t>& open = scratch.fragment_of;  // per server: which of its fragments grows
    open.resize(servers);
    std::iota(open.begin(), open.end(), uint16_t{0});
    for (size_t i = 0; i < scratch.key_ranges.size(); ++i) {
        uint16_t& fragment = open[scratch.servers[i]];
        const uint32_t size = 1 + scratch.key_ranges[i].size;
        if (sizes[fragment] > head && sizes[fragment] + size > memcached::server_line_size_max) {
            fragment = static_cast<uint16_t>(scratch.connections.size());
            scratch.connections.push_back(scratch.connections[scratch.servers[i]]);
            sizes.push_back(head);
        }
        sizes[fragment] += size;
        scratch.servers[i] = fragment;
    }
}

// A gat that a server may not take as one line.
bool is_long_gat(const RequestFrame& frame, const Bytes& bytes) {
    return memcached::is_get_and_touch(frame.verb) &&
           bytes.size() > memcached::server_line_size_max;
}

// get, gets, gat, gats with several keys: one fragment per server, if lines have no limit there.
void split(Proxy& proxy, ClientConn& client, const RequestFrame& frame, const Bytes& bytes) {
    Scratch& scratch = proxy.scratch();
    memcached::keys_of(frame, bytes, scratch.text, scratch.key_ranges);
    const size_t key_count = scratch.key_ranges.size();
    scratch.servers.resize(key_count);
    ChainPlace place;
    for (size_t i = 0; i < key_count; ++i) {
        const std::string_view key = bytes.view(scratch.key_ranges[i], scratch.text, place);
        scratch.servers[i] =
            static_cast<uint16_t>(client.pool->server_of(key, proxy.now(), proxy.prng()));
    }
    if (!choose_connections(proxy, client, bytes.size())) return;
    if (is_long_gat(frame, bytes)) keep_lines_short(frame, scratch);
    Request* request = make_split_request(proxy, client, 2 * uint64_t{bytes.size()});
    if (request == nullptr) return;
    describe(*request, frame);
    note(proxy, *request, bytes.view(scratch.key_ranges.front(), scratch.text));
    Join& join = *request->join;
    keep_keys(proxy, join, frame, bytes);
    order_keys(join, scratch);
    scratch.grouped_keys.resize(key_count);
    for (size_t i = 0; i < key_count; ++i) {
        scratch.grouped_keys[i] = scratch.key_ranges[scratch.key_order[i]];
    }
    const ByteRange* keys = scratch.grouped_keys.data();
    for (size_t i = 0; i < join.fragments.size(); ++i) {
        Fragment& fragment = *join.fragments[i];
        ServerConn& conn = *scratch.connections[i];
        fragment.key_hash = proxy.key_check_hash(bytes.view(keys[0], scratch.text));
        const bool written =
            memcached::write_fragment(frame, bytes, {keys, fragment.keys}, conn.out);
        RM_ASSERT(written);
        proxy.enqueue(conn, fragment);
        keys += fragment.keys;
    }
}

// flush_all, verbosity, stats: every server, one answer.
void broadcast(Proxy& proxy,
               ClientConn& client,
               const RequestFrame& frame,
               const Bytes& bytes,
               StatsKind kind = StatsKind::General) {
    Scratch& scratch = proxy.scratch();
    scratch.servers.clear();
    std::vector<std::string_view> names;  // whose figures they will be
    uint64_t names_size = 0;
    const bool only_asks = frame.verb == Verb::Stats || frame.verb == Verb::Verbosity;
    for (size_t i = 0; i < client.pool->servers.size(); ++i) {
        // Who is out misses nothing; but what it has must not survive a flush_all.
        const Server& server = *client.pool->servers[i];
        if (only_asks && !server.live) continue;
        scratch.servers.push_back(static_cast<uint16_t>(i));
        if (frame.verb != Verb::Stats) continue;
        names.push_back(server.options().ring_name);
        names_size += names.back().size() + 1;
    }
    if (!choose_connections(proxy, client, bytes.size(), frame.noreply)) return;
    const uint64_t copies = scratch.connections.size();
    Request* request =
        make_split_request(proxy, client, copies * bytes.size() + names_size, frame.noreply);
    if (request == nullptr) return;
    describe(*request, frame);
    if (frame.verb == Verb::Stats) {
        request->stats_kind = kind;
        request->policy = ResponsePolicy::Gathered;  // and counted
        client.gathers += 1;
    }
    for (const std::string_view name : names) {
        request->join->key_sizes.push_back(static_cast<uint16_t>(name.size()));
        const bool kept = request->join->keys.append_copy(name, &proxy.beginnings()) &&
                          request->join->keys.append_copy(" ", &proxy.beginnings());
        RM_ASSERT(kept);
    }
    for (size_t i = 0; i < copies; ++i) {
        ServerConn& conn = *scratch.connections[i];
        const bool written = memcached::write_request(frame, bytes, conn.out);
        RM_ASSERT(written);
        proxy.enqueue(conn, *request->join->fragments[i]);
    }
}

// The words behind "stats": the first two.
struct StatsWords {
    std::string what;
    std::string detail;
};

StatsWords stats_words(const RequestFrame& frame, const Bytes& bytes) {
    std::string scratch;
    std::string_view line = bytes.view(frame.line, scratch);
    std::array<std::string, 3> words;  // "stats" itself is the first
    for (std::string& word : words) {
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        word = line.substr(0, line.find(' '));
        line.remove_prefix(word.size());
    }
    return {words[1], words[2]};
}

// What no sum of several servers would say.
bool is_of_one_server(std::string_view what) {
    return what == "cachedump" || what == "extstore" || what.starts_with("proxy");
}

// "stats": the servers' figures, ours, or none. Errors are short: clients read them into 80 bytes.
void answer_stats(Proxy& proxy, ClientConn& client, const RequestFrame& frame, const Bytes& bytes) {
    const StatsWords words = stats_words(frame, bytes);
    if (const auto kind = stats_kind_of(words.what, words.detail)) {
        broadcast(proxy, client, frame, bytes, *kind);
    } else if (words.what == "ringmain") {
        proxy.answer(client, own_stats(proxy).append(memcached::end_of_values));
    } else if (words.what == "detail") {
        proxy.answer_error(client, "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
    } else if (words.what == "conns") {
        proxy.answer_error(client,
                           "CLIENT_ERROR ringmain: 'stats conns' of a server are ringmain's: ask "
                           "it\r\n",
                           false,
                           stats::Reason::Unsupported);
    } else if (is_of_one_server(words.what)) {
        proxy.answer_error(client,
                           "CLIENT_ERROR ringmain: 'stats " + words.what.substr(0, 16) +
                               "' is per server: ask the server\r\n",
                           false,
                           stats::Reason::Unsupported);
    } else if (words.what == "sizes_enable" || words.what == "sizes_disable") {
        // memcached answers it with a STAT line and no END, which nobody can tell from the
        // beginning of a longer answer.
        proxy.answer_error(client,
                           "CLIENT_ERROR ringmain: 'stats " + words.what +
                               "' is not supported: ask each server itself\r\n",
                           false,
                           stats::Reason::Unsupported);
    } else {
        proxy.answer_error(client, "ERROR\r\n");
    }
}

// Unseen by the client, before it gets its error. True when that error is counted.
bool remove_unseen(Proxy& proxy, ClientConn& client, std::string_view removal) {
    if (!client.pool->any_live()) return false;
    memcached::RequestParser parser(client.pool->memcached_limits);
    const Fed fed = parser.feed(removal);
    RM_ASSERT(fed.status == ParseStatus::Complete);
    RequestFrame frame = parser.frame();
    frame.noreply = true;
    Chain text(proxy.blocks());
    if (!text.append_copy(removal, nullptr)) return false;
    forward_removal(proxy, client, frame, Bytes(text));
    return true;
}

void answer_locally(Proxy& proxy, ClientConn& client, const RequestFrame& frame) {
    if (frame.verb == Verb::Version) {
        proxy.answer(client, std::string("VERSION ").append(memcached_version).append("\r\n"));
    } else if (frame.verb == Verb::MetaNoop) {
        proxy.answer(client, "MN\r\n");
    } else if (frame.verb == Verb::Quit) {
        proxy.answer(client, "", true);
    } else {
        RM_ASSERT(frame.verb == Verb::Invalid);
        if (!frame.removal.empty() && remove_unseen(proxy, client, frame.removal)) {
            proxy.answer(client, frame.answer);
            return;
        }
        const stats::Reason reason =
            frame.is_too_large ? stats::Reason::Limit : stats::Reason::Request;
        proxy.answer_error(client, frame.answer, false, reason);
    }
}

void refuse_all_out(Proxy& proxy, ClientConn& client, const RequestFrame& frame) {
    Pool& pool = *client.pool;
    proxy.refuse_forward(client,
                         error_line_unless(frame.noreply, pool, proxy.no_server_text(pool)),
                         stats::Reason::NoServer);
}

[[gnu::cold]] void refuse_meta_set(Proxy& proxy,
                                   ClientConn& client,
                                   const RequestFrame& frame,
                                   const Server& server) {
    const std::string why = MetaSets::why_too_old(server);
    proxy.refuse_forward(
        client, error_line_unless(frame.noreply, *client.pool, why), stats::Reason::Unsupported);
}

[[gnu::cold]] void ask_first(Proxy& proxy,
                             ServerConn& conn,
                             Request& request,
                             const RequestFrame& frame,
                             const Bytes& bytes) {
    Chain text(proxy.blocks());
    const bool written = memcached::write_request(frame, bytes, text);
    RM_ASSERT(written);
    MetaSets(proxy).ask(conn, request, std::move(text));
}

bool is_local(const RequestFrame& frame, const Bytes& bytes) {
    if (frame.verb == Verb::Stats) {
        const StatsWords words = stats_words(frame, bytes);
        return !stats_kind_of(words.what, words.detail).has_value();
    }
    return frame.verb == Verb::Version || frame.verb == Verb::MetaNoop ||
           frame.verb == Verb::Quit || frame.verb == Verb::Invalid;
}

// Whether a response may say whose it is.
bool names_key(const RequestFrame& frame) {
    return memcached::is_get(frame.verb) || memcached::is_meta(frame.verb);
}

// Whether what it says is compared in any case. To a key in base64 a server may answer in another
// way, and says so where that is base64.
bool is_compared(const RequestFrame& frame) {
    return !frame.base64_key || frame.verb == Verb::MetaDebug;
}

// What its answer is compared with (are_asked).
void keep_line(Proxy& proxy, Request& request, const RequestFrame& frame, const Bytes& bytes) {
    const uint32_t begin = frame.keys[0].offset;
    request.client->keeps = true;
    const bool kept = bytes.append_to(
        request.only.response, {begin, frame.line.end() - begin}, &proxy.beginnings());
    RM_ASSERT(kept);
}

}  // namespace

void note_frame(const Proxy& proxy,
                Request& request,
                const memcached::RequestFrame& frame,
                std::string_view placed_key) {
    describe(request, frame);
    if (!names_key(frame)) return;
    request.only.keys = is_compared(frame) ? frame.key_count : 0;
    request.only.key_hash = proxy.key_check_hash(placed_key);
}

void forward(Proxy& proxy, ClientConn& client, const RequestFrame& frame, const Bytes& bytes) {
    Pool& pool = *client.pool;
    const std::string_view key = memcached::placed_key(frame, bytes, proxy.scratch().text);
    Server& server = pool.server(pool.server_of(key, proxy.now(), proxy.prng()));
    const bool needs_version = frame.version_need != memcached::VersionNeed::None;
    if (needs_version && MetaSets::is_too_old(server, frame.version_need)) [[unlikely]] {
        refuse_meta_set(proxy, client, frame, server);
        return;
    }
    std::string_view why;
    ServerConn* conn = proxy.usable_connection(server, client, bytes.size(), &why);
    if (conn == nullptr) {
        proxy.refuse_forward(
            client, error_line_unless(frame.noreply, pool, why), proxy.scratch().why_reason);
        return;
    }
    const bool has_many = frame.key_count > 1;
    if (!proxy.has_room_for((has_many ? 2 : 1) * uint64_t{bytes.size()})) {
        refuse_at_limit(proxy, client, frame.noreply, no_memory);
        return;
    }
    Request* request = proxy.make_request(client);
    if (request == nullptr) {
        refuse_at_limit(proxy, client, frame.noreply, too_many_requests(proxy));
        return;
    }
    note(proxy, *request, key);
    note_frame(proxy, *request, frame, key);
    if (has_many) keep_line(proxy, *request, frame, bytes);
    if (memcached::is_plain_get(frame.verb) && frame.key_count == 1) {
        send_get(proxy, *conn, *request, frame, bytes);
        return;
    }
    if (needs_version && MetaSets::must_ask(server, frame.version_need)) [[unlikely]] {
        ask_first(proxy, *conn, *request, frame, bytes);
        return;
    }
    const bool written = memcached::write_request(frame, bytes, conn->out);
    RM_ASSERT(written);
    proxy.enqueue(*conn, request->only);
}

void forward_removal(Proxy& proxy,
                     ClientConn& client,
                     const RequestFrame& frame,
                     const Bytes& bytes) {
    const uint64_t errors = proxy.counters().errors.get();
    forward(proxy, client, frame, bytes);
    if (proxy.counters().errors.get() != errors) return;  // its server cannot be asked
    proxy.count_error(*client.pool, stats::Reason::Limit);
    client.requests.back()->is_counted = true;
}

Taken take_frame(Proxy& proxy, ClientConn& client, const RequestFrame& frame, const Bytes& bytes) {
    if (frame.verb == Verb::Stats && client.gathers >= gathers_max) return Taken::Later;
    client.pool->counters->commands[number_of(frame.verb)].add(1);
    if (!client.pool->any_live() && !is_local(frame, bytes)) {
        refuse_all_out(proxy, client, frame);
        return Taken::Yes;
    }
    switch (frame.verb) {
        case Verb::Get:
        case Verb::Gets:
        case Verb::Gat:
        case Verb::Gats:
            if (frame.key_count > 1 &&
                (client.pool->servers.size() > 1 || is_long_gat(frame, bytes))) {
                split(proxy, client, frame, bytes);
            } else {
                forward(proxy, client, frame, bytes);
            }
            break;
        case Verb::Set:
        case Verb::Add:
        case Verb::Replace:
        case Verb::Append:
        case Verb::Prepend:
        case Verb::Cas:
        case Verb::Incr:
        case Verb::Decr:
        case Verb::Touch:
        case Verb::Delete:
        case Verb::MetaGet:
        case Verb::MetaSet:
        case Verb::MetaDelete:
        case Verb::MetaArithmetic:
        case Verb::MetaDebug:
            forward(proxy, client, frame, bytes);
            break;
        case Verb::FlushAll:
        case Verb::Verbosity:
            broadcast(proxy, client, frame, bytes);
            break;
        case Verb::Stats:
            answer_stats(proxy, client, frame, bytes);
            break;
        case Verb::Version:
        case Verb::MetaNoop:
        case Verb::Quit:
        case Verb::Invalid:
            answer_locally(proxy, client, frame);
            break;
    }
    return Taken::Yes;
}

void refuse_stream(Proxy& proxy, ClientConn& client, const memcached::RequestParser& parser) {
    if (parser.begins_binary()) return;  // not refused: read anew, by another parser
    proxy.answer_error(client, parser.error(), true, stats::Reason::Protocol);
}

}  // namespace ringmain::core
