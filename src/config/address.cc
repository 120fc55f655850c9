#include "address.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/hex.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "listens.h"
#include "words.h"

namespace ringmain::config {

namespace {

constexpr size_t path_size_max = 107;  // sun_path holds 108, with its NUL
constexpr size_t host_size_max = 253;  // of a name in the DNS

bool is_blank_or_control(char byte) {
    return static_cast<unsigned char>(byte) <= 0x20 || byte == 0x7f;
}

bool is_host_character(char byte) {
    return ascii::is_letter(byte) || ascii::is_digit(byte) || byte == '.' || byte == '-' ||
           byte == '_';
}

bool is_hexadecimal(char byte) {
    return hex_digit(byte).has_value();
}

// Four numbers up to 255, without leading zeros (some readers take those for octal).
bool is_ipv4(std::string_view text) {
    for (int part = 0; part < 4; ++part) {
        const size_t dot = text.find('.');
        if ((dot == std::string_view::npos) != (part == 3)) return false;
        const std::optional<int64_t> number = ascii::parse_int64(text.substr(0, dot));
        if (!number || *number < 0 || *number > 255) return false;
        text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
    }
    return true;
}

// Groups of up to four hexadecimal digits; "::" at most once; perhaps an IPv4 address at the end,
// which counts as two groups.
bool is_ipv6(std::string_view text) {
    bool shortened = false;
    int groups = 0;
    if (text.starts_with("::")) {
        shortened = true;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        const size_t end = std::min(text.find(':'), text.size());
        const std::string_view group = text.substr(0, end);
        if (end == text.size() && group.find('.') != std::string_view::npos) {
            groups += 2;
            if (!is_ipv4(group)) return false;
            break;
        }
        if (group.empty() || group.size() > 4 || !std::ranges::all_of(group, is_hexadecimal)) {
            return false;
        }
        groups += 1;
        text.remove_prefix(end);
        if (text.empty()) break;
        if (text == ":") return false;
        const bool gap = text.starts_with("::");
        if (gap && shortened) return false;
        shortened = shortened || gap;
        text.remove_prefix(gap ? 2 : 1);
    }
    return shortened ? groups <= 7 : groups == 8;
}

Status check_host(std::string_view host) {
    if (host.empty()) {
        return Error{
            "the host is missing before ':'; write 127.0.0.1:PORT, or 0.0.0.0:PORT for "
            "every interface"};
    }
    if (host.size() > host_size_max) {
        return Error{"the host has " + std::to_string(host.size()) + " bytes, at most " +
                     std::to_string(host_size_max) + " are possible"};
    }
    if (host == "*") {
        return Error{"'*' is no address; every interface is 0.0.0.0, or [::] with IPv6 as well"};
    }
    if (!std::ranges::all_of(host, is_host_character)) {
        return Error{quoted(host) + " is not the name or the address of a host"};
    }
    const bool numeric =
        std::ranges::all_of(host, [](char byte) { return ascii::is_digit(byte) || byte == '.'; });
    if (numeric && !is_ipv4(host)) return Error{quoted(host) + " is not an IPv4 address"};
    return {};
}

Result<uint16_t> parse_port(std::string_view text) {
    const std::optional<uint64_t> port = ascii::parse_uint64(text);
    if (text.empty()) return Error{"the port is missing; ports are 1 to 65535"};
    if (text.starts_with('/')) {
        return Error{"the path of a unix socket has nothing in front; write " + quoted(text)};
    }
    if (!port || *port < 1 || *port > 65535) {
        return Error{quoted(text) + " is not a port; ports are 1 to 65535"};
    }
    return static_cast<uint16_t>(*port);
}

struct HostEnd {
    std::string host;
    std::string_view rest;  // from the ':' on
};

Result<HostEnd> parse_host(std::string_view text) {
    if (!text.starts_with('[')) {
        const size_t colon = std::min(text.find(':'), text.size());
        const Status status = check_host(text.substr(0, colon));
        if (!status.ok()) return Error{status.error()};
        return HostEnd{std::string(text.substr(0, colon)), text.substr(colon)};
    }
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return Error{"']' is missing after the IPv6 address"};
    const std::string_view host = text.substr(1, end - 1);
    // A zone ("fe80::1%eth0") belongs to the resolver.
    const size_t zone = host.find('%');
    const std::string_view zone_text = zone == std::string_view::npos ? "x" : host.substr(zone + 1);
    if (!is_ipv6(host.substr(0, zone)) || zone_text.empty() ||
        !std::ranges::all_of(zone_text, is_host_character)) {
        return Error{quoted(host) + " is not an IPv6 address"};
    }
    return HostEnd{std::string(host), text.substr(end + 1)};
}

bool looks_like_bare_ipv6(std::string_view text) {
    if (text.find("::") == std::string_view::npos && std::ranges::count(text, ':') <= 2) {
        return false;
    }
    return std::ranges::all_of(text.substr(0, text.find(':')), is_hexadecimal);
}

Error bare_ipv6(std::string_view text) {
    return Error{quoted(text) +
                 " is ambiguous: an IPv6 address stands in brackets, as in \"[::1]:6379\""};
}

Status check_path(std::string_view path) {
    if (path.size() > path_size_max) {
        return Error{"the path of a unix socket has at most " + std::to_string(path_size_max) +
                     " bytes, this one has " + std::to_string(path.size())};
    }
    if (path == "/" || path.ends_with('/')) {
        return Error{quoted(path) + " is a folder; write the path of a socket"};
    }
    return {};
}

Result<Address> parse_path(std::string_view text) {
    const Status status = check_path(text);
    if (!status.ok()) return Error{status.error()};
    Address address;
    address.path = std::string(text);
    return address;
}

Result<uint32_t> parse_mode(std::string_view text) {
    uint32_t mode = 0;
    for (const char byte : text) {
        if (byte < '0' || byte > '7' || mode > 0777) {
            mode = 0;
            break;
        }
        mode = mode * 8 + static_cast<uint32_t>(byte - '0');
    }
    if (mode == 0 || mode > 0777) {
        return Error{
            "after the path comes the mode of the socket in octal, 0001 to 0777, as in "
            "\"/run/ringmain.sock 0660\"; " +
            quoted(text) + " is not"};
    }
    return mode;
}

Result<uint32_t> parse_weight(std::string_view text) {
    const std::optional<uint64_t> weight = ascii::parse_uint64(text);
    if (!weight || *weight < 1 || *weight > static_cast<uint64_t>(weight_max)) {
        return Error{quoted(text) + " is not a weight; weights are 1 to " +
                     std::to_string(weight_max)};
    }
    return static_cast<uint32_t>(*weight);
}

Result<Address> parse_host_port(std::string_view text) {
    if (looks_like_bare_ipv6(text)) return bare_ipv6(text);
    if (!text.empty() && std::ranges::all_of(text, ascii::is_digit)) {
        return Error{quoted(text) +
                     " is a port without a host; write 127.0.0.1:" + std::string(text) +
                     ", or 0.0.0.0:" + std::string(text) + " for every interface"};
    }
    Result<HostEnd> host = parse_host(text);
    if (!host.ok()) return Error{host.error()};
    const std::string_view rest = host.value().rest;
    if (!rest.starts_with(':')) {
        return Error{"the port is missing; write " + std::string(text) + ":PORT"};
    }
    const Result<uint16_t> port = parse_port(rest.substr(1));
    if (!port.ok()) return Error{port.error()};
    Address address;
    address.host = std::move(host.value().host);
    address.port = port.value();
    return address;
}

// "host:port[:weight]"
Status parse_host_server(std::string_view text, Server& server) {
    if (looks_like_bare_ipv6(text)) return bare_ipv6(text);
    const size_t host_end = text.starts_with('[') ? std::min(text.find(']'), text.size()) : 0;
    const size_t first = text.find(':', host_end);
    const size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
    Result<Address> address = parse_host_port(text.substr(0, second));
    if (!address.ok()) return Error{address.error()};
    server.address = std::move(address.value());
    if (second == std::string_view::npos) return {};
    const std::string_view last = text.substr(second + 1);
    const Result<uint32_t> weight = parse_weight(last);
    if (!weight.ok()) {
        const bool has_more = last.find(':') != std::string_view::npos;
        return Error{weight.error() + (has_more ? "; a name stands behind a blank" : "")};
    }
    server.weight = weight.value();
    return {};
}

// "/path[:weight]"
Status parse_path_server(std::string_view text, Server& server) {
    const size_t colon = text.rfind(':');
    Result<Address> address = parse_path(text.substr(0, colon));
    if (!address.ok()) return Error{address.error()};
    server.address = std::move(address.value());
    if (colon == std::string_view::npos) return {};
    const Result<uint32_t> weight = parse_weight(text.substr(colon + 1));
    if (!weight.ok()) {
        return Error{weight.error() +
                     "; a path with ':' in it needs the long form { address = \"/path\" }"};
    }
    server.weight = weight.value();
    return {};
}

std::string without_blanks(std::string_view name) {
    std::string text(name);
    std::ranges::replace_if(text, is_blank_or_control, '_');
    return text;
}

}  // namespace

Status check_no_url(std::string_view text) {
    if (text.starts_with('/')) return {};
    const std::string_view where = text.substr(0, text.find(' '));
    const bool has_scheme = where.find("://") != std::string_view::npos;
    const std::string_view before = text.substr(0, text.find('@'));
    const bool has_user = before.size() < text.size() && !begins_a_name(before) &&
                          (before.size() < where.size() || before.find(':') < before.size());
    if (!has_scheme && !has_user) return {};
    std::string message = has_scheme ? "an address has no scheme in front"
                                     : "an address has no user and no password in front";
    message += "; write host:port, or /path";
    if (text.find('@') != std::string_view::npos) {
        message += "; the password of a pool's servers is redis_auth, that of one server password";
    }
    return Error{message};
}

Status check_name(std::string_view what, std::string_view name) {
    if (name.empty()) return Error{std::string(what) + " is empty; leave it out, or give one"};
    if (name.size() > name_size_max) {
        return Error{std::string(what) + " has " + std::to_string(name.size()) +
                     " bytes, at most " + std::to_string(name_size_max) +
                     " are possible; give it a shorter one"};
    }
    if (std::ranges::any_of(name, is_blank_or_control)) {
        return Error{std::string(what) + " " + quoted(name) +
                     " contains a blank or a control character; rename it, to " +
                     quoted(without_blanks(name)) + " for example"};
    }
    return {};
}

Result<Address> parse_address(std::string_view text) {
    if (text.empty()) return Error{"the address is empty; write host:port, or /path"};
    if (Status plain = check_no_url(text); !plain.ok()) return Error{plain.error()};
    if (std::ranges::any_of(text, is_blank_or_control)) {
        return Error{"an address contains no blank or control character: " + quoted(text)};
    }
    if (text.starts_with('/')) return parse_path(text);
    return parse_host_port(text);
}

Result<Address> parse_listen(std::string_view text) {
    const size_t blank = text.rfind(' ');
    const bool has_mode = text.starts_with('/') && blank != std::string_view::npos;
    Result<Address> address = parse_address(has_mode ? text.substr(0, blank) : text);
    if (!address.ok()) return address;
    address.value() = normal_address(std::move(address.value()));
    if (!has_mode) return address;
    const Result<uint32_t> mode = parse_mode(text.substr(blank + 1));
    if (!mode.ok()) return Error{mode.error()};
    address.value().mode = mode.value();
    return address;
}

Result<Server> parse_server(std::string_view text) {
    if (Status plain = check_no_url(text); !plain.ok()) return Error{plain.error()};
    Server server;
    const size_t blank = std::min(text.find(' '), text.size());
    if (blank < text.size()) {
        const std::string_view name = text.substr(blank + 1);
        const Status status = check_name("the server's name", name);
        if (!status.ok()) return Error{status.error()};
        server.name = std::string(name);
    }
    const std::string_view where = text.substr(0, blank);
    if (where.empty() || std::ranges::any_of(where, is_blank_or_control)) {
        return Error{"a server is written host:port:weight name, or /path:weight name: " +
                     quoted(text) + " is not"};
    }
    const Status status = where.starts_with('/') ? parse_path_server(where, server)
                                                 : parse_host_server(where, server);
    if (!status.ok()) return Error{status.error()};
    return server;
}

}  // namespace ringmain::config
