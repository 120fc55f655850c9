#include "meta_sets.h"

#include "ringmain/base/printable.h"
#include "ringmain/memcached/forward.h"
#include "ringmain/memcached/server_version.h"

#include <utility>

#include "front.h"

namespace ringmain::core {

using memcached::Verb;
using memcached::VersionNeed;

namespace {

// Not an error, which says no more than that the server is there.
bool tells_version(std::string_view answer) {
    return answer.starts_with("VERSION");
}

}  // namespace

bool MetaSets::is_too_old(const Server& server, VersionNeed need) {
    if (need == VersionNeed::None) return false;
    return is_refused(server, need) && server.is_connected();
}

bool MetaSets::is_refused(const Server& server, VersionNeed need) {
    if (server.meta_set == MetaSet::Flawed) return need == VersionNeed::Binary;
    return server.meta_set == MetaSet::TooOld;
}

bool MetaSets::must_ask(const Server& server, VersionNeed need) {
    if (need == VersionNeed::None) return false;
    switch (server.meta_set) {
        case MetaSet::Known:
            return false;
        case MetaSet::Unknown:
            return need != VersionNeed::Plain;
        case MetaSet::Taken:
        case MetaSet::Flawed:
            return need == VersionNeed::Binary;
        case MetaSet::Doubted:
        case MetaSet::TooOld:
            return true;
    }
    return true;
}

bool MetaSets::must_ask(const ServerConn& conn) {
    if (conn.server->meta_set == MetaSet::Known) return false;
    for (const Fragment* fragment = conn.fragments.front(); fragment != nullptr;
         fragment = fragment->next) {
        if (fragment->special != Special::No) continue;
        if (must_ask(*conn.server, fragment->request->version_need)) return true;
    }
    return false;
}

void MetaSets::ask(ServerConn& conn, Request& request, Chain text) {
    request.client->keeps = true;
    request.only.response = std::move(text);
    conn.write("version\r\n");
    request.only.special = Special::Version;
    request.untimed = true;
    proxy_->enqueue(conn, request.only);
    conn.note_question();
    proxy_->hold_back(*request.client);
}

void MetaSets::on_answer(ServerConn& conn,
                         const memcached::ResponseFrame& frame,
                         const Bytes& bytes) {
    const std::string answer = proxy_->first_line(bytes);
    if (!answers_version(frame, answer)) {
        proxy_->lose(conn, unfitting_response);
        return;
    }
    note_version(*conn.server, answer);
    const Fragment& head = *conn.fragments.front();
    if (!head.abandoned) proxy_->note_success(conn, head.queued);
    Fragment& fragment = proxy_->leave_queue(conn);
    conn.note_told(fragment);
    Request& request = *fragment.request;
    fragment.special = Special::No;
    const Server& server = *conn.server;
    std::string_view full;
    const auto refuse = [&](std::string_view why, stats::Reason reason) {
        proxy_->fail(fragment, error_line(server.pool(), why), reason);
    };
    if (!is_wanted(fragment)) {
        proxy_->free_if_done(request);
    } else if (const std::string why_none = why_not(server, request.version_need, answer);
               !why_none.empty()) {
        const std::string why = "server " + server.title() + " " + why_none;
        if (!std::exchange(conn.server->told_runs_data, true)) proxy_->tell(conn, why);
        refuse(why, stats::Reason::Unsupported);
    } else if (!server.live) {  // meanwhile
        refuse("server " + server.title() + " " + ejected_text(server.health()),
               stats::Reason::NoServer);
    } else if (const uint64_t size = fragment.response.size();
               !has_room(conn, size) && !proxy_->may_wait(conn, size, &full)) {
        refuse(full, stats::Reason::Limit);
    } else {
        conn.out.append_chain(std::move(fragment.response));
        request.fragments_waiting = 0;
        request.untimed = false;
        proxy_->enqueue(conn, fragment);
    }
}

bool MetaSets::answers_version(const memcached::ResponseFrame& frame, std::string_view answer) {
    const bool is_line = frame.kind == memcached::ResponseKind::Line;
    return memcached::fits(Verb::Version, frame) && (!is_line || tells_version(answer));
}

void MetaSets::note_version(Server& server, std::string_view answer) {
    if (!tells_version(answer)) return;
    server.version.clear();
    const memcached::MetaSupport support = memcached::meta_support(answer);
    if (support == memcached::MetaSupport::Right) {
        server.meta_set = MetaSet::Known;
        return;
    }
    const bool is_flawed = support == memcached::MetaSupport::Flawed;
    server.meta_set = is_flawed ? MetaSet::Flawed : MetaSet::TooOld;
    constexpr size_t shown_max = 32;
    server.version = escaped(memcached::version_in(answer).substr(0, shown_max));
}

void MetaSets::note_connecting(Server& server) {
    const bool says_nothing =
        server.meta_set == MetaSet::Unknown || server.meta_set == MetaSet::Doubted;
    if (says_nothing || server.is_connected()) return;
    server.meta_set = server.meta_set == MetaSet::TooOld ? MetaSet::Doubted : MetaSet::Unknown;
}

void MetaSets::note_unasked(const ServerConn& conn) {
    const Fragment* head = conn.fragments.front();
    if (head == nullptr || head->request->verb != Verb::MetaSet) return;
    if (conn.server->meta_set == MetaSet::Unknown) conn.server->meta_set = MetaSet::Doubted;
}

bool MetaSets::note_answer(ServerConn& conn, bool is_error, const Bytes& bytes) {
    Server& server = *conn.server;
    const bool is_told = server.meta_set == MetaSet::Known || server.meta_set == MetaSet::Flawed;
    if (!is_error) {
        if (!is_told) server.meta_set = MetaSet::Taken;
        return false;
    }
    const std::string error = proxy_->first_line(bytes);
    if (error.starts_with("SERVER_ERROR")) return false;
    // A line that it cannot read, and was not sent by what we know: it does not know its data
    // either.
    const bool is_unread = error.starts_with("CLIENT_ERROR bad command line format");
    const bool is_judged = error.starts_with("CLIENT_ERROR") && !is_unread;
    if (is_judged && (is_told || server.meta_set == MetaSet::Taken)) return false;
    server.meta_set = MetaSet::Doubted;
    return true;
}

std::string MetaSets::too_old_text(const Server& server) {
    if (server.meta_set == MetaSet::Flawed) {
        return "runs memcached " + server.version +
               ", which tells a wrong cas: binary clients need 1.6.13";
    }
    return "runs memcached " + server.version +
           ", which does not take ms (that needs 1.6.10), nor what binary clients store or delete "
           "by a cas (1.6.13)";
}

std::string MetaSets::why_not(const Server& server, VersionNeed need, std::string_view answer) {
    if (is_refused(server, need)) return too_old_text(server);
    if (tells_version(answer)) return {};
    return "does not tell its version ('" + shown_text(answer) +
           "'), so it gets no ms (that needs memcached 1.6.10), nor what binary clients store or "
           "delete by a cas (1.6.13)";
}

std::string MetaSets::why_too_old(const Server& server) {
    return "server " + server.title() + " " + too_old_text(server);
}

}  // namespace ringmain::core
