#include "listens.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace ringmain::config {

namespace {

using Groups = std::array<uint16_t, 8>;

// "10.0.0.1" as two groups.
void append_ipv4(std::string_view text, std::vector<uint16_t>& out) {
    std::array<uint32_t, 4> bytes = {};
    for (uint32_t& byte : bytes) {
        const size_t dot = std::min(text.find('.'), text.size());
        byte = static_cast<uint32_t>(ascii::parse_uint64(text.substr(0, dot)).value_or(0));
        text.remove_prefix(std::min(dot + 1, text.size()));
    }
    out.push_back(static_cast<uint16_t>(bytes[0] * 256 + bytes[1]));
    out.push_back(static_cast<uint16_t>(bytes[2] * 256 + bytes[3]));
}

// "1:2:10.0.0.1"
std::vector<uint16_t> groups_of_part(std::string_view text) {
    std::vector<uint16_t> groups;
    for (size_t begin = 0; begin < text.size();) {
        const size_t colon = std::min(text.find(':', begin), text.size());
        const std::string_view word = text.substr(begin, colon - begin);
        begin = colon + 1;
        if (word.find('.') != std::string_view::npos) {
            append_ipv4(word, groups);
        } else {
            uint16_t value = 0;
            std::from_chars(word.data(), word.data() + word.size(), value, 16);
            groups.push_back(value);
        }
    }
    return groups;
}

// Of an address that the parser has accepted.
Groups groups_of(std::string_view text) {
    Groups groups = {};
    const size_t gap = text.find("::");
    const std::vector<uint16_t> front = groups_of_part(text.substr(0, gap));
    std::copy_n(front.begin(), std::min(front.size(), groups.size()), groups.begin());
    if (gap == std::string_view::npos) return groups;
    const std::vector<uint16_t> back = groups_of_part(text.substr(gap + 2));
    std::copy_n(back.rbegin(), std::min(back.size(), groups.size()), groups.rbegin());
    return groups;
}

bool is_ipv4_inside(const Groups& groups) {
    return groups[5] == 0xffff &&
           std::all_of(groups.begin(), groups.begin() + 5, [](uint16_t one) { return one == 0; });
}

std::string ipv4_text(const Groups& groups) {
    std::string text;
    for (const uint16_t group : {groups[6], groups[7]}) {
        text += (text.empty() ? "" : ".") + std::to_string(group / 256) + "." +
                std::to_string(group % 256);
    }
    return text;
}

// As it is usually written: the longest run of zeros, of two at least, is left out.
std::string ipv6_text(const Groups& groups) {
    size_t gap = groups.size();
    size_t gap_size = 1;
    for (size_t i = 0; i < groups.size(); ++i) {
        size_t end = i;
        while (end < groups.size() && groups[end] == 0) {
            end += 1;
        }
        if (end - i > gap_size) {
            gap = i;
            gap_size = end - i;
        }
    }
    std::string text;
    for (size_t i = 0; i < groups.size(); ++i) {
        if (i == gap) {
            text += "::";
            i += gap_size - 1;
            continue;
        }
        if (!text.empty() && !text.ends_with(':')) text += ':';
        std::array<char, 4> digits = {};
        char* const end =
            std::to_chars(digits.data(), digits.data() + digits.size(), groups[i], 16).ptr;
        text.append(digits.data(), end);
    }
    return text;
}

// The parser has accepted the host: a look tells what it is.
bool looks_like_ipv6(std::string_view host) {
    return host.find(':') != std::string_view::npos;
}

bool looks_like_ipv4(std::string_view host) {
    return std::ranges::all_of(host,
                               [](char byte) { return ascii::is_digit(byte) || byte == '.'; });
}

std::string normal_host(const std::string& host) {
    std::string lower(host);
    if (!looks_like_ipv6(host)) {
        std::ranges::transform(lower, lower.begin(), ascii::lower);
        return lower;
    }
    const size_t zone = std::min(host.find('%'), host.size());
    const Groups groups = groups_of(std::string_view(host).substr(0, zone));
    if (zone == host.size() && is_ipv4_inside(groups)) return ipv4_text(groups);
    return ipv6_text(groups) + host.substr(zone);
}

std::string normal_path(std::string_view path) {
    std::string text;
    while (!path.empty()) {
        path.remove_prefix(1);  // '/'
        const size_t end = std::min(path.find('/'), path.size());
        const std::string_view word = path.substr(0, end);
        if (!word.empty() && word != ".") text.append("/").append(word);
        path.remove_prefix(end);
    }
    return text;
}

bool hosts_share(std::string_view a, std::string_view b) {
    if (a == b) return true;
    if (a == "localhost") return b == "127.0.0.1" || b == "::1";
    if (a == "0.0.0.0") return looks_like_ipv4(b) || b == "localhost";
    // It takes IPv4, too (uring::listen_tcp).
    return a == "::" && (looks_like_ipv6(b) || looks_like_ipv4(b) || b == "localhost");
}

bool is_loopback(std::string_view host) {
    return host == "localhost" || host == "::1" ||
           (looks_like_ipv4(host) && host.starts_with("127."));
}

// What the kernel connects to.
std::string_view peer_of(std::string_view host) {
    if (host == "0.0.0.0") return "127.0.0.1";
    return host == "::" ? "::1" : host;
}

// A server's host, and that of a listener of its port.
bool host_leads_to(std::string_view host, std::string_view listen) {
    if (listen != "0.0.0.0" && listen != "::") {
        return hosts_share(host, listen) || hosts_share(listen, host);
    }
    return host == "localhost" || (is_loopback(host) && (listen == "::" || looks_like_ipv4(host)));
}

}  // namespace

Address normal_address(Address address) {
    if (address.is_path()) {
        const std::string path = normal_path(address.path);
        if (!path.empty()) address.path = path;
    } else {
        address.host = normal_host(address.host);
    }
    return address;
}

bool share_a_place(const Address& a, const Address& b) {
    if (a.is_path() || b.is_path()) return a.path == b.path;
    return a.port == b.port && (hosts_share(a.host, b.host) || hosts_share(b.host, a.host));
}

bool leads_to(const Address& server, const Address& listen) {
    if (server.is_path() || listen.is_path()) return server.path == listen.path;
    return server.port == listen.port && host_leads_to(peer_of(server.host), listen.host);
}

}  // namespace ringmain::config
