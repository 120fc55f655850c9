// The databases that clients select (core/leases.h, src/design/0009).

#include "ringmain/base/assert.h"
#include "ringmain/core/leases.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <string>

#include "front.h"

namespace ringmain::core {

uint32_t Leases::database_of(const ClientConn& client) {
    const bool has_chosen = client.database != ClientConn::no_database;
    return has_chosen ? client.database : client.pool->options->redis_db;
}

void Leases::leave_slot(ClientConn& client, uint16_t* slot) {
    if (*slot == Session::no_slot) return;
    Pool& pool = *client.pool;
    pool.databases[*slot].clients -= 1;
    *slot = Session::no_slot;
    if (pool.has_too_many_databases()) look_at_databases(proxy_->now());
}

// Nobody has the database in that place of `databases`. Nor does anybody wait for what he asked
// there: a client goes to another when it has its answers.
bool Leases::is_free(const Pool& pool, uint32_t slot) {
    return pool.databases[slot].clients == 0;
}

uint32_t Leases::databases_in_use(const Pool& pool) {
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < pool.databases.size(); ++slot) {
        if (!is_free(pool, slot)) count += 1;
    }
    return count;
}

// The one that has the database, else another, else one that nobody uses. A reload may allow fewer
// than there are.
bool Leases::find_slot(Pool& pool, uint32_t database, uint16_t* slot) {
    std::vector<Pool::Database>& all = pool.databases;
    const uint32_t most = pool.options->databases_max;
    const auto named = std::ranges::find(all, database, &Pool::Database::number);
    const bool is_there = named != all.end();
    auto found = static_cast<uint32_t>(named - all.begin());
    if (!is_there && all.size() < most) {
        all.emplace_back();
    } else if (!is_there || (pool.has_too_many_databases() && is_free(pool, found))) {
        if (databases_in_use(pool) >= most) return false;
        if (!is_there) found = 0;
        while (!is_free(pool, found)) {
            found += 1;
        }
    }
    *slot = static_cast<uint16_t>(found);
    if (is_there) return true;
    all[found].number = database;
    for (const auto& server : pool.servers) {
        for (ServerConn* conn : server->in_slot(found)) {
            if (conn == nullptr) continue;
            proxy_->lose(*conn, "serves another database now", Blame::Nobody);
            conn->database = database;  // also when it is connected in the background
            conn->failures = 0;
        }
    }
    return true;
}

namespace {

std::string crowd_of_databases(uint32_t in_use) {
    return "clients of this worker use " + std::to_string(in_use) +
           " databases besides the pool's; no more are allowed (databases_max)";
}

}  // namespace

bool Leases::select(ClientConn& client, uint32_t database, std::string* why) {
    why->clear();
    Pool& pool = *client.pool;
    stats::Reason& reason = proxy_->scratch().why_reason;
    reason = stats::Reason::Request;
    if (database == database_of(client)) {
        client.database = database;
        return true;
    }
    RM_ASSERT(client.requests.empty());
    Session& session = session_of(client);
    if (session.watching != nullptr) {
        *why = "'SELECT' is not supported while keys are watched: EXEC, DISCARD or UNWATCH first";
        return false;
    }
    if (database == pool.options->redis_db) {
        client.database = database;
        follow_database(client);
        return true;
    }
    if (!pool.any_live()) {
        *why = proxy_->no_server_text(pool);
        reason = stats::Reason::NoServer;
        return false;
    }
    uint16_t slot = 0;
    if (!find_slot(pool, database, &slot)) {
        *why = crowd_of_databases(databases_in_use(pool));
        reason = stats::Reason::Limit;
        return false;
    }
    Server& server = pool.server(pool.first_live());
    ServerConn& conn = server.in_database(slot, database, client.affinity, client.resp3);
    if (conn.state == ServerConn::State::Ready) {
        client.database = database;
        enter_slot(client, slot);
        return true;
    }
    return ask_for_database(client, conn, slot, why);
}

void Leases::follow_database(ClientConn& client) {
    if (client.session == nullptr || client.database != client.pool->options->redis_db) return;
    leave_slot(client, &client.session->slot);
    note_change(client);
}

std::string Leases::keep_database(ClientConn& client) {
    Pool& pool = *client.pool;
    const uint32_t database = database_of(client);
    if (database == pool.options->redis_db) return {};
    if (session_of(client).slot != Session::no_slot) return {};
    uint16_t slot = 0;
    if (!find_slot(pool, database, &slot)) {
        return "it chose database " + std::to_string(database) +
               ", which is not redis_db any more after a reload, and " +
               crowd_of_databases(databases_in_use(pool));
    }
    enter_slot(client, slot);
    return {};
}

void Leases::enter_slot(ClientConn& client, uint16_t slot) {
    Session& session = *client.session;
    leave_slot(client, &session.slot);
    session.slot = slot;
    client.pool->databases[slot].clients += 1;
    note_change(client);
}

// The connection itself says SELECT before anything else; the client is told what the server says
// when it hears it again.
bool Leases::ask_for_database(ClientConn& client,
                              ServerConn& conn,
                              uint16_t slot,
                              std::string* why) {
    std::string_view reason;
    if (conn.state == ServerConn::State::Closed &&
        !proxy_->may_connect(*conn.server, conn, &reason)) {
        *why = reason;
        return false;
    }
    const uint32_t database = client.pool->databases[slot].number;
    std::string text;
    resp::write_request(text, {"SELECT", std::to_string(database)});
    const bool full = conn.fragments.size() >= conn.server->queue_max;
    if (full && !proxy_->may_wait(conn, text.size(), &reason)) {
        *why = reason;
        return false;
    }
    *why = why_no_room(*proxy_, text.size());
    if (!why->empty()) {
        proxy_->scratch().why_reason = stats::Reason::Limit;
        return false;
    }
    Request* request = proxy_->make_request(client);
    proxy_->start_connect(conn);
    conn.write(text);
    request->only.special = Special::Select;
    proxy_->enqueue(conn, request->only);
    Session& session = *client.session;
    session.wanted = slot;
    client.pool->databases[slot].clients += 1;
    session.must_wait = true;
    note_change(client);
    return false;
}

}  // namespace ringmain::core
