// Which request a memcached's response answers, and what it says of the connection besides.

#include "ringmain/core/proxy.h"
#include "ringmain/memcached/forward.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "front.h"
#include "meta_sets.h"

namespace ringmain::core {

namespace {

// Figures, or the one word that is said instead.
bool fits_stats(StatsKind kind, const memcached::ResponseFrame& frame) {
    if (frame.kind == memcached::ResponseKind::Error) return true;
    if (kind == StatsKind::Reset) return memcached::is_word(frame, "RESET");
    if (kind == StatsKind::DetailSwitch) return memcached::is_word(frame, "OK");
    return frame.kind != memcached::ResponseKind::Line;
}

bool fits_request(const Request& request, const memcached::ResponseFrame& frame) {
    return memcached::fits(request.verb, frame) &&
           (request.verb != memcached::Verb::Stats || fits_stats(request.stats_kind, frame));
}

// This server was asked for it: of a get's response the first value's.
bool has_key(const Proxy& proxy, const Fragment& fragment, std::string_view key) {
    Join* join = fragment.request->join;
    if (fragment.keys <= 1) return proxy.key_check_hash(key) == fragment.key_hash;
    if (join == nullptr) return true;  // as each of its values (are_asked)
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

}  // namespace

bool may_answer(const ServerConn& conn, const memcached::ResponseFrame& frame) {
    if (conn.prelude_answers > 0) return memcached::fits(memcached::Verb::Version, frame);
    const Fragment& head = *conn.fragments.front();
    return head.special == Special::Version ? memcached::fits(memcached::Verb::Version, frame)
                                            : fits_request(*head.request, frame);
}

bool names_another(Proxy& proxy,
                   const Fragment& fragment,
                   const memcached::ResponseFrame& frame,
                   const Bytes& bytes) {
    if (frame.first_key.size == 0 || !is_wanted(fragment)) return false;
    const bool compares = fragment.keys > 0 || (frame.key_is_base64 && fragment.key_hash != 0);
    const auto has = [&](const memcached::ResponseFrame& said) {
        return has_key(proxy, fragment, memcached::named_key(said, bytes, proxy.scratch().text));
    };
    if (!compares || has(frame)) return false;
    if (fragment.request->verb != memcached::Verb::MetaDebug) return true;
    // `me` does not say in which way it writes the key.
    memcached::ResponseFrame in_base64 = frame;
    in_base64.key_is_base64 = true;
    return !has(in_base64);
}

// A get of which values come and no END would have neither an end nor a limit of time: they move.
bool has_too_many(const ServerConn& conn, uint32_t values) {
    return conn.prelude_answers > 0 || values > conn.fragments.front()->keys;
}

// All of those, of a get whose keys lie on one server. They come in the order of the keys; whose do
// not are looked for in a table that is made then, once for a response.
bool are_asked(Proxy& proxy, ServerConn& conn, std::span<const std::string_view> named) {
    Fragment& head = *conn.fragments.front();
    if (!is_wanted(head)) return true;
    std::string& scratch = proxy.scratch().text;
    const Bytes keys(head.response);
    const size_t found = memcached::find_ahead(keys, named, scratch, head.received);
    std::vector<uint64_t>& table = conn.asked_keys;
    return std::ranges::all_of(named.subspan(found), [&](std::string_view key) {
        if (table.empty()) {
            std::string_view rest = keys.view({0, keys.size()}, scratch);
            while (!rest.empty()) {
                const std::string_view asked = rest.substr(0, rest.find(' '));
                if (!asked.empty()) table.push_back(proxy.key_check_hash(asked));
                rest.remove_prefix(std::min(asked.size() + 1, rest.size()));
            }
            std::ranges::sort(table);
        }
        return std::ranges::binary_search(table, proxy.key_check_hash(key));
    });
}

namespace {

// memcached had no memory for the response to a get, and has dropped it together with all that it
// had not sent yet; this one line stands for all of them. When more than one request waits for an
// answer nobody can tell how many those were.
bool drops_others(const ServerConn& conn, std::string_view error) {
    const size_t sent = conn.fragments.size() - conn.traffic.unsent;
    return sent > conn.fragments.front()->in_line &&
           error == "SERVER_ERROR out of memory writing get response";
}

// The first that waits may be told of it. What reads nothing was answered before, or is still to
// be.
bool is_read(const Fragment& fragment) {
    return fragment.special == Special::No && memcached::reads_value(fragment.request->verb);
}

// What stands before an error is not told to who has the answers of other servers as well, nor to
// who has no words for both.
bool tells_error_alone(const Fragment& fragment) {
    if (!is_wanted(fragment)) return false;
    const Request& request = *fragment.request;
    return request.join != nullptr || request.client->binary != nullptr;
}

constexpr std::string_view dropped_reason =
    "had no memory for a response and dropped those before it: raise its read_buf_mem_limit, or "
    "ask for fewer values at once";

}  // namespace

void Proxy::on_response(ServerConn& conn,
                        const memcached::ResponseFrame& frame,
                        const Bytes& bytes) {
    if (frame.kind != memcached::ResponseKind::Error) [[likely]] {
        answer_head(conn, frame, bytes);
        return;
    }
    if (is_turned_away(conn, bytes)) return;
    const bool drops = drops_others(conn, first_line(bytes));
    if (!drops || is_read(*conn.fragments.front())) answer_head(conn, frame, bytes);
    if (!drops || conn.state != ServerConn::State::Ready) return;
    // A client is the cause, and others are to be served at once.
    lose(conn, dropped_reason, Blame::Nobody);
    if (!std::exchange(conn.server->told_drops, true)) tell_loss(conn);
}

void Proxy::answer_head(ServerConn& conn,
                        const memcached::ResponseFrame& frame,
                        const Bytes& bytes) {
    const Fragment& head = *conn.fragments.front();
    if (head.special == Special::Version) [[unlikely]] {
        MetaSets(*this).on_answer(conn, frame, bytes);
        return;
    }
    // A line may have been joined after a server had begun to answer what it could not know yet.
    const bool is_shared = head.in_line > 1;
    if (!fits_request(*head.request, frame) || frame.singly != is_shared) {
        lose(conn, unfitting_response);
        return;
    }
    if (is_shared) {
        on_shared_response(conn, frame, bytes);
        return;
    }
    if (names_another(*this, head, frame, bytes)) {
        lose(conn, not_asked_for);
        return;
    }
    if (frame.error_size > 0 && tells_error_alone(head)) [[unlikely]] {
        // Of a response that was passed on as it came no more than the end of it is there.
        const uint32_t size = std::min(frame.error_size, bytes.size());
        Chain error(*blocks_);
        if (!bytes.append_to(error, {.offset = bytes.size() - size, .size = size}, &kept_)) {
            give_up(*head.request->client);
        }
        memcached::ResponseFrame alone;
        alone.size = size;
        alone.kind = memcached::ResponseKind::Error;
        take_fitting(conn, alone, Bytes(error));
        return;
    }
    take_fitting(conn, frame, bytes);
}

// It is one to the head.
void Proxy::take_fitting(ServerConn& conn,
                         const memcached::ResponseFrame& frame,
                         const Bytes& bytes) {
    const Fragment& head = *conn.fragments.front();
    const memcached::Verb verb = head.request->verb;
    const bool is_error = frame.kind == memcached::ResponseKind::Error;
    bool runs_data = is_error && memcached::is_before_data(verb, frame);
    if (verb == memcached::Verb::MetaSet) [[unlikely]] {
        runs_data = MetaSets(*this).note_answer(conn, is_error, bytes);
    }

    if (!head.abandoned) note_success(conn, head.queued);
    Fragment& fragment = take_answered(conn);
    Request& request = *fragment.request;
    if (fragment.keys > 1 && request.join == nullptr) {
        fragment.response.clear();  // the keys
        std::vector<uint64_t>().swap(conn.asked_keys);
    }
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
    // Its client is the cause, as well.
    if (runs_data) {
        lose(conn, "refuses the command and may run its data", Blame::Nobody);
        if (!std::exchange(conn.server->told_runs_data, true)) tell_loss(conn);
    }
}

}  // namespace ringmain::core
