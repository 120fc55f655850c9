// ringmain/uring/socket_address.h - where a socket listens or connects, in the kernel's form.

#pragma once

#include "ringmain/base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>

namespace ringmain::uring {

struct SocketAddress {
    sockaddr_storage storage = {};
    socklen_t length = 0;

    // "127.0.0.1", "::1", "fe80::1%2" and "[::1]"; nothing when it is not numeric. No look-up.
    [[nodiscard]] static std::optional<SocketAddress> numeric(std::string_view host, uint16_t port);

    // An error when the path does not fit (107 bytes).
    [[nodiscard]] static Result<SocketAddress> path(std::string_view path);

    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }

    [[nodiscard]] int family() const { return storage.ss_family; }

    [[nodiscard]] bool is_path() const { return storage.ss_family == AF_UNIX; }

    [[nodiscard]] uint16_t port() const;     // 0 for a path
    [[nodiscard]] std::string text() const;  // "10.0.0.1:6379", "[::1]:6379", "/run/a.sock"
    [[nodiscard]] std::string host() const;  // "10.0.0.1", "[::1]"; empty for a path

    bool operator==(const SocketAddress& other) const;
};

// All addresses of a name, in the system's order of preference; if there is a way to some of them
// (has_way_to), those. Blocks, for seconds at times: at start and on the resolver's thread only.
// Numeric hosts need no look-up. The error's number says what this machine lacked for the look-up,
// descriptors or memory; 0: nothing.
Result<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port);

}  // namespace ringmain::uring
