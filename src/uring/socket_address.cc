#include "ringmain/uring/socket_address.h"

#include "ringmain/base/ascii.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace ringmain::uring {
namespace {

template <class T>
T& as(SocketAddress& address) {
    address.length = sizeof(T);
    return reinterpret_cast<T&>(address.storage);
}

template <class T>
const T& as(const SocketAddress& address) {
    return reinterpret_cast<const T&>(address.storage);
}

// "2" or "eth0"; 0 is no zone.
uint32_t zone_index(const std::string& zone) {
    const std::optional<uint64_t> number = ascii::parse_uint64(zone);
    if (number.has_value() && *number <= UINT32_MAX) return static_cast<uint32_t>(*number);
    return if_nametoindex(zone.c_str());
}

std::optional<SocketAddress> numeric_ipv6(std::string_view host, uint16_t port) {
    const size_t percent = host.find('%');
    SocketAddress address;
    auto& inet = as<sockaddr_in6>(address);
    inet.sin6_family = AF_INET6;
    inet.sin6_port = htons(port);
    if (inet_pton(AF_INET6, std::string(host.substr(0, percent)).c_str(), &inet.sin6_addr) != 1) {
        return std::nullopt;
    }
    if (percent == std::string_view::npos) return address;
    inet.sin6_scope_id = zone_index(std::string(host.substr(percent + 1)));
    if (inet.sin6_scope_id == 0) return std::nullopt;
    return address;
}

std::string inet_text(const SocketAddress& address) {
    char host[INET6_ADDRSTRLEN] = {};
    if (address.family() == AF_INET) {
        inet_ntop(AF_INET, &as<sockaddr_in>(address).sin_addr, host, sizeof host);
        return std::string(host) + ":" + std::to_string(address.port());
    }
    const auto& inet = as<sockaddr_in6>(address);
    inet_ntop(AF_INET6, &inet.sin6_addr, host, sizeof host);
    const std::string zone =
        inet.sin6_scope_id == 0 ? "" : "%" + std::to_string(inet.sin6_scope_id);
    return "[" + std::string(host) + zone + "]:" + std::to_string(address.port());
}

std::string path_text(const SocketAddress& address) {
    constexpr size_t path_begin = offsetof(sockaddr_un, sun_path);
    if (address.length <= path_begin) return "an unnamed unix socket";
    const char* path = as<sockaddr_un>(address).sun_path;
    return {path, strnlen(path, address.length - path_begin)};
}

// What this machine lacked when a look-up failed, as an errno; 0: nothing. Who looks a name up
// without a descriptor may say of it that it is not known, and leave another errno.
int shortage_behind(int result, int error) {
    if (result == EAI_MEMORY) return ENOMEM;
    if (error == EMFILE || error == ENFILE || error == ENOMEM) return error;
    const Descriptor probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return !probe.is_open() && (errno == EMFILE || errno == ENFILE) ? errno : 0;
}

}  // namespace

std::optional<SocketAddress> SocketAddress::numeric(std::string_view host, uint16_t port) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        return numeric_ipv6(host.substr(1, host.size() - 2), port);
    }
    SocketAddress address;
    auto& inet = as<sockaddr_in>(address);
    inet.sin_family = AF_INET;
    inet.sin_port = htons(port);
    if (inet_pton(AF_INET, std::string(host).c_str(), &inet.sin_addr) == 1) return address;
    return numeric_ipv6(host, port);
}

Result<SocketAddress> SocketAddress::path(std::string_view path) {
    SocketAddress address;
    auto& local = as<sockaddr_un>(address);
    constexpr size_t size_max = sizeof local.sun_path - 1;
    if (path.empty()) return Error{"the path of a unix socket is empty"};
    if (path.size() > size_max) {
        return Error{"the path of the unix socket " + std::string(path) + " has " +
                     std::to_string(path.size()) + " bytes, at most " + std::to_string(size_max) +
                     " are possible: choose a shorter one"};
    }
    local.sun_family = AF_UNIX;
    path.copy(local.sun_path, size_max);
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return address;
}

uint16_t SocketAddress::port() const {
    if (family() == AF_INET) return ntohs(as<sockaddr_in>(*this).sin_port);
    if (family() == AF_INET6) return ntohs(as<sockaddr_in6>(*this).sin6_port);
    return 0;
}

std::string SocketAddress::text() const {
    if (family() == AF_INET || family() == AF_INET6) return inet_text(*this);
    if (family() == AF_UNIX) return path_text(*this);
    return "an address of family " + std::to_string(family());
}

std::string SocketAddress::host() const {
    if (is_path()) return {};
    std::string host = text();
    host.resize(host.rfind(':'));
    return host;
}

bool SocketAddress::operator==(const SocketAddress& other) const {
    return length == other.length && std::memcmp(&storage, &other.storage, length) == 0;
}

Result<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port) {
    const std::optional<SocketAddress> numeric = SocketAddress::numeric(host, port);
    if (numeric.has_value()) return std::vector{*numeric};

    addrinfo hints = {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    errno = 0;
    const int result = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (result != 0) {
        const int error = errno;
        const std::string cause = result == EAI_SYSTEM ? error_text(error) : gai_strerror(result);
        return Error{.text = "cannot resolve '" + host + "': " + cause +
                             ": check the name, /etc/hosts and /etc/resolv.conf",
                     .number = shortage_behind(result, error)};
    }
    std::vector<SocketAddress> addresses;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        SocketAddress& address = addresses.emplace_back();
        RM_ASSERT(entry->ai_addrlen <= sizeof address.storage);
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.length = entry->ai_addrlen;
    }
    freeaddrinfo(list);
    RM_ASSERT(!addresses.empty());
    // Many a name has an address of IPv6 where there is no IPv6.
    std::vector<SocketAddress> usable;
    std::ranges::copy_if(addresses, std::back_inserter(usable), has_way_to);
    return usable.empty() ? addresses : usable;
}

}  // namespace ringmain::uring
