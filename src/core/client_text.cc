#include "client_text.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace ringmain::core {

namespace {

using AllClients = List<ClientConn, &ClientConn::all_link>;

std::string flags_of(const ClientConn& client) {
    std::string flags;
    if (client.session != nullptr) {
        const Session& session = *client.session;
        if (session.is_subscribed()) flags += 'P';
        if (session.in_transaction) flags += 'x';
        if (session.waiting != nullptr) flags += 'b';
    }
    if (client.state == ClientConn::State::Closing) flags += 'c';
    if (client.pool->options->listen.is_path()) flags += 'U';
    if (client.no_evict) flags += 'e';
    return flags.empty() ? "N" : flags;
}

void append(std::string& line, std::string_view name, uint64_t number) {
    line.append(" ").append(name).append("=").append(std::to_string(number));
}

void append_session(std::string& line, const ClientConn& client) {
    const Session* session = client.session.get();
    const bool subscribed = session != nullptr && session->subscriber != nullptr;
    const auto counts =
        subscribed ? session->subscriber->counts : std::array<uint32_t, topic_kind_count>{};
    append(line, "sub", counts[0]);
    append(line, "psub", counts[1]);
    append(line, "ssub", counts[2]);
    const bool in_transaction = session != nullptr && session->in_transaction;
    line += " multi=" + (in_transaction ? std::to_string(session->commands) : "-1");
}

uint64_t seconds(Duration duration) {
    return static_cast<uint64_t>(std::max<int64_t>(duration.to_millis(), 0) / 1000);
}

// `request_size` is that of what it asks with now.
std::string line_of(const ClientConn& client, Instant now, uint32_t request_size) {
    const uint64_t unsent = client.out.size() + client.unsent;
    const uint64_t unread = client.untaken() + request_size;
    const Session* session = client.session.get();
    const uint64_t queued = session == nullptr ? 0 : session->queued_size();
    std::string line = "id=" + std::to_string(client.id) + " addr=" + client.peer +
                       " laddr=" + end_text(client.pool->options->listen) +
                       " fd=0 name=" + client.called().name;
    append(line, "age", seconds(now - client.since));
    append(line, "idle", seconds(now - client.heard_at));
    line += " flags=" + flags_of(client);
    append(line, "db", Leases::database_of(client));
    append_session(line, client);
    append(line, "qbuf", unread);
    line += " qbuf-free=0 argv-mem=0";
    append(line, "multi-mem", queued);
    line += " rbs=0 rbp=0 obl=0";
    append(line, "oll", unsent == 0 ? 0 : 1);
    append(line, "omem", unsent);
    append(line, "tot-mem", sizeof(ClientConn) + unread + queued + unsent);
    line += unsent == 0 ? " events=r" : " events=rw";
    const Command* last = client.last_command;
    line.append(" cmd=").append(last == nullptr ? "NULL" : last->name);
    line += " user=" + (client.user == nullptr ? "default" : client.user->name());
    line += std::string(" redir=-1 resp=") + (client.resp3 ? "3" : "2");
    line += " lib-name=" + client.called().library + " lib-ver=" + client.called().library_version +
            "\n";
    return line;
}

// What CLIENT LIST is asked for.
struct Filter {
    enum class Kind : uint8_t { All, Normal, Subscribed, Nobody, Ids };

    Kind kind = Kind::All;
    std::vector<uint64_t> ids = {};  // ascending

    [[nodiscard]] bool accepts(const ClientConn& client) const {
        switch (kind) {
            case Kind::All:
                return true;
            case Kind::Normal:
                return !is_subscribed(client);
            case Kind::Subscribed:
                return is_subscribed(client);
            case Kind::Nobody:
                return false;
            case Kind::Ids:
                return std::ranges::binary_search(ids, client.id);
        }
        RM_ASSERT(false);
    }
};

std::optional<Filter::Kind> kind_of(std::string_view type) {
    const auto is = [type](std::string_view name) {
        return ascii::equal_ignoring_case(type, name);
    };
    if (is("normal")) return Filter::Kind::Normal;
    if (is("pubsub")) return Filter::Kind::Subscribed;
    if (is("master") || is("replica") || is("slave")) return Filter::Kind::Nobody;
    return std::nullopt;
}

// The error in redis's words, or empty.
std::string read_filter(std::span<const std::string> arguments, Filter& filter) {
    if (arguments.size() == 2) return {};
    if (arguments.size() == 4 && ascii::equal_ignoring_case(arguments[2], "type")) {
        const auto kind = kind_of(arguments[3]);
        if (!kind.has_value()) return "ERR Unknown client type '" + arguments[3] + "'";
        filter.kind = *kind;
        return {};
    }
    if (arguments.size() < 4 || !ascii::equal_ignoring_case(arguments[2], "id")) {
        return "ERR syntax error";
    }
    filter.kind = Filter::Kind::Ids;
    for (const std::string& text : arguments.subspan(3)) {
        const std::optional<int64_t> id = ascii::parse_int64(text);
        if (!id.has_value()) return "ERR Invalid client ID";
        filter.ids.push_back(static_cast<uint64_t>(*id));
    }
    std::ranges::sort(filter.ids);
    return {};
}

}  // namespace

std::string end_text(const config::Address& listen) {
    return listen.text() + (listen.is_path() ? ":0" : "");
}

std::string client_info_text(const Proxy& proxy, const ClientConn& client, uint32_t request_size) {
    return line_of(client, proxy.now(), request_size);
}

bool list_clients(const Proxy& proxy,
                  const ClientConn& asking,
                  uint32_t request_size,
                  std::span<const std::string> arguments,
                  std::string& text) {
    Filter filter;
    text = read_filter(arguments, filter);
    if (!text.empty()) return false;
    if (proxy.environment().worker_count > 1) {
        text = "ERR ringmain: 'CLIENT LIST' is not supported with several workers (workers = " +
               std::to_string(proxy.environment().worker_count) +
               "): each knows its own clients; INFO clients counts all";
        return false;
    }
    const uint64_t size_max = asking.pool->options->gather_size_max;
    for (const ClientConn* client = proxy.first_client(); client != nullptr;
         client = AllClients::after(*client)) {
        if (client->pool != asking.pool || !filter.accepts(*client)) continue;
        text += line_of(*client, proxy.now(), client == &asking ? request_size : 0);
        if (text.size() <= size_max) continue;
        text = "ERR ringmain: the answer to 'CLIENT LIST' is larger than " +
               std::to_string(size_max) + " bytes (gather_size_max); ask for some by ID";
        return false;
    }
    return true;
}

}  // namespace ringmain::core
