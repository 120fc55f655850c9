// Which request a memcached's response answers, and what it says of the connection besides.

#include "ringmain/core/proxy.h"
#include "ringmain/memcached/forward.h"

#include <string>
#include <utility>

#include "meta_sets.h"

namespace ringmain::core {

// The first value of a get's response is for a key that this server was asked for.
bool Proxy::has_key(const Fragment& fragment, std::string_view key) const {
    Join* join = fragment.request->join;
    if (fragment.keys == 1) return key_check_hash(key) == fragment.key_hash;
    if (join == nullptr) return true;  // as each of its values (find_each)
    std::string scratch;
    KeyPlace next = join->named;
    for (size_t count = join->owners.size(); count > 0; --count) {
        if (next.index == join->owners.size()) next = {};
        const KeyPlace place = next;
        const ByteRange range = {.offset = place.offset, .size = join->key_sizes[place.index]};
        next = {.index = place.index + 1, .offset = range.offset + range.size + 1};
        const Fragment* owner = join->fragments[join->owners[place.index]];
        if (range.size != key.size() || owner != &fragment) continue;
        if (join->keys.view(range, scratch) != key) continue;
        join->named = place;
        return true;
    }
    return false;
}

void Proxy::on_response(ServerConn& conn,
                        const memcached::ResponseFrame& frame,
                        const Bytes& bytes) {
    const Fragment& head = *conn.fragments.front();
    if (head.special == Special::Version) [[unlikely]] {
        MetaSets(*this).on_answer(conn, frame, bytes);
        return;
    }
    const memcached::Verb verb = head.request->verb;
    const bool is_error = frame.kind == memcached::ResponseKind::Error;
    if (is_error && is_turned_away(conn, bytes)) return;
    // A line may have been joined after a server had begun to answer what it could not know yet.
    const bool is_shared = head.in_line > 1;
    if (!memcached::fits(verb, frame) || frame.singly != is_shared) {
        lose(conn, "sent a response that does not fit the request");
        return;
    }
    if (is_shared) {
        on_shared_response(conn, frame, bytes);
        return;
    }
    const bool names_key = head.keys > 0 && frame.first_key.size > 0;
    if (is_wanted(head) &&
        (frame.value_count > head.keys ||
         (names_key && !has_key(head, memcached::named_key(frame, bytes, scratch_.text))))) {
        lose(conn, "sent a value for a key that was not asked for");
        return;
    }
    bool runs_data = is_error && memcached::is_before_data(verb, frame);
    if (verb == memcached::Verb::MetaSet) [[unlikely]] {
        runs_data = MetaSets(*this).note_answer(conn, is_error, bytes);
    }

    if (!head.abandoned) note_success(conn, head.queued);
    Fragment& fragment = take_answered(conn);
    Request& request = *fragment.request;
    if (fragment.keys > 1 && request.join == nullptr) fragment.response.clear();  // the keys
    if (fragment.abandoned || (request.client == nullptr && request.join == nullptr)) {
        free_if_done(request);
    } else if (request.join != nullptr) {
        complete_split(fragment, bytes, is_error);
    } else if (memcached::is_shown(verb, request.noreply, request.quiet, frame)) {
        deliver(request, &bytes);
    } else {
        make_ready(request);
    }
    // The server is about to read the block as commands. So may one that refuses its first `ms`.
    // Its client is the cause, and others are to be served at once.
    if (runs_data) {
        constexpr std::string_view reason = "refuses the command and may run its data";
        lose(conn, reason, Blame::Nobody);
        if (!std::exchange(conn.server->told_runs_data, true)) tell(conn, conn.last_error);
    }
}

}  // namespace ringmain::core
