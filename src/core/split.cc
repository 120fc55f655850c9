#include "split.h"

#include <cstdint>
#include <vector>

#include "front.h"
#include "gather.h"

namespace ringmain::core {

bool choose_connections(Proxy& proxy, ClientConn& client, uint64_t size, bool noreply) {
    constexpr uint16_t none = UINT16_MAX;
    Scratch& scratch = proxy.scratch();
    Pool& pool = *client.pool;
    scratch.fragment_of.assign(pool.servers.size(), none);
    scratch.connections.clear();
    for (uint16_t& server : scratch.servers) {
        uint16_t& fragment = scratch.fragment_of[server];
        if (fragment == none) {
            std::string_view why;
            ServerConn* conn = proxy.usable_connection(pool.server(server), client, size, &why);
            if (conn == nullptr) {
                proxy.refuse_forward(
                    client, error_line_unless(noreply, pool, why), scratch.why_reason);
                return false;
            }
            fragment = static_cast<uint16_t>(scratch.connections.size());
            scratch.connections.push_back(conn);
        }
        server = fragment;
    }
    return true;
}

Request* make_split_request(Proxy& proxy, ClientConn& client, uint64_t size, bool noreply) {
    const size_t count = proxy.scratch().connections.size();
    // Each fragment may open a block of its own.
    if (!proxy.has_room_for(size + count * block_size)) {
        refuse_at_limit(proxy, client, noreply, no_memory);
        return nullptr;
    }
    if (!proxy.stores().has_fragments(count)) {
        refuse_at_limit(proxy, client, noreply, too_many_requests(proxy));
        return nullptr;
    }
    Request* request = proxy.make_request(client);
    request->join = proxy.make_join();
    client.keeps = true;
    request->untimed = true;
    for (size_t i = 0; i < count; ++i) {
        proxy.make_fragment(*request);
    }
    return request;
}

void order_keys(Join& join, Scratch& scratch) {
    join.owners.assign(scratch.servers.begin(), scratch.servers.end());
    for (const uint16_t owner : join.owners) {
        join.fragments[owner]->keys += 1;
    }
    std::vector<uint32_t>& next = scratch.keys;  // per fragment: where its next key goes
    next.clear();
    uint32_t count = 0;
    for (const Fragment* fragment : join.fragments) {
        next.push_back(count);
        count += fragment->keys;
    }
    scratch.key_order.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
        scratch.key_order[next[join.owners[i]]++] = i;
    }
}

bool may_fit_join(const Request& request, char type) {
    constexpr int64_t elements_of_page = 2;
    if (resp::is_error_type(type) || type == '\0' || type == '>')
        return true;  // or nobody knows yet
    switch (request.policy) {
        case ResponsePolicy::One:
        case ResponsePolicy::Script:
            return true;
        case ResponsePolicy::PerKey:
            return type == '*';
        case ResponsePolicy::AggSum:
            return type == ':';
        case ResponsePolicy::AllSucceeded:
            return type == '+';
        case ResponsePolicy::Gathered:
            return fits_gather(request.gathering, {.type = type, .number = elements_of_page});
    }
    return false;
}

bool fits_join(ResponsePolicy policy,
               const Fragment& fragment,
               const resp::ResponseFrame& frame,
               const Bytes& bytes,
               std::string& scratch) {
    switch (policy) {
        case ResponsePolicy::One:
        case ResponsePolicy::Script:
            return true;
        case ResponsePolicy::PerKey:
            // Anything but strings and nulls answers some other command.
            return frame.type == '*' && !frame.is_null && frame.number == fragment.keys &&
                   frame.only_strings;
        case ResponsePolicy::AggSum:
            return frame.type == ':' && frame.number >= 0 && frame.number <= fragment.keys;
        case ResponsePolicy::AllSucceeded:
            return frame.size == resp::ok_response.size() &&
                   bytes.view({0, bytes.size()}, scratch) == resp::ok_response;
        case ResponsePolicy::Gathered:
            return fits_gather(fragment.request->gathering, frame);
    }
    return false;
}

}  // namespace ringmain::core
