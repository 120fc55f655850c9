#include "front.h"

#include "ringmain/core/limits.h"

namespace ringmain::core {

Instant due_of_wait(const ServerConn& conn, Instant begun) {
    const Duration limit = first_limit(*conn.server->pool().options);
    if (limit.ns == 0 || conn.waits_for == wait_for_ever) return Instant::never();
    return begun + conn.waits_for + limit + wait_margin;
}

std::string error_line(const Pool& pool, std::string_view text) {
    std::string line = pool.is_redis() ? "-ERR ringmain: " : "SERVER_ERROR ringmain: ";
    line += text;
    // Nothing that came from outside may end the line early.
    for (char& byte : line) {
        if (byte == '\r' || byte == '\n') byte = ' ';
    }
    return line += "\r\n";
}

void refuse_at_limit(Proxy& proxy, ClientConn& client, bool noreply, std::string_view text) {
    proxy.answer_error(
        client, error_line_unless(noreply, *client.pool, text), false, stats::Reason::Limit);
}

std::string too_many_requests(const Proxy& proxy) {
    return "too many requests in flight: " + std::to_string(proxy.config().proxy.requests_max) +
           " in this worker (requests_max)";
}

std::string why_no_room(Proxy& proxy, uint64_t size) {
    if (!proxy.stores().has_fragments(1)) return too_many_requests(proxy);
    if (!proxy.has_room_for(size)) return "out of memory for requests; see buffer_memory";
    return {};
}

}  // namespace ringmain::core
