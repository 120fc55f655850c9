// A get line that several requests share: the response to each of them (src/design/0007).
//
// towards the server:   get a b c\r\n
// from it:              VALUE b ...  END          values in the order of the keys, misses absent
// FIFO:                 [a 3] [b 1] [c 1]         how many share the line, from the head on
//
// Each value is passed on when it is there: whoever stands before its owner missed. What the last
// fragment of the line gets goes on to END and is an ordinary response again; so the line is
// answered exactly when its last fragment is.

#include "ringmain/base/assert.h"
#include "ringmain/core/proxy.h"
#include "ringmain/memcached/forward.h"

#include "front.h"

namespace ringmain::core {

void Proxy::begin_shared(ServerConn& conn, memcached::ResponseParser& parser) {
    if (!parser.at_start()) return;
    const Fragment* head = conn.prelude_answers > 0 ? nullptr : conn.fragments.front();
    parser.take_values_singly(head != nullptr && head->in_line > 1);
    const bool keeps = head != nullptr && head->keys > 1 && head->request->join == nullptr;
    parser.keep_keys(keeps);
    if (keeps) conn.asked_keys.clear();
}

// Once it is known whose value is coming, its owner is the head. False: the connection was lost.
bool Proxy::continue_shared(ServerConn& conn,
                            memcached::ResponseParser& parser,
                            ParseStatus& status) {
    if (!parser.kept_keys().empty()) [[unlikely]] {
        const bool is_right = are_asked(*this, conn, parser.kept_keys());
        parser.forget_kept_keys();
        if (!is_right) lose(conn, not_asked_for);
        return is_right;
    }
    if (!parser.in_single_value()) return true;
    if (!find_owner(conn, parser.value_key())) {
        lose(conn, not_asked_for);
        return false;
    }
    if (conn.fragments.front()->in_line > 1) return true;
    parser.go_on_to_end();
    status = ParseStatus::NeedMore;
    return true;
}

// Makes the fragment that asked for `key` the head; those before it missed. Of two that asked for
// the same key it is the first. Finds the same one again while that is the head.
bool Proxy::find_owner(ServerConn& conn, std::string_view key) {
    const uint64_t hash = key_check_hash(key);
    const Fragment* owner = conn.fragments.front();
    const uint32_t count = owner->in_line;
    uint32_t misses = 0;
    while (owner->key_hash != hash) {
        misses += 1;
        if (misses == count) return false;
        owner = owner->next;
    }
    for (; misses > 0; --misses) {
        answer_shared(take_answered(conn), nullptr, memcached::end_of_values);
    }
    return true;
}

void Proxy::on_shared_response(ServerConn& conn,
                               const memcached::ResponseFrame& frame,
                               const Bytes& bytes) {
    RM_DCHECK(frame.singly);
    const Fragment& head = *conn.fragments.front();
    if (!head.abandoned) note_success(conn, head.queued);
    if (frame.kind == memcached::ResponseKind::Values && frame.value_count > 0) {
        answer_shared(take_answered(conn), &bytes, memcached::end_of_values);
        return;
    }
    // END: all that are left missed. An error: it is for all that are left.
    for (uint32_t left = conn.fragments.front()->in_line; left > 0; --left) {
        answer_shared(take_answered(conn), &bytes, {});
    }
}

void Proxy::answer_shared(Fragment& fragment, const Bytes* bytes, std::string_view tail) {
    RM_DCHECK(fragment.request->join == nullptr);
    if (fragment.abandoned) {
        free_if_done(*fragment.request);
    } else {
        deliver(*fragment.request, bytes, tail);
    }
}

}  // namespace ringmain::core
