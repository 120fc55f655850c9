#include "ringmain/config/options.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "address.h"

namespace ringmain::config {

namespace {

constexpr int64_t kib = 1024;
constexpr int64_t mib = kib * 1024;
constexpr int64_t gib = mib * 1024;
constexpr int64_t second = 1000;
constexpr int64_t hour = 3600 * second;
constexpr int64_t longest = 596 * hour;  // what twemproxy's 32 bits of milliseconds hold
constexpr int64_t int32_max = INT32_MAX;

// The struct in `target` that has the member.
template <class Owner>
Owner& owner_of(const Target& target) {
    if constexpr (std::is_same_v<Owner, Proxy>) return *target.proxy;
    if constexpr (std::is_same_v<Owner, Stats>) return *target.stats;
    if constexpr (std::is_same_v<Owner, Admin>) return *target.admin;
    if constexpr (std::is_same_v<Owner, Pool>) return *target.pool;
    if constexpr (std::is_same_v<Owner, Server>) return *target.server;
}

template <class T>
void put(T& field, const Value& value) {
    if constexpr (std::is_same_v<T, std::string>) {
        field = value.text;
    } else if constexpr (std::is_same_v<T, Address>) {
        field = value.address;
    } else if constexpr (std::is_same_v<T, bool>) {
        field = value.number != 0;
    } else if constexpr (std::is_same_v<T, int64_t>) {
        field = value.number;
    } else {
        field = static_cast<T>(value.number);
    }
}

template <class T>
Value take(const T& field) {
    Value value;
    if constexpr (std::is_same_v<T, std::string>) {
        value.text = field;
    } else if constexpr (std::is_same_v<T, Address>) {
        value.address = field;
    } else if constexpr (std::is_same_v<T, int64_t>) {
        value.number = field;
    } else {
        value.number = static_cast<int64_t>(field);
    }
    return value;
}

template <class Owner, class T>
Owner owner_type(T Owner::*);

template <auto Member>
void store(const Target& target, const Value& value) {
    put(owner_of<decltype(owner_type(Member))>(target).*Member, value);
}

template <auto Member>
Value fetch(const Target& target) {
    return take(owner_of<decltype(owner_type(Member))>(target).*Member);
}

template <auto Member>
void store_placement(const Target& target, const Value& value) {
    put(target.pool->placement.*Member, value);
}

template <auto Member>
Value fetch_placement(const Target& target) {
    return take(target.pool->placement.*Member);
}

std::span<const std::string_view> protocol_names() {
    static constexpr std::array<std::string_view, 2> names = {"redis", "memcached"};
    return names;
}

std::span<const std::string_view> unknown_commands_names() {
    static constexpr std::array<std::string_view, 2> names = {"first-key", "refuse"};
    return names;
}

std::span<const std::string_view> log_level_names() {
    static constexpr std::array<std::string_view, 5> names = {
        "error", "warning", "notice", "info", "debug"};
    return names;
}

constexpr std::array table = {
    Option{.section = Section::Proxy,
           .name = "workers",
           .type = Type::IntegerOrAuto,
           .min = 1,
           .max = 256,
           .store = store<&Proxy::workers>,
           .fetch = fetch<&Proxy::workers>,
           .help = "threads that serve, each with its own ring, memory and server connections",
           .doc = "\"auto\" is one for each CPU that the process may use. They share nothing: with "
                  "N workers a server sees N times server_connections.",
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "cpu_affinity",
           .type = Type::String,
           .max = 4096,
           .store = store<&Proxy::cpu_affinity>,
           .fetch = fetch<&Proxy::cpu_affinity>,
           .example = "\"0,2-5\"",
           .help = "CPUs to pin the workers to, one each in turn",
           .doc = "A list such as \"0,2-5\", or \"auto\" for those that the process may use. Left "
                  "out, the kernel chooses.",
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "buffer_memory",
           .type = Type::Size,
           .min = 16 * mib,
           .max = 1024 * gib,
           .store = store<&Proxy::buffer_memory>,
           .fetch = fetch<&Proxy::buffer_memory>,
           .help = "most memory that one worker may use for bytes on their way",
           .doc =
               "Address space is reserved at start, memory is used on demand and given back. When "
               "it runs low, the client that holds most of it is closed; what does not fit is "
               "refused with an error.",
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "ring_entries",
           .type = Type::Integer,
           .min = 64,
           .max = 32768,
           .store = store<&Proxy::ring_entries>,
           .fetch = fetch<&Proxy::ring_entries>,
           .help = "submissions that a worker's ring holds",
           .power_of_two = true,
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "receive_buffers",
           .type = Type::Integer,
           .min = 16,
           .max = 32768,
           .store = store<&Proxy::receive_buffers>,
           .fetch = fetch<&Proxy::receive_buffers>,
           .help = "buffers of 16 KiB that the kernel holds ready for each worker",
           .power_of_two = true,
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "client_connections",
           .type = Type::Integer,
           .max = 10'000'000,
           .store = store<&Proxy::client_connections>,
           .fetch = fetch<&Proxy::client_connections>,
           .help = "most client connections of the process; 0: no limit but the descriptors'"},
    Option{.section = Section::Proxy,
           .name = "log_level",
           .type = Type::Enum,
           .names = log_level_names,
           .store = store<&Proxy::log_level>,
           .fetch = fetch<&Proxy::log_level>,
           .help = "how much the log says",
           .doc = "-v on the command line goes before it; the signals TTIN and TTOU change it."},
    Option{.section = Section::Proxy,
           .name = "log_file",
           .type = Type::String,
           .min = 1,
           .max = 4095,
           .store = store<&Proxy::log_file>,
           .fetch = fetch<&Proxy::log_file>,
           .example = "\"/var/log/ringmain.log\"",
           .help = "where the log goes; left out: standard error",
           .doc = "-o on the command line goes before it. HUP and USR1 open it anew."},
    Option{.section = Section::Proxy,
           .name = "pid_file",
           .type = Type::String,
           .min = 1,
           .max = 4095,
           .store = store<&Proxy::pid_file>,
           .fetch = fetch<&Proxy::pid_file>,
           .example = "\"/run/ringmain.pid\"",
           .help = "where the process id is written; left out: nowhere",
           .doc = "-p on the command line goes before it.",
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "shutdown_timeout",
           .type = Type::Duration,
           .max = hour,
           .store = store<&Proxy::shutdown_timeout_ms>,
           .fetch = fetch<&Proxy::shutdown_timeout_ms>,
           .help = "how long requests in flight may take after TERM or INT",
           .doc = "A second signal stops at once."},

    Option{.section = Section::Stats,
           .name = "listen",
           .type = Type::Listen,
           .store = store<&Stats::listen>,
           .fetch = fetch<&Stats::listen>,
           .example = "\"127.0.0.1:22222\"",
           .help = "port of the JSON that twemproxy's tools read; left out: no such port",
           .doc = "Pushed on connect, one line, then closed.",
           .fixed = true},
    Option{.section = Section::Stats,
           .name = "interval",
           .type = Type::Duration,
           .min = 100,
           .max = hour,
           .store = store<&Stats::interval_ms>,
           .fetch = fetch<&Stats::interval_ms>,
           .help = "how often the snapshot is taken"},
    Option{.section = Section::Stats,
           .name = "slow_log_threshold",
           .type = Type::Duration,
           .max = hour,
           .store = store<&Stats::slow_log_threshold_ms>,
           .fetch = fetch<&Stats::slow_log_threshold_ms>,
           .help = "a request that takes longer is noted in the slow log; 0: none is",
           .doc = "With its command, the beginning of its key, its client, its server and where "
                  "the time went: /slowlog of the admin port."},
    Option{.section = Section::Stats,
           .name = "slow_log_size",
           .type = Type::Integer,
           .min = 1,
           .max = 10'000,
           .store = store<&Stats::slow_log_size>,
           .fetch = fetch<&Stats::slow_log_size>,
           .help = "slow requests that are kept: that many of the latest, and the slowest of all",
           .fixed = true},

    Option{.section = Section::Admin,
           .name = "listen",
           .type = Type::Listen,
           .store = store<&Admin::listen>,
           .fetch = fetch<&Admin::listen>,
           .example = "\"127.0.0.1:9290\"",
           .help = "port of /metrics, /stats.json and a status page; left out: no such port",
           .doc = "HTTP/1.1: also /healthz, /readyz, /slowlog and /config. It shows names and "
                  "addresses, never passwords; keep it off public networks.",
           .fixed = true},

    Option{.section = Section::Pool,
           .name = "listen",
           .type = Type::Listen,
           .store = store<&Pool::listen>,
           .fetch = fetch<&Pool::listen>,
           .example = "\"127.0.0.1:22121\"",
           .help = "where clients connect",
           .doc = "host:port, [ipv6]:port, or the path of a unix socket, with its mode in octal if "
                  "need be: \"/run/ringmain.sock 0660\".",
           .required = true},
    Option{.section = Section::Pool,
           .name = "servers",
           .type = Type::Servers,
           .example = "[\n"
                      "    \"127.0.0.1:7101:1 redis1\",\n"
                      "    { address = \"127.0.0.1:7102\", weight = 1, name = \"redis2\" },\n"
                      "    \"127.0.0.1:7103:1 redis3\",\n"
                      "]",
           .help = "the servers that share the keys",
           .doc =
               "twemproxy's spelling, \"host:port:weight name\", or a table. The weight may be "
               "left out (1), and so may the name (then the address is the server's place on the "
               "ring: with a name, a server can move without moving keys). A unix socket is "
               "\"/run/redis/a.sock:1 cache3\", an IPv6 address stands in brackets.",
           .required = true},
    Option{.section = Section::Pool,
           .name = "protocol",
           .type = Type::Enum,
           .names = protocol_names,
           .store = store<&Pool::protocol>,
           .fetch = fetch<&Pool::protocol>,
           .help = "what clients and servers speak"},
    Option{.section = Section::Pool,
           .name = "hash",
           .type = Type::Enum,
           .names = placement::hash_names,
           .store = store_placement<&placement::Options::hash>,
           .fetch = fetch_placement<&placement::Options::hash>,
           .help = "how a key becomes a number",
           .doc = "The first twelve are twemproxy's, bit for bit. For a new pool murmur, md5 and "
                  "xxh3 spread short keys better than fnv1a_64; crc32 has 15 bits and needs "
                  "distribution modula."},
    Option{.section = Section::Pool,
           .name = "distribution",
           .type = Type::Enum,
           .names = placement::distribution_names,
           .store = store_placement<&placement::Options::distribution>,
           .fetch = fetch_placement<&placement::Options::distribution>,
           .help = "how that number chooses a server",
           .doc =
               "ketama, modula and random are twemproxy's, bit for bit. With modula nearly every "
               "key moves when a server is added; with random a key has no place at all."},
    Option{.section = Section::Pool,
           .name = "hash_tag",
           .type = Type::String,
           .min = 2,
           .max = 2,
           .store = store_placement<&placement::Options::hash_tag>,
           .fetch = fetch_placement<&placement::Options::hash_tag>,
           .example = "\"{}\"",
           .help = "two characters; only what stands between them in a key is hashed",
           .doc = "With \"{}\" the keys user:{7}:name and user:{7}:mail live on one server. Left "
                  "out: the whole key counts."},
    Option{.section = Section::Pool,
           .name = "timeout",
           .type = Type::Duration,
           .max = longest,
           .store = store<&Pool::timeout_ms>,
           .fetch = fetch<&Pool::timeout_ms>,
           .help = "how long a server may take to answer; 0: for ever",
           .doc = "Beyond it the client gets an error."},
    Option{.section = Section::Pool,
           .name = "connect_timeout",
           .type = Type::Duration,
           .min = 1,
           .max = hour,
           .store = store<&Pool::connect_timeout_ms>,
           .fetch = fetch<&Pool::connect_timeout_ms>,
           .help = "how long connecting to a server may take"},
    Option{.section = Section::Pool,
           .name = "late_connection_timeout",
           .type = Type::Duration,
           .max = longest,
           .store = store<&Pool::late_connection_timeout_ms>,
           .fetch = fetch<&Pool::late_connection_timeout_ms>,
           .help = "how long a server's oldest request may stay unanswered until the connection is "
                   "replaced; 0: four times timeout",
           .doc = "Until then each request has its own timeout, and an answer that comes late is "
                  "dropped; then all that wait on the connection get an error."},
    Option{.section = Section::Pool,
           .name = "client_idle_timeout",
           .type = Type::Duration,
           .max = longest,
           .store = store<&Pool::client_idle_timeout_ms>,
           .fetch = fetch<&Pool::client_idle_timeout_ms>,
           .help = "how long a client may say nothing until it is closed; 0: for ever",
           .doc = "A client that waits for an answer is not idle."},
    Option{.section = Section::Pool,
           .name = "backlog",
           .type = Type::Integer,
           .min = 1,
           .max = int32_max,
           .store = store<&Pool::backlog>,
           .fetch = fetch<&Pool::backlog>,
           .help = "connections that wait to be accepted",
           .doc = "The kernel caps it at net.core.somaxconn."},
    Option{.section = Section::Pool,
           .name = "client_connections",
           .type = Type::Integer,
           .max = 10'000'000,
           .store = store<&Pool::client_connections>,
           .fetch = fetch<&Pool::client_connections>,
           .help = "most client connections of the pool; 0: no limit but the process's",
           .doc = "Divided among the workers: each takes its share and no more."},
    Option{.section = Section::Pool,
           .name = "tcpkeepalive",
           .type = Type::Boolean,
           .store = store<&Pool::tcp_keepalive>,
           .fetch = fetch<&Pool::tcp_keepalive>,
           .help = "ask idle peers, clients and servers, whether they are still there"},
    Option{.section = Section::Pool,
           .name = "preconnect",
           .type = Type::Boolean,
           .store = store<&Pool::preconnect>,
           .fetch = fetch<&Pool::preconnect>,
           .help = "connect to the servers at start, not at the first request"},
    Option{.section = Section::Pool,
           .name = "server_connections",
           .type = Type::Integer,
           .min = 1,
           .max = 512,
           .store = store<&Pool::server_connections>,
           .fetch = fetch<&Pool::server_connections>,
           .help = "connections to each server, per worker",
           .doc = "A client stays on one of them: its requests keep their order."},
    Option{.section = Section::Pool,
           .name = "unknown_commands",
           .type = Type::Enum,
           .names = unknown_commands_names,
           .store = store<&Pool::unknown_commands>,
           .fetch = fetch<&Pool::unknown_commands>,
           .help = "what to do with a command that is not in ringmain's table",
           .doc = "first-key sends it to the server of its first argument (modules, later versions "
                  "of redis); refuse answers with an error.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "auto_eject_hosts",
           .type = Type::Boolean,
           .store = store<&Pool::auto_eject_hosts>,
           .fetch = fetch<&Pool::auto_eject_hosts>,
           .help = "take a failing server off the ring, and its keys to the others",
           .doc = "For caches only: what was written to another server meanwhile is not found "
                  "again. Without it a failing server's requests fail at once."},
    Option{.section = Section::Pool,
           .name = "server_retry_timeout",
           .type = Type::Duration,
           .min = 1,
           .max = longest,
           .store = store<&Pool::server_retry_timeout_ms>,
           .fetch = fetch<&Pool::server_retry_timeout_ms>,
           .help = "how long an ejected server stays away",
           .doc = "Then it is probed: PING or version, with AUTH and SELECT as always. It comes "
                  "back when it answers; the next probes follow after an eighth of this time, "
                  "doubled up to all of it."},
    Option{.section = Section::Pool,
           .name = "server_failure_limit",
           .type = Type::Integer,
           .min = 1,
           .max = 1'000'000,
           .store = store<&Pool::server_failure_limit>,
           .fetch = fetch<&Pool::server_failure_limit>,
           .help = "failures in a row after which a server is ejected",
           .doc = "Refused or lost connections and requests that were not answered in time. What "
                  "one event takes with it is one failure; that a server closes an idle "
                  "connection is none, and neither is an answer, whatever it says."},
    Option{.section = Section::Pool,
           .name = "eject_on_loading",
           .type = Type::Boolean,
           .store = store<&Pool::eject_on_loading>,
           .fetch = fetch<&Pool::eject_on_loading>,
           .help = "count the answer -LOADING as a failure",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "health_check_interval",
           .type = Type::Duration,
           .max = longest,
           .store = store<&Pool::health_check_interval_ms>,
           .fetch = fetch<&Pool::health_check_interval_ms>,
           .help = "how often a server that is in is probed; 0: never",
           .doc = "On a connection of its own, by one worker. What it finds counts as what a "
                  "request would have found."},
    Option{.section = Section::Pool,
           .name = "slow_start",
           .type = Type::Duration,
           .max = longest,
           .store = store<&Pool::slow_start_ms>,
           .fetch = fetch<&Pool::slow_start_ms>,
           .help = "how long a server that came back takes to have all its keys again; 0: no time",
           .doc = "Its share grows from none to all; the other keys stay where they were while it "
                  "was out. With 0, keys live where twemproxy has them at every moment."},
    Option{.section = Section::Pool,
           .name = "redis_auth",
           .type = Type::String,
           .min = 1,
           .max = 16384,  // what redis takes before AUTH
           .store = store<&Pool::redis_auth>,
           .fetch = fetch<&Pool::redis_auth>,
           .example = "\"secret\"",
           .help = "password that clients must present and that servers are given",
           .doc = "Any text, any bytes. It is never printed.",
           .redis_only = true,
           .secret = true},
    Option{.section = Section::Pool,
           .name = "redis_db",
           .type = Type::Integer,
           .max = int32_max,
           .store = store<&Pool::redis_db>,
           .fetch = fetch<&Pool::redis_db>,
           .help = "database of the servers that holds the pool's keys",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "request_size_max",
           .type = Type::Size,
           .min = 64 * kib,
           .max = 2 * gib,
           .store = store<&Pool::request_size_max>,
           .fetch = fetch<&Pool::request_size_max>,
           .help = "largest request of a client, of memcached its value; beyond it: an error"},
    Option{.section = Section::Pool,
           .name = "request_arguments_max",
           .type = Type::Integer,
           .min = 16,
           .max = int32_max,
           .store = store<&Pool::request_arguments_max>,
           .fetch = fetch<&Pool::request_arguments_max>,
           .help = "most arguments of a request; beyond it: an error, and the connection is closed",
           .doc = "What redis has, unless set.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "server_queue_max",
           .type = Type::Integer,
           .max = 1'000'000,
           .store = store<&Pool::server_queue_max>,
           .fetch = fetch<&Pool::server_queue_max>,
           .help = "requests that may wait for one connection to a server, sent or not; 0: no "
                   "limit",
           .doc = "Beyond it a request gets an error at once."},
    Option{.section = Section::Pool,
           .name = "server_queue_size_max",
           .type = Type::Size,
           .max = 64 * gib,
           .store = store<&Pool::server_queue_size_max>,
           .fetch = fetch<&Pool::server_queue_size_max>,
           .help = "bytes that may wait to be sent on one connection to a server; 0: an eighth of "
                   "buffer_memory",
           .doc = "Beyond it a request gets an error at once. One request of any size may wait "
                  "alone."},
    Option{.section = Section::Pool,
           .name = "key_size_max",
           .type = Type::Size,
           .min = 1,
           .max = 512 * mib,
           .store = store<&Pool::key_size_max>,
           .fetch = fetch<&Pool::key_size_max>,
           .help = "longest key; beyond it the client gets an error",
           .doc = "For memcached it is 250 bytes, as the servers have it.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "requests_in_flight_max",
           .type = Type::Integer,
           .min = 1,
           .max = 1'000'000,
           .store = store<&Pool::requests_in_flight_max>,
           .fetch = fetch<&Pool::requests_in_flight_max>,
           .help = "requests of one client that wait for answers; then it is not read from"},
    Option{.section = Section::Pool,
           .name = "output_pause_size",
           .type = Type::Size,
           .min = 16 * kib,
           .max = 2 * gib,
           .store = store<&Pool::output_pause_size>,
           .fetch = fetch<&Pool::output_pause_size>,
           .help = "answers of one client that wait to be sent; then it is not read from"},
    Option{.section = Section::Pool,
           .name = "client_output_limit",
           .type = Type::Size,
           .max = 1024 * gib,
           .store = store<&Pool::client_output_limit>,
           .fetch = fetch<&Pool::client_output_limit>,
           .help = "answers of one client that wait to be sent; then it is closed; 0: no limit",
           .doc = "For clients that ask for much before the first answer is there. The largest of "
                  "the answers does not count: one may be as large as it likes."},
    Option{.section = Section::Pool,
           .name = "client_output_timeout",
           .type = Type::Duration,
           .max = longest,
           .store = store<&Pool::client_output_timeout_ms>,
           .fetch = fetch<&Pool::client_output_timeout_ms>,
           .help = "how long a client may take no byte of what waits for it; then it is closed; "
                   "0: for ever"},

    Option{.section = Section::Server,
           .name = "address",
           .type = Type::Address,
           .store = store<&Server::address>,
           .fetch = fetch<&Server::address>,
           .example = "\"127.0.0.1:6379\"",
           .help = "host:port, [ipv6]:port, or the path of a unix socket",
           .required = true},
    Option{.section = Section::Server,
           .name = "weight",
           .type = Type::Integer,
           .min = 1,
           .max = weight_max,
           .store = store<&Server::weight>,
           .fetch = fetch<&Server::weight>,
           .help = "its share of the keys, beside the other servers' weights"},
    Option{.section = Section::Server,
           .name = "name",
           .type = Type::String,
           .min = 1,
           .max = name_size_max,
           .store = store<&Server::name>,
           .fetch = fetch<&Server::name>,
           .example = "\"cache1\"",
           .help = "its place on the ring; left out: its address"},
};

}  // namespace

std::span<const Option> options() {
    return table;
}

const Option* find_option(Section section, std::string_view name) {
    const auto* found = std::ranges::find_if(table, [&](const Option& option) {
        return option.section == section && option.name == name;
    });
    return found == table.end() ? nullptr : found;
}

std::vector<std::string_view> option_names(Section section) {
    std::vector<std::string_view> names;
    for (const Option& option : table) {
        if (option.section == section) names.push_back(option.name);
    }
    return names;
}

}  // namespace ringmain::config
