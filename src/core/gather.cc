#include "gather.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/combine.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "info_section.h"
#include "resp_front.h"
#include "resp_local.h"
#include "script_front.h"
#include "split.h"

namespace ringmain::core {

namespace {

void refuse(Proxy& proxy, ClientConn& client, std::string_view text, stats::Reason reason) {
    proxy.answer_error(client, error_line(*client.pool, text), false, reason);
}

// Taken apart, most of a request is copied, more than once and outside the arena.
bool may_be_copied(Proxy& proxy, ClientConn& client, const Asked& asked) {
    if (asked.bytes.size() <= split_request_size_max) return true;
    refuse(proxy,
           client,
           too_large_to_answer(asked.command, asked.bytes.size(), split_request_size_max),
           stats::Reason::Limit);
    return false;
}

// Whether the join has to look at the request again.
bool keeps_request(const Asked& asked) {
    const Command& command = asked.command;
    // A script that cannot be kept is none to look at.
    if (command.id == CommandId::ScriptLoad) return asked.arguments[2].size <= scripts_size_max;
    return command.handling == Handling::Combine || command.gathering == Gathering::Newest ||
           command.id == CommandId::ScriptExists || command.id == CommandId::Info;
}

// One fragment per scratch.connections entry; null when it was answered with an error.
Request* begin(Proxy& proxy, ClientConn& client, const Asked& asked, uint64_t size) {
    Request* request = make_split_request(proxy, client, size);
    if (request == nullptr) return nullptr;
    request->command = &asked.command;
    request->policy = ResponsePolicy::Gathered;
    request->gathering = asked.command.gathering;
    client.gathers += 1;
    if (keeps_request(asked)) {
        const bool kept = asked.bytes.append_to(
            request->join->keys, {0, asked.bytes.size()}, &proxy.beginnings());
        RM_ASSERT(kept);
    }
    return request;
}

// Of SCRIPT FLUSH, unless the servers will refuse it.
bool flushes_scripts(const Asked& asked, Scratch& scratch) {
    if (asked.command.id != CommandId::ScriptFlush) return false;
    if (asked.arguments.size() == 2) return true;
    const ByteRange word = asked.arguments[2].first(resp::word_size_max);
    const std::string_view how = asked.bytes.view(word, scratch.text);
    return asked.arguments.size() == 3 &&
           (ascii::equal_ignoring_case(how, "sync") || ascii::equal_ignoring_case(how, "async"));
}

// Those that EVAL behind it leaves are not meant.
void note_kept_scripts(Pool& pool, const Asked& asked, Request& request, Scratch& scratch) {
    ChainPlace place;
    for (const ByteRange& digest : asked.arguments.subspan(2)) {
        const ByteRange head = digest.first(resp::word_size_max);
        const ScriptId script = find_script(pool, asked.bytes.view(head, scratch.text, place));
        request.join->numbers.push_back(script.number);
    }
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
    request->join->scripts = client.pool->scripts.all().generation();
    if (asked.command.id == CommandId::ScriptExists) {
        note_kept_scripts(*client.pool, asked, *request, scratch);
    }
    for (size_t i = 0; i < scratch.connections.size(); ++i) {
        ServerConn& conn = *scratch.connections[i];
        conn.write(asked.bytes);
        proxy.enqueue(conn, *request->join->fragments[i]);
    }
    // What is said behind it, whoever says it first, is not told what was there before.
    if (flushes_scripts(asked, scratch)) client.pool->scripts.all().forget();
}

// As redis reads it, but for zeros without end in front of it.
std::optional<uint64_t> parse_cursor(const std::string& text) {
    if (text.size() > resp::word_size_max) return std::nullopt;
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
    const ByteRange place = asked.arguments[1].first(resp::word_size_max + 1);
    const std::string given(asked.bytes.view(place, scratch.text));
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
    conn.write(head);
    conn.write(asked.bytes, rest);
    proxy.enqueue(conn, *request->join->fragments[0]);
}

// PUBSUB NUMSUB and SHARDNUMSUB: each server about the channels that live on it.
void ask_about_channels(Proxy& proxy, ClientConn& client, const Asked& asked) {
    Scratch& scratch = proxy.scratch();
    Pool& pool = *client.pool;
    const std::span<const ByteRange> channels = asked.arguments.subspan(2);
    if (!may_be_copied(proxy, client, asked)) return;
    if (channels.empty()) {
        proxy.answer(client, "*0\r\n");
        return;
    }
    if (!pool.any_live()) {
        proxy.refuse_forward(
            client, error_line(pool, proxy.no_server_text(pool)), stats::Reason::NoServer);
        return;
    }
    scratch.servers.clear();
    ChainPlace place;
    for (const ByteRange& channel : channels) {
        const std::string_view name = asked.bytes.view(channel, scratch.text, place);
        const uint32_t server = pool.server_of(name, proxy.now(), proxy.prng());
        scratch.servers.push_back(static_cast<uint16_t>(server));
    }
    if (!choose_connections(proxy, client, asked.bytes.size())) return;
    const size_t count = scratch.connections.size();
    const uint64_t size = asked.bytes.size() + count * asked.arguments[1].end();
    Request* request = begin(proxy, client, asked, size);
    if (request == nullptr) return;
    request->join->owners.assign(scratch.servers.begin(), scratch.servers.end());
    std::vector<std::string> texts(count);
    for (size_t i = 0; i < count; ++i) {
        const auto own = std::ranges::count(scratch.servers, static_cast<uint16_t>(i));
        resp::write_array_header(texts[i], static_cast<uint64_t>(own) + 2);
        resp::write_bulk(texts[i], "PUBSUB");
        resp::write_bulk(texts[i], asked.bytes.view(asked.arguments[1], scratch.text));
    }
    for (size_t i = 0; i < channels.size(); ++i) {
        resp::write_bulk(texts[scratch.servers[i]],
                         asked.bytes.view(channels[i], scratch.text, place));
    }
    for (size_t i = 0; i < count; ++i) {
        ServerConn& conn = *scratch.connections[i];
        request->join->numbers.push_back(conn.server->number());
        conn.write(texts[i]);
        proxy.enqueue(conn, *request->join->fragments[i]);
    }
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
    } else if (asked.command.gathering == Gathering::PerChannel) {
        ask_about_channels(proxy, client, asked);
    } else {
        ask_all(proxy, client, asked);
    }
    return Taken::Yes;
}

Taken take_info(Proxy& proxy, ClientConn& client, const Asked& asked) {
    if (client.gathers >= gathers_max) return Taken::Later;
    Scratch& scratch = proxy.scratch();
    Pool& pool = *client.pool;
    const std::vector<std::string> sections =
        resp::texts_of(asked.bytes, asked.arguments.subspan(1));
    const std::string_view section = info_question(sections);
    std::string question;
    resp::write_request(question, {"INFO", section});
    scratch.servers.clear();
    scratch.connections.clear();
    for (size_t i = 0; i < pool.servers.size() && !section.empty(); ++i) {
        std::string_view why;
        ServerConn* conn = proxy.usable_connection(*pool.servers[i], client, question.size(), &why);
        if (conn == nullptr) continue;
        scratch.servers.push_back(static_cast<uint16_t>(i));
        scratch.connections.push_back(conn);
    }
    if (scratch.connections.empty()) {
        std::string text;
        const resp::Version version = resp::version_of(client.resp3);
        resp::write_text(
            text, info_text(proxy, pool, sections, read_server_info(pool, {}, {})), version);
        proxy.answer(client, text);
        return Taken::Yes;
    }
    Request* request = begin(proxy, client, asked, asked.bytes.size() + question.size());
    if (request == nullptr) return Taken::Yes;
    request->gathering = Gathering::Keyspace;
    request->join->owners.assign(scratch.servers.begin(), scratch.servers.end());
    for (size_t i = 0; i < scratch.connections.size(); ++i) {
        ServerConn& conn = *scratch.connections[i];
        conn.write(question);
        proxy.enqueue(conn, *request->join->fragments[i]);
    }
    return Taken::Yes;
}

namespace {

// The keys of fragment `fragment`, or that key alone, asked for with `question`.
std::string question_text(const resp::Question& question, std::span<const std::string_view> keys) {
    std::string text;
    const size_t words =
        1 + (question.counts_keys ? 1 : 0) + keys.size() + (question.last.empty() ? 0 : 1);
    resp::write_array_header(text, words);
    resp::write_bulk(text, question.name);
    if (question.counts_keys) resp::write_bulk(text, std::to_string(keys.size()));
    for (const std::string_view key : keys) {
        resp::write_bulk(text, key);
    }
    if (!question.last.empty()) resp::write_bulk(text, question.last);
    return text;
}

// scratch.connections per key, where they are per server.
void spread_connections(Scratch& scratch) {
    const std::vector<ServerConn*> by_server = scratch.connections;
    scratch.connections.clear();
    for (const uint16_t server : scratch.servers) {
        scratch.connections.push_back(by_server[server]);
    }
}

// What each fragment asks for.
std::vector<std::string> question_texts(const Asked& asked,
                                        std::span<const uint32_t> keys,
                                        Scratch& scratch) {
    std::vector<std::string> names;
    for (const uint32_t key : keys) {
        names.emplace_back(asked.bytes.view(asked.arguments[key], scratch.text));
    }
    std::vector<std::string> texts;
    const bool per_key = resp::question(asked.command.gathering, true).per_key;
    const auto count = static_cast<uint16_t>(scratch.connections.size());
    for (uint16_t fragment = 0; fragment < count; ++fragment) {
        std::vector<std::string_view> own;
        if (per_key) {
            own.emplace_back(names[fragment]);
        } else {
            for (size_t i = 0; i < names.size(); ++i) {
                if (scratch.servers[i] == fragment) own.emplace_back(names[i]);
            }
        }
        texts.push_back(question_text(resp::question(asked.command.gathering, fragment == 0), own));
    }
    return texts;
}

}  // namespace

Taken combine(Proxy& proxy,
              ClientConn& client,
              const Asked& asked,
              std::span<const uint32_t> keys) {
    if (client.gathers >= gathers_max) return Taken::Later;
    if (keys.size() > combine_keys_max) {
        refuse(proxy,
               client,
               std::to_string(keys.size()) + " keys on several servers are more than " +
                   std::to_string(combine_keys_max) +
                   ", which one request may combine; give them a common hash tag",
               stats::Reason::Limit);
        return Taken::Yes;
    }
    if (!may_be_copied(proxy, client, asked)) return Taken::Yes;
    Scratch& scratch = proxy.scratch();
    if (!choose_connections(proxy, client, asked.bytes.size())) return Taken::Yes;
    if (resp::question(asked.command.gathering, true).per_key) spread_connections(scratch);
    const std::vector<std::string> texts = question_texts(asked, keys, scratch);
    uint64_t size = asked.bytes.size();
    for (const std::string& text : texts) {
        size += text.size();
    }
    Request* request = begin(proxy, client, asked, size);
    if (request == nullptr) return Taken::Yes;
    for (size_t i = 0; i < texts.size(); ++i) {
        ServerConn& conn = *scratch.connections[i];
        conn.write(texts[i]);
        request->join->owners.push_back(static_cast<uint16_t>(conn.server->index()));
        proxy.enqueue(conn, *request->join->fragments[i]);
    }
    return Taken::Yes;
}

bool fits_gather(Gathering gathering, const resp::ResponseFrame& frame) {
    switch (gathering) {
        case Gathering::None:
            return false;
        case Gathering::Sum:
        case Gathering::Smallest:
        case Gathering::Largest:
            return frame.type == ':';
        case Gathering::And:
        case Gathering::Concat:
        case Gathering::Newest:
        case Gathering::PerChannel:
            return frame.type == '*' && !frame.is_null;
        case Gathering::AllOk:
            return frame.type == '+';
        case Gathering::Alike:
            return frame.type != ':' && !frame.is_null;
        case Gathering::AnyOne:
        case Gathering::PfCount:
        case Gathering::Lcs:
            return frame.type == '$' || frame.type == '_';
        case Gathering::Texts:
        case Gathering::Keyspace:
            return (frame.type == '$' && !frame.is_null) || frame.type == '=';
        case Gathering::Running:
            return (frame.type == '*' && !frame.is_null) || frame.type == '%';
        case Gathering::Page:
            return frame.type == '*' && frame.number == 2;
        case Gathering::Union:
        case Gathering::Inter:
        case Gathering::InterCard:
        case Gathering::Diff:
            return (frame.type == '*' && !frame.is_null) || frame.type == '~';
        case Gathering::Zunion:
        case Gathering::Zinter:
        case Gathering::ZinterCard:
        case Gathering::Zdiff:
            return frame.type == '*' && !frame.is_null;
    }
    return false;
}

// --- all parts are there -------------------------------------------------------------------------

bool is_too_large(const Request& request) {
    const Pool& pool = *request.client->pool;
    const uint64_t size_max = pool.is_redis() ? pool.options->gather_size_max : stats_size_max;
    return request.join->gathered > size_max;
}

uint64_t work_of(const Request& request) {
    const Join& join = *request.join;
    uint64_t work = join.gathered + join.keys.size();
    if (request.gathering == Gathering::Lcs) {
        const uint64_t cells =
            join.fragments[0]->response.size() * join.fragments[1]->response.size();
        work += std::min(cells, resp::lcs_cells_max) / lcs_cells_per_byte;
    }
    return work;
}

std::string too_large_text(const Request& request) {
    const Pool& pool = *request.client->pool;
    if (!pool.is_redis()) {
        static_assert(stats_size_max == 4194304);
        return error_line(pool,
                          "the servers' answers to 'stats' are together larger than 4194304 bytes; "
                          "ask the servers themselves");
    }
    return error_line(pool,
                      "what the servers answer together is larger than " +
                          std::to_string(pool.options->gather_size_max) +
                          " bytes (gather_size_max)");
}

}  // namespace ringmain::core
