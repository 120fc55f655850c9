#include "ringmain/config/config.h"

#include "ringmain/base/ascii.h"

namespace ringmain::config {

std::string Address::text() const {
    if (is_path()) return path;
    const bool is_ipv6 = host.find(':') != std::string::npos;
    std::string out = is_ipv6 ? "[" + host + "]" : host;
    out += ':';
    out += ascii::Decimal(uint64_t{port}).view();
    return out;
}

std::vector<placement::Node> Pool::nodes() const {
    std::vector<placement::Node> nodes;
    nodes.reserve(servers.size());
    for (const Server& server : servers) {
        nodes.push_back({.name = server.ring_name, .weight = server.weight, .live = true});
    }
    return nodes;
}

Credentials Pool::credentials_of(const Server& server) const {
    return {.user = server.user.empty() ? redis_user : server.user,
            .password = server.password.empty() ? redis_auth : server.password};
}

}  // namespace ringmain::config
