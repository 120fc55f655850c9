#include "ringmain/config/migrate.h"

#include "ringmain/base/ascii.h"
#include "ringmain/config/file.h"
#include "ringmain/config/load.h"
#include "ringmain/config/options.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "address.h"
#include "findings.h"
#include "scan.h"
#include "units.h"
#include "value.h"
#include "words.h"
#include "yaml_pools.h"

namespace ringmain::config {

namespace {

constexpr uint16_t memcached_port = 11211;

// twemproxy's directives in the order in which they are written, with its default in TOML; empty
// where there is none, or where a function of its own writes the line.
struct Directive {
    std::string_view name;
    Node::Kind kind;
    std::string_view default_value;
};

constexpr std::array directives = {
    Directive{"listen", Node::Kind::String, {}},
    Directive{"redis", Node::Kind::Boolean, {}},
    Directive{"hash", Node::Kind::String, "\"fnv1a_64\""},
    Directive{"distribution", Node::Kind::String, "\"ketama\""},
    Directive{"hash_tag", Node::Kind::String, {}},
    Directive{"timeout", Node::Kind::Integer, {}},
    Directive{"backlog", Node::Kind::Integer, "512"},
    Directive{"client_connections", Node::Kind::Integer, {}},
    Directive{"tcpkeepalive", Node::Kind::Boolean, "false"},
    Directive{"reuseport", Node::Kind::Boolean, {}},
    Directive{"preconnect", Node::Kind::Boolean, "false"},
    Directive{"server_connections", Node::Kind::Integer, "1"},
    Directive{"auto_eject_hosts", Node::Kind::Boolean, "false"},
    Directive{"server_retry_timeout", Node::Kind::Integer, "30000"},
    Directive{"server_failure_limit", Node::Kind::Integer, "2"},
    Directive{"redis_auth", Node::Kind::String, {}},
    Directive{"redis_db", Node::Kind::Integer, {}},
    Directive{"servers", Node::Kind::Array, {}},
};

std::string toml_key(std::string_view text) {
    const bool needs_quotes = text.empty() || !std::ranges::all_of(text, is_bare);
    return needs_quotes ? toml_text(text) : std::string(text);
}

// An IPv6 address gets the brackets that twemproxy does without.
std::string bracketed(std::string_view host) {
    const bool is_bare_ipv6 = host.find(':') != std::string_view::npos && !host.starts_with('[');
    return is_bare_ipv6 ? "[" + std::string(host) + "]" : std::string(host);
}

// As strtol(3) reads it for twemproxy, behind white space: the octal digits that it begins with,
// none of them is 0. Nothing where that is more than 0777, or less than 0: twemproxy refuses it.
std::optional<uint32_t> twemproxy_mode(std::string_view text) {
    text = text.substr(std::min(text.find_first_not_of("\t\n\v\f\r"), text.size()));
    const bool is_negative = text.starts_with('-');
    if (is_negative || text.starts_with('+')) text.remove_prefix(1);
    uint32_t mode = 0;
    for (const char byte : text) {
        if (byte < '0' || byte > '7') break;
        mode = mode * 8 + static_cast<uint32_t>(byte - '0');
        if (mode > 0777) return std::nullopt;
    }
    if (is_negative && mode > 0) return std::nullopt;
    return mode;
}

class PoolWriter {
  public:
    PoolWriter(const YamlPool& pool, Findings& findings, std::string& out)
        : pool_(&pool), findings_(&findings), out_(&out) {}

    void run() {
        const Status status = check_name("the pool's name", pool_->name.text);
        if (!status.ok()) findings_->error(pool_->name.place, status.error());
        check_directives();
        *out_ += "\n[pool." + toml_key(pool_->name.text) + "]\n";
        for (const Directive& directive : directives) {
            write(directive, find(directive.name));
        }
    }

    // Where clients connect, once it is known.
    [[nodiscard]] const std::string& listen() const { return listen_; }

    [[nodiscard]] Place listen_place() const {
        const YamlDirective* found = find("listen");
        return found == nullptr ? pool_->name.place : found->value.place;
    }

  private:
    [[nodiscard]] const YamlDirective* find(std::string_view name) const {
        for (const YamlDirective& directive : pool_->directives) {
            if (directive.key.text == name) return &directive;
        }
        return nullptr;
    }

    void check_directives() {
        std::vector<std::string_view> names;
        names.reserve(directives.size());
        for (const Directive& directive : directives) {
            names.push_back(directive.name);
        }
        std::set<std::string_view> seen;
        for (const YamlDirective& directive : pool_->directives) {
            if (findings_->full()) return;
            const std::string_view key = directive.key.text;
            if (std::ranges::find(names, key) == names.end()) {
                error(directive.key,
                      "twemproxy has no directive " + quoted(key) + did_you_mean(key, names));
            } else if (!seen.insert(key).second) {
                error(directive.key,
                      quoted(key) + " is set twice in pool " + quoted(pool_->name.text));
            } else if (directive.is_list != (key == "servers")) {
                error(directive.key,
                      quoted(key) + (directive.is_list ? " takes one value, not a list"
                                                       : " must be a list of servers"));
            }
        }
    }

    void write(const Directive& directive, const YamlDirective* given) {
        const std::string_view name = directive.name;
        if (given != nullptr && given->is_list != (directive.kind == Node::Kind::Array)) return;
        if (name == "listen") return write_listen(given);
        if (name == "servers") return write_servers(given);
        const std::optional<Node> value =
            given == nullptr ? std::nullopt : node_of(directive, *given);
        if (given != nullptr && !value) return;
        if (name == "redis") {
            is_redis_ = value && value->integer != 0;
            return line("protocol", is_redis_ ? "\"redis\"" : "\"memcached\"");
        }
        if (name == "timeout") return write_timeout(given, value);
        if (name == "client_connections") return write_client_connections(value);
        if (name == "reuseport") {
            if (value) comment("reuseport is gone: every worker has a listener of its own.");
            return;
        }
        if (given == nullptr) {
            if (!directive.default_value.empty()) line(name, directive.default_value);
            return;
        }
        if (name == "redis_auth" || name == "redis_db") {
            if (!is_redis_) return write_redis_only(name, *given, *value);
        }
        write_option(name, *given, *value);
    }

    // The same bounds as for the TOML file, told at the line of the YAML file.
    void write_option(std::string_view name, const YamlDirective& given, Node node) {
        const Option* option = find_option(Section::Pool, name);
        RM_ASSERT(option != nullptr);
        const bool zero_is_one =
            name == "server_failure_limit" || name == "backlog" || name == "server_retry_timeout";
        if (node.kind == Node::Kind::Integer && node.integer == 0 && zero_is_one) {
            comment("twemproxy allows 0 here; the least that means something is 1.");
            node.integer = 1;
        }
        if (node.kind == Node::Kind::Integer && node.integer > option->max) {
            comment("twemproxy has " + std::to_string(node.integer) + " here; " +
                    (name == "server_connections" ? "each worker has at most " : "the most is ") +
                    std::to_string(option->max) + ".");
            node.integer = option->max;
        }
        const Result<Value> value = read_value(*option, node);
        if (!value.ok()) return error(option->secret ? given.key : given.value, value.error());
        if (node.kind == Node::Kind::String) return line(name, toml_text(node.text));
        if (node.kind == Node::Kind::Integer) return line(name, std::to_string(node.integer));
        line(name, node.integer != 0 ? "true" : "false");
    }

    // twemproxy takes "true", "false" and plain digits, nothing else.
    std::optional<Node> node_of(const Directive& directive, const YamlDirective& given) {
        const std::string& text = given.value.text;
        Node node;
        node.kind = directive.kind;
        node.text = text;
        if (directive.kind == Node::Kind::Boolean) {
            if (text != "true" && text != "false") {
                error(given.value,
                      "'" + given.key.text + "' must be true or false, not " + quoted(text));
                return std::nullopt;
            }
            node.integer = text == "true" ? 1 : 0;
        } else if (directive.kind == Node::Kind::Integer) {
            const std::optional<uint64_t> number = ascii::parse_uint64(text);
            if (!number || *number > INT32_MAX) {
                error(given.value,
                      "'" + given.key.text + "' must be a number from 0 to 2147483647, not " +
                          quoted(text));
                return std::nullopt;
            }
            node.integer = static_cast<int64_t>(*number);
        }
        return node;
    }

    void write_timeout(const YamlDirective* given, const std::optional<Node>& value) {
        if (value && value->integer > 0) {
            write_option("timeout", *given, *value);
            if (value->integer <= Pool{}.connect_timeout_ms) return;
            comment("With twemproxy connecting may take all of that time.");
            return write_option("connect_timeout", *given, *value);
        }
        comment("twemproxy waits for ever unless told otherwise; its own notes recommend 400.");
        line("timeout", "0");
        comment("New: connecting has a limit of its own.");
        line("connect_timeout", std::to_string(Pool{}.connect_timeout_ms));
    }

    void write_client_connections(const std::optional<Node>& value) {
        if (value && value->integer > 0) {
            comment("twemproxy reads client_connections: " + std::to_string(value->integer) +
                    " and ignores it. Here the limit works; to have it, write the number.");
        }
        line("client_connections", "0");
    }

    void write_redis_only(std::string_view name, const YamlDirective& given, const Node& node) {
        if (name == "redis_auth") {
            return error(given.key,
                         "'redis_auth' is for redis pools, and pool " + quoted(pool_->name.text) +
                             " lacks 'redis: true'");
        }
        comment("redis_db: " + std::to_string(node.integer) +
                " is left out: it means nothing to memcached.");
    }

    void write_listen(const YamlDirective* given) {
        if (given == nullptr && !pool_->is_whole) return;
        if (given == nullptr) {
            return findings_->error(pool_->name.place,
                                    "'listen' is missing in pool " + quoted(pool_->name.text));
        }
        std::string text = given->value.text;
        const size_t colon = text.rfind(':');
        if (!text.starts_with('/') && colon != std::string::npos) {
            text = bracketed(std::string_view(text).substr(0, colon)) + text.substr(colon);
        }
        Result<Address> address = parse_listen(text);
        const size_t blank = text.rfind(' ');
        if (!address.ok() && text.starts_with('/') && blank != std::string::npos) {
            const std::string words = text.substr(blank + 1);
            const std::optional<uint32_t> mode = twemproxy_mode(words);
            if (!mode.has_value()) return error(given->value, "listen: " + address.error());
            text.resize(blank);
            comment("twemproxy reads the mode " + quoted(words) + " as " +
                    (*mode == 0 ? "no mode at all; so it is left out." : mode_text(*mode) + "."));
            if (*mode != 0) text += " " + mode_text(*mode);
            address = parse_listen(text);
        }
        if (!address.ok()) return error(given->value, "listen: " + address.error());
        listen_ = address.value().text();
        line("listen", toml_text(text));
    }

    void write_servers(const YamlDirective* given) {
        if (given == nullptr && !pool_->is_whole) return;
        if (given == nullptr || given->items.empty()) {
            return findings_->error(given == nullptr ? pool_->name.place : given->key.place,
                                    "pool " + quoted(pool_->name.text) + " has no servers");
        }
        *out_ += "servers = [\n";
        std::set<std::string> names;
        for (const YamlScalar& item : given->items) {
            const Result<Server> server = server_of(item.text);
            if (!server.ok()) {
                error(item, "servers: " + server.error());
                continue;
            }
            const std::string& ring_name = server.value().ring_name;
            if (!names.insert(ring_name).second) {
                error(item,
                      "two servers have the name " + quoted(ring_name) + " in pool " +
                          quoted(pool_->name.text));
            }
            const std::string& name = server.value().name;
            *out_ += "    " +
                     toml_text(server.value().address.text() + ":" +
                               std::to_string(server.value().weight) +
                               (name.empty() ? "" : " " + name)) +
                     ",\n";
        }
        *out_ += "]\n";
    }

    // twemproxy reads a server from its end: the name behind the last blank, the weight and the
    // port behind the last colons. What is in front is the host, whatever it looks like.
    [[nodiscard]] static Result<Server> server_of(std::string_view text) {
        if (Status plain = check_no_url(text); !plain.ok()) return Error{plain.error()};
        const size_t blank = text.rfind(' ');
        std::string_view name;
        const std::string_view whole = text;
        if (blank != std::string_view::npos) {
            name = text.substr(blank + 1);
            text = text.substr(0, blank);
        }
        const size_t weight_colon = text.rfind(':');
        const std::string_view where = text.substr(0, weight_colon);
        const size_t port_colon = where.rfind(':');
        const bool is_path = where.starts_with('/');
        const bool has_parts = weight_colon != std::string_view::npos &&
                               (is_path || port_colon != std::string_view::npos);
        if (!has_parts || text.find(' ') != std::string_view::npos) {
            return Error{"a server is written host:port:weight name, or /path:weight name: " +
                         quoted(whole) + " is not" + (has_parts ? "; a name has no blanks" : "")};
        }
        const std::string_view weight = text.substr(weight_colon);
        std::string twemproxy_name(name);
        std::string line(where);
        if (!is_path) {
            const std::string_view host = where.substr(0, port_colon);
            const std::string_view port = where.substr(port_colon + 1);
            line = bracketed(host) + ":" + std::string(port);
            if (name.empty()) {
                twemproxy_name = ascii::parse_uint64(port) == memcached_port ? host : where;
            }
        } else if (name.empty()) {
            twemproxy_name = std::string(where) + ":";
        }
        Result<Server> server = parse_server(line + std::string(weight));
        if (!server.ok()) return server;
        keep_name(name, twemproxy_name, server.value());
        const Status status = check_name("the server's name", server.value().ring_name);
        if (!status.ok()) {
            return Error{status.error() +
                         "; its name is its place on the ring: another one moves its keys"};
        }
        return server;
    }

    // A name is written only where there was one, or where the address alone would give another
    // (a port such as 06379, an IPv6 address in brackets).
    static void keep_name(std::string_view given,
                          const std::string& twemproxy_name,
                          Server& server) {
        const Address& address = server.address;
        const std::string own =
            placement::ring_name({}, address.is_path() ? address.path : address.host, address.port);
        server.ring_name = twemproxy_name;
        if (!given.empty() || own != twemproxy_name) server.name = twemproxy_name;
    }

    void error(const YamlScalar& where, std::string message) {
        findings_->error(where.place, std::move(message));
    }

    void line(std::string_view name, std::string_view value) {
        out_->append(name).append(" = ").append(value).append("\n");
    }

    void comment(const std::string& text) { out_->append("# ").append(text).append("\n"); }

    const YamlPool* pool_;
    Findings* findings_;
    std::string* out_;
    bool is_redis_ = false;
    std::string listen_;
};

std::string head(std::string_view file) {
    // quoted() leaves nothing that could end a comment.
    return "# Made from " + quoted(file) +
           "\n"
           "# by 'ringmain migrate'. twemproxy's defaults are written out, so that every pool "
           "behaves\n"
           "# as before and every key stays on its server. Lines to look at have a comment.\n"
           "#\n"
           "# What were options of the command line (-s -a -i) is a section here. twemproxy opened "
           "its\n"
           "# port on every interface; this one is for loopback.\n"
           "#[stats]\n"
           "#listen = \"127.0.0.1:22222\"\n"
           "#interval = \"30s\"\n";
}

// Where in the result what a pool became begins.
struct Written {
    size_t offset = 0;
    Place place;  // of the pool's name
};

// What was found in the result is told of the pool that it came from.
Place origin_of(uint32_t line, std::string_view toml, const std::vector<Written>& written) {
    size_t offset = 0;
    for (uint32_t i = 1; i < line; ++i) {
        offset = toml.find('\n', offset) + 1;
    }
    const auto behind = std::ranges::upper_bound(written, offset, {}, &Written::offset);
    return behind == written.begin() ? Place{} : std::prev(behind)->place;
}

std::string write_pools(const std::vector<YamlPool>& pools,
                        size_t head_size,
                        Findings& findings,
                        std::vector<Written>& written) {
    std::string out;
    std::map<std::string, std::string_view> listeners;
    std::set<std::string_view> names;
    for (const YamlPool& pool : pools) {
        if (findings.full()) break;
        if (!names.insert(pool.name.text).second) {
            findings.error(pool.name.place, "two pools have the name " + quoted(pool.name.text));
        }
        written.push_back({.offset = head_size + out.size(), .place = pool.name.place});
        PoolWriter writer(pool, findings, out);
        writer.run();
        if (writer.listen().empty()) continue;
        const auto [other, is_new] = listeners.emplace(writer.listen(), pool.name.text);
        if (is_new) continue;
        findings.error(writer.listen_place(),
                       "pools " + quoted(other->second) + " and " + quoted(pool.name.text) +
                           " both listen on " + quoted(writer.listen()));
    }
    return out;
}

}  // namespace

Migrated migrate(std::string_view yaml, std::string_view file) {
    Migrated migrated;
    Findings findings;
    if (yaml.size() > file_size_max) {
        findings.error({}, "the file is larger than 8 MiB, which no configuration is");
        migrated.diagnostics = std::move(findings.found());
        return migrated;
    }
    const std::vector<YamlPool> pools = read_yaml(yaml, migrated.diagnostics);
    std::string toml = head(file);
    std::vector<Written> written;
    toml += write_pools(pools, toml.size(), findings, written);
    if (pools.empty() && migrated.diagnostics.empty()) findings.error({}, "the file has no pools");

    const bool is_clean = migrated.diagnostics.empty() && findings.error_count() == 0;
    if (is_clean) {
        // What is left are relations between values, such as the sum of weights.
        const Loaded loaded = load(toml, "the result");
        for (const Diagnostic& diagnostic : loaded.diagnostics) {
            if (diagnostic.severity != Severity::Error) continue;
            findings.error(origin_of(diagnostic.place.line, toml, written), diagnostic.message);
        }
        if (loaded.accepted()) migrated.toml = std::move(toml);
    }
    std::ranges::move(findings.found(), std::back_inserter(migrated.diagnostics));
    return migrated;
}

}  // namespace ringmain::config
