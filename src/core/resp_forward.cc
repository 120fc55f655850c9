// A redis client's request on its way to its server.

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "front.h"
#include "resp_front.h"
#include "script_front.h"

namespace ringmain::core {

namespace {

// Its answer has data of its key, and may be large; the time to live is no data.
bool returns_data(const Command& command) {
    constexpr uint32_t about_key = acl_category::keyspace | acl_category::fast;
    return (command.flags & command_flag::readonly) != 0 && !command.key_specs.empty() &&
           (command.key_specs.front().flags & key_flag::access) != 0 &&
           (command.acl & about_key) != about_key;
}

}  // namespace

Taken RespFront::forward_by(ByteRange key) {
    uint32_t server = 0;
    if (!route(key, &server)) return Taken::Yes;
    if (has_to_wait()) return later();
    if (pool_.server(server).large_keys.is_used()) [[unlikely]] {
        return forward_watched(server, key);
    }
    forward_to(server);
    return Taken::Yes;
}

// To a server that has large values: those that are known are read apart from others, by commands
// that are answered with them.
Taken RespFront::forward_watched(uint32_t server_index, ByteRange key) {
    Server& server = pool_.server(server_index);
    // Subcommands have no numbers, and few have large answers.
    const bool reads = returns_data(*command_) && command_->number != 0 && !client_.special;
    const std::string_view text = bytes_.view(key, proxy_.scratch().text);
    const uint64_t hash =
        reads ? LargeKeys::hash_of(proxy_.key_check_hash(text), command_->number) : 0;
    if (reads && pool_.options->stream_threshold > 0 && server.large_keys.contains(hash)) {
        if (!client_.requests.empty()) return later();
        Request* request = proxy_.streams().forward_apart(client_, server, bytes_, hash);
        if (request != nullptr) {
            note(*request);
            return Taken::Yes;
        }
        if (server.is_crowded) {
            const std::string why = "server " + server.title() + " " + crowd_text(*pool_.options);
            proxy_.refuse_forward(client_, error_line(pool_, why), stats::Reason::Limit);
            return Taken::Yes;
        }
    }
    Request* request = forward_to(server_index);
    if (request != nullptr) request->only.key_hash = hash;
    return Taken::Yes;
}

void RespFront::forward(uint32_t server) {
    if (command_->id == CommandId::Evalsha) {
        run_script(server);
    } else if (command_->id == CommandId::Eval) {
        run_text(server);
    } else if (Request* request = forward_to(server); request != nullptr) {
        request->command = command_;
    }
}

void RespFront::forward_to_any() {
    if (has_server()) forward(pool_.first_live());
}

// EVALSHA: its server is told the script first.
void RespFront::run_script(uint32_t server_index) {
    const ScriptId script = find_script(pool_, word(1));
    Request* request = forward_apart(server_index, script);
    if (request == nullptr) {
        std::string_view why;
        ServerConn* conn =
            script.is_one()
                ? proxy_.usable_connection(pool_.server(server_index), client_, bytes_.size(), &why)
                : nullptr;
        // Without one the request itself will be told why.
        if (conn != nullptr) tell_script(proxy_, *conn, script);
        request = forward_shared(server_index);
    }
    if (request == nullptr) return;
    if (script.is_one()) request->policy = ResponsePolicy::Script;
    request->command = command_;
}

// Of EVAL: a server that refuses the number looks at nothing else.
bool RespFront::has_key_count() {
    const std::optional<int64_t> count = ascii::parse_int64(word(2));
    return count.has_value() && *count >= 0 && *count <= int64_t{frame_.argument_count} - 3;
}

// EVAL: EVALSHA of the same may go to another server.
void RespFront::run_text(uint32_t server_index) {
    Request* request = forward_to(server_index);
    if (request == nullptr) return;
    request->command = command_;
    if (!has_key_count()) return;
    ChainPlace place;
    const ScriptId script = keep_script(proxy_, pool_, bytes_, frame_.arguments[1], place);
    if (!script.is_one()) return;
    request->policy = ResponsePolicy::Script;
    request->extra = script.pack();
}

// So large that others would wait behind it, or find no room; and nothing that its client has said
// binds it to a connection.
bool RespFront::goes_apart() const {
    return is_large() && (!client_.special || !client_.session->goes_on());
}

// On another connection it might overtake what its client has said before.
bool RespFront::has_to_wait_if_large() const {
    return !client_.requests.empty() && goes_apart();
}

// Null when it goes the common way.
Request* RespFront::forward_apart(uint32_t server_index, ScriptId script) {
    if (!goes_apart() || !client_.requests.empty()) return nullptr;
    Server& server = pool_.server(server_index);
    Request* request = proxy_.streams().forward_apart(client_, server, bytes_, 0, script);
    if (request != nullptr) note(*request);
    return request;
}

// Null when it was answered with an error instead.
Request* RespFront::forward_to(uint32_t server_index) {
    if (is_large()) [[unlikely]] {
        if (Request* apart = forward_apart(server_index, {})) return apart;
    }
    return forward_shared(server_index);
}

// On everybody's connection, or one that is the client's own.
Request* RespFront::forward_shared(uint32_t server_index) {
    std::string_view why;
    ServerConn* conn =
        proxy_.usable_connection(pool_.server(server_index), client_, bytes_.size(), &why);
    if (conn == nullptr) {
        proxy_.refuse_forward(client_, error_line(pool_, why), proxy_.scratch().why_reason);
        return nullptr;
    }
    if (!proxy_.has_room_for(bytes_.size())) {
        refuse(no_memory, stats::Reason::Limit);
        return nullptr;
    }
    Request* request = proxy_.make_request(client_);
    if (request == nullptr) {
        refuse(too_many_requests(proxy_), stats::Reason::Limit);
        return nullptr;
    }
    note(*request);
    conn->write(bytes_);
    proxy_.enqueue(*conn, request->only);
    return request;
}

// On a connection that takes it; the limits were checked. `before` has `leading` responses.
void RespFront::forward_on(ServerConn& conn,
                           Special special,
                           uint32_t leading,
                           std::string_view before) {
    Request* request = proxy_.make_request(client_);
    RM_ASSERT(request != nullptr);
    note(*request);
    request->only.special = special;
    request->only.leading = leading;
    if (!before.empty()) conn.write(before);
    conn.write(bytes_);
    proxy_.enqueue(conn, request->only);
}

}  // namespace ringmain::core
