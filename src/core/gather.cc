#include "gather.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/writer.h"

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "split.h"

namespace ringmain::core {

namespace {

void refuse(Proxy& proxy, ClientConn& client, std::string_view text, stats::Reason reason) {
    proxy.answer_error(client, error_line(*client.pool, text), false, reason);
}

// Whether the join has to look at the request again.
bool keeps_request(const Command& command) {
    return command.gathering == Gathering::Newest || command.id == CommandId::ScriptLoad;
}

// One fragment per scratch.connections entry; null when it was answered with an error.
Request* begin(Proxy& proxy, ClientConn& client, const Asked& asked, uint64_t size) {
    Request* request = make_split_request(proxy, client, size);
    if (request == nullptr) return nullptr;
    request->command = &asked.command;
    request->policy = ResponsePolicy::Gathered;
    request->gathering = asked.command.gathering;
    client.gathers += 1;
    if (keeps_request(asked.command)) {
        const bool kept =
            asked.bytes.append_to(request->join->keys, {0, asked.bytes.size()}, nullptr);
        RM_ASSERT(kept);
    }
    return request;
}

void ask_all(Proxy& proxy, ClientConn& client, const Asked& asked) {
    Scratch& scratch = proxy.scratch();
    scratch.servers.clear();
    for (size_t i = 0; i < client.pool->servers.size(); ++i) {
        scratch.servers.push_back(static_cast<uint16_t>(i));
    }
    const uint32_t size = asked.bytes.size();
    if (!choose_connections(proxy, client, size)) return;
    const uint64_t copies = scratch.connections.size() + 1;
    Request* request = begin(proxy, client, asked, copies * size);
    if (request == nullptr) return;
    for (size_t i = 0; i < scratch.connections.size(); ++i) {
        ServerConn& conn = *scratch.connections[i];
        const bool written = asked.bytes.append_to(conn.out, {0, size}, nullptr);
        RM_ASSERT(written);
        proxy.enqueue(conn, *request->join->fragments[i]);
    }
}

// As redis reads it.
std::optional<uint64_t> parse_cursor(const std::string& text) {
    if (!text.empty() && std::string_view(" \t\n\v\f\r").find(text[0]) != std::string_view::npos) {
        return std::nullopt;
    }
    char* end = nullptr;
    errno = 0;
    const uint64_t cursor = std::strtoull(text.c_str(), &end, 10);
    if (*end != '\0' || errno == ERANGE) return std::nullopt;
    return cursor;
}

void ask_for_page(Proxy& proxy, ClientConn& client, const Asked& asked) {
    Scratch& scratch = proxy.scratch();
    const std::string given(asked.bytes.view(asked.arguments[1], scratch.text));
    const std::optional<uint64_t> cursor = parse_cursor(given);
    const uint64_t index = cursor.value_or(0) % page_step;
    if (!cursor.has_value() || index >= client.pool->servers.size()) {
        proxy.answer_error(client, "-ERR invalid cursor\r\n");
        return;
    }
    scratch.servers.assign(1, static_cast<uint16_t>(index));
    const uint32_t size = asked.bytes.size();
    if (!choose_connections(proxy, client, size)) return;
    Request* request = begin(proxy, client, asked, size);
    if (request == nullptr) return;
    request->join->owners.assign(1, static_cast<uint16_t>(index));

    std::string head;
    resp::write_array_header(head, asked.arguments.size());
    resp::write_bulk(head, "SCAN");
    resp::write_bulk(head, std::to_string(*cursor / page_step));
    ServerConn& conn = *scratch.connections[0];
    const uint32_t rest = asked.arguments[1].end() + 2;
    const bool written = conn.out.append_copy(head, nullptr) &&
                         asked.bytes.append_to(conn.out, {rest, size - rest}, nullptr);
    RM_ASSERT(written);
    proxy.enqueue(conn, *request->join->fragments[0]);
}

}  // namespace

Taken gather(Proxy& proxy, ClientConn& client, const Asked& asked) {
    if (client.gathers >= gathers_max) return Taken::Later;
    if (asked.command.id == CommandId::Config && !client.pool->options->config_commands) {
        refuse(
            proxy,
            client,
            "CONFIG is for all clients of all servers of the pool, and is not let through unless "
            "the pool says so (config_commands = true)",
            stats::Reason::Unsupported);
        return Taken::Yes;
    }
    if (asked.command.gathering == Gathering::Page) {
        ask_for_page(proxy, client, asked);
    } else {
        ask_all(proxy, client, asked);
    }
    return Taken::Yes;
}

bool fits_gather(Gathering gathering, const resp::ResponseFrame& frame) {
    switch (gathering) {
        case Gathering::None:
            return false;
        case Gathering::Sum:
        case Gathering::Smallest:
            return frame.type == ':';
        case Gathering::And:
        case Gathering::Concat:
        case Gathering::Newest:
            return frame.type == '*' && !frame.is_null;
        case Gathering::AllOk:
            return frame.type == '+';
        case Gathering::Alike:
            return frame.type != ':' && !frame.is_null;
        case Gathering::AnyOne:
            return frame.type == '$' || frame.type == '_';
        case Gathering::Texts:
            return (frame.type == '$' && !frame.is_null) || frame.type == '=';
        case Gathering::Running:
            return (frame.type == '*' && !frame.is_null) || frame.type == '%';
        case Gathering::Page:
            return frame.type == '*' && frame.number == 2;
    }
    return false;
}

// --- all parts are there
// ------------------------------------------------------------------------------

bool is_too_large(const Request& request) {
    return request.join->gathered > request.client->pool->options->gather_size_max;
}

std::string too_large_text(const Request& request) {
    const Pool& pool = *request.client->pool;
    return error_line(pool,
                      "what the servers answer together is larger than " +
                          std::to_string(pool.options->gather_size_max) +
                          " bytes (gather_size_max)");
}

}  // namespace ringmain::core
