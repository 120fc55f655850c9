// What a memcached client's request is, and where it goes.

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/memcached/forward.h"
#include "ringmain/base/version.h"
#include "front.h"
#include "split.h"

namespace ringmain::core {

namespace {

using memcached::RequestFrame;
using memcached::Verb;

void refuse(Proxy& proxy, ClientConn& client, const RequestFrame& frame, std::string_view text) {
    proxy.answer_error(client, frame.noreply ? std::string() : error_line(*client.pool, text));
}

void describe(Request& request, const RequestFrame& frame) {
    request.verb = frame.verb;
    request.noreply = frame.noreply;
    request.quiet = frame.quiet;
}

void forward(Proxy& proxy, ClientConn& client, const RequestFrame& frame, const Bytes& bytes) {
    Pool& pool = *client.pool;
    const std::string_view key = memcached::placed_key(frame, bytes, proxy.scratch().text);
    const uint32_t server = pool.placement.server_of(key, proxy.prng());
    std::string_view why;
    ServerConn* conn = proxy.usable_connection(pool.server(server), client, &why);
    if (conn == nullptr) {
        refuse(proxy, client, frame, why);
        return;
    }
    if (!proxy.has_room_for(bytes.size())) {
        refuse(proxy, client, frame, "out of buffer memory; see buffer_memory");
        return;
    }
    Request* request = proxy.make_request(client);
    if (request == nullptr) {
        refuse(proxy,
               client,
               frame,
               "too many requests in flight (limit " + std::to_string(requests_max) + ")");
        return;
    }
    describe(*request, frame);
    if (frame.key_count == 1 && frame.verb <= Verb::Gats) {
        request->only.keys = 1;
        request->only.key_hash = key_check_hash(bytes.view(frame.keys[0], proxy.scratch().text));
    }
    const bool written = memcached::write_request(frame, bytes, conn->out);
    RM_ASSERT(written);
    proxy.enqueue(*conn, request->only);
}

// get, gets, gat, gats with several keys: one fragment per server.
void split(Proxy& proxy, ClientConn& client, const RequestFrame& frame, const Bytes& bytes) {
    Scratch& scratch = proxy.scratch();
    memcached::keys_of(frame, bytes, scratch.text, scratch.key_ranges);
    scratch.servers.clear();
    for (const ByteRange key : scratch.key_ranges) {
        const std::string_view view = bytes.view(key, scratch.text);
        scratch.servers.push_back(
            static_cast<uint16_t>(client.pool->placement.server_of(view, proxy.prng())));
    }
    if (!choose_connections(proxy, client)) return;
    Request* request = make_split_request(proxy, client, 2 * uint64_t{bytes.size()});
    if (request == nullptr) return;
    describe(*request, frame);
    Join& join = *request->join;
    join.owners.assign(scratch.servers.begin(), scratch.servers.end());
    for (const ByteRange key : scratch.key_ranges) {
        join.key_sizes.push_back(static_cast<uint16_t>(key.size));
        const bool kept = bytes.append_to(join.keys, key, nullptr);
        RM_ASSERT(kept);
    }
    for (uint16_t i = 0; i < scratch.connections.size(); ++i) {
        ServerConn& conn = *scratch.connections[i];
        const bool written = memcached::write_fragment(
            frame, bytes, scratch.key_ranges, scratch.servers, i, conn.out);
        RM_ASSERT(written);
        proxy.enqueue(conn, *join.fragments[i]);
    }
}

// flush_all, verbosity: every server, one answer.
void broadcast(Proxy& proxy, ClientConn& client, const RequestFrame& frame, const Bytes& bytes) {
    Scratch& scratch = proxy.scratch();
    scratch.servers.clear();
    for (size_t i = 0; i < client.pool->servers.size(); ++i) {
        scratch.servers.push_back(static_cast<uint16_t>(i));
    }
    if (!choose_connections(proxy, client)) return;
    const uint64_t copies = scratch.connections.size();
    Request* request = make_split_request(proxy, client, copies * bytes.size());
    if (request == nullptr) return;
    describe(*request, frame);
    for (size_t i = 0; i < copies; ++i) {
        ServerConn& conn = *scratch.connections[i];
        const bool written = memcached::write_request(frame, bytes, conn.out);
        RM_ASSERT(written);
        proxy.enqueue(conn, *request->join->fragments[i]);
    }
}

// The proxy's own figures: those of one server would mislead, and those of several do not add up
// under one name.
std::string stats_text(const Proxy& proxy) {
    uint64_t clients = 0;
    uint64_t accepted = 0;
    uint64_t requests = 0;
    uint64_t errors = 0;
    uint64_t received = 0;
    uint64_t sent = 0;
    for (const Counters* worker : proxy.environment().all_counters) {
        clients += worker->clients.get();
        accepted += worker->clients_accepted.get();
        requests += worker->requests.get();
        errors += worker->errors.get();
        received += worker->bytes_received.get();
        sent += worker->bytes_sent.get();
    }
    const int64_t now_s = proxy.wall().ns / 1'000'000'000;
    std::string text;
    const auto line = [&text](std::string_view name, std::string_view value) {
        text.append("STAT ").append(name).append(" ").append(value).append("\r\n");
    };
    line("pid", std::to_string(proxy.environment().process_id));
    line("uptime", std::to_string(now_s - proxy.environment().started_at_s));
    line("time", std::to_string(now_s));
    line("version", std::string(memcached_version).append("-ringmain"));
    line("ringmain_version", version);
    line("threads", std::to_string(proxy.environment().worker_count));
    line("curr_connections", std::to_string(clients));
    line("total_connections", std::to_string(accepted));
    line("bytes_read", std::to_string(received));
    line("bytes_written", std::to_string(sent));
    line("ringmain_requests", std::to_string(requests));
    line("ringmain_errors", std::to_string(errors));
    text += "END\r\n";
    return text;
}

void answer_locally(Proxy& proxy, ClientConn& client, const RequestFrame& frame) {
    if (frame.verb == Verb::Version) {
        proxy.answer(client,
                     std::string("VERSION ").append(memcached_version).append("-ringmain\r\n"));
    } else if (frame.verb == Verb::MetaNoop) {
        proxy.answer(client, "MN\r\n");
    } else if (frame.verb == Verb::Quit) {
        proxy.answer(client, "", true);
    } else if (frame.verb == Verb::Stats) {
        proxy.answer(client, stats_text(proxy));
    } else {
        RM_ASSERT(frame.verb == Verb::Invalid);
        proxy.answer_error(client, frame.answer);
    }
}

}  // namespace

Taken take_frame(Proxy& proxy,
                 ClientConn& client,
                 const RequestFrame& frame,
                 const Bytes& bytes) {
    switch (frame.verb) {
        case Verb::Get:
        case Verb::Gets:
        case Verb::Gat:
        case Verb::Gats:
            if (frame.key_count > 1 && client.pool->servers.size() > 1) {
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
        case Verb::Version:
        case Verb::MetaNoop:
        case Verb::Quit:
        case Verb::Stats:
        case Verb::Invalid:
            answer_locally(proxy, client, frame);
            break;
    }
    return Taken::Yes;
}

void refuse_stream(Proxy& proxy, ClientConn& client, const memcached::RequestParser& parser) {
    proxy.answer_error(client, parser.error(), true);
}

}  // namespace ringmain::core
