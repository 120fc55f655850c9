// The options of a pool and of its servers.

#include <array>

#include "address.h"
#include "option_rows.h"

namespace ringmain::config {

namespace {

std::span<const std::string_view> protocol_names() {
    static constexpr std::array<std::string_view, 2> names = {"redis", "memcached"};
    return names;
}

std::span<const std::string_view> unknown_commands_names() {
    static constexpr std::array<std::string_view, 2> names = {"first-key", "refuse"};
    return names;
}

std::span<const std::string_view> cross_server_writes_names() {
    static constexpr std::array<std::string_view, 2> names = {"refuse", "emulate"};
    return names;
}

std::span<const std::string_view> channels_names() {
    static constexpr std::array<std::string_view, 2> names = {"placed", "everywhere"};
    return names;
}

constexpr std::array pool_table = {
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
           .help = "the servers that share the keys, at most 4096",
           .doc =
               "twemproxy's spelling, \"host:port:weight name\", or a table. The weight may be "
               "left out (1), and so may the name (then the address is the server's place on the "
               "ring: with a name, a server can move without moving keys). A unix socket is "
               "\"/run/redis/a.sock:1 cache3\", an IPv6 address stands in brackets. A table may "
               "have the user and password of that server besides: { address = "
               "\"127.0.0.1:7102\", user = \"ringmain\", password = \"secret\" }.",
           .required = true},
    Option{.section = Section::Pool,
           .name = "protocol",
           .type = Type::Enum,
           .names = protocol_names,
           .store = store<&Pool::protocol>,
           .fetch = fetch<&Pool::protocol>,
           .help = "what clients and servers speak",
           .doc = "Clients of memcached may speak text or binary, servers are spoken to in text."},
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
           .doc = "Beyond it the client gets an error. Where a connection has to be made first, it "
                  "begins anew when that is ready."},
    Option{.section = Section::Pool,
           .name = "connect_timeout",
           .type = Type::Duration,
           .min = 1,
           .max = hour,
           .store = store<&Pool::connect_timeout_ms>,
           .fetch = fetch<&Pool::connect_timeout_ms>,
           .help = "how long a server may take to accept a connection, and then to be ready",
           .doc = "The kernel sends what opens a connection again after 1 s: with less than that "
                  "and the way there one lost packet is a failure of the server."},
    Option{.section = Section::Pool,
           .name = "late_connection_timeout",
           .type = Type::Duration,
           .max = longest,
           .store = store<&Pool::late_connection_timeout_ms>,
           .fetch = fetch<&Pool::late_connection_timeout_ms>,
           .help = "how long a server's oldest request may stay unanswered until the connection is "
                   "closed; 0: four times timeout, and timeout + 20 ms at least",
           .doc = "Until then each request has its own timeout, an answer that comes late is "
                  "dropped, and new requests go to another connection; then all that wait get an "
                  "error. It holds where timeout = 0, too."},
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
           .doc = "Workers that accept at the same instant may each let one more in."},
    Option{.section = Section::Pool,
           .name = "tcpkeepalive",
           .type = Type::Boolean,
           .store = store<&Pool::tcp_keepalive>,
           .fetch = fetch<&Pool::tcp_keepalive>,
           .help = "ask idle peers, clients and servers, whether they are still there",
           .doc = "After a minute, and then three times in a minute: one that is gone without a "
                  "word is noticed within two."},
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
           .name = "cross_server_writes",
           .type = Type::Enum,
           .names = cross_server_writes_names,
           .store = store<&Pool::cross_server_writes>,
           .fetch = fetch<&Pool::cross_server_writes>,
           .help = "what to do with RENAME, COPY, SMOVE, SUNIONSTORE and the like between servers",
           .doc = "refuse answers with -CROSSSLOT; emulate does them in steps: the destination is "
                  "written first, then the source removed. Nothing is lost wherever that ends, but "
                  "others can see both meanwhile. `ringmain commands` says which.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "channels",
           .type = Type::Enum,
           .names = channels_names,
           .store = store<&Pool::channels>,
           .fetch = fetch<&Pool::channels>,
           .help = "where a channel that clients subscribe to is listened to",
           .doc = "placed is at the server that its name belongs to as a key would, where PUBLISH "
                  "goes; everywhere is at every server, for scripts and functions that publish: "
                  "theirs go out at the server of their keys. Then a server that is lost concerns "
                  "all channels, and each costs a subscription at every server.",
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
                  "was out. With 0, keys live where twemproxy has them at every moment. Of 50 "
                  "servers and more, those that come back within 100 us for each of them, or a "
                  "sixteenth of this time, begin together."},
    Option{.section = Section::Pool,
           .name = "redis_auth",
           .type = Type::String,
           .min = 1,
           .max = 16384,  // what redis takes before AUTH
           .store = store<&Pool::redis_auth>,
           .fetch = fetch<&Pool::redis_auth>,
           .example = "\"secret\"",
           .help = "password that clients must present and that servers are given",
           .doc = "Any text. It is never printed. A server may have a password of its "
                  "own.",
           .redis_only = true,
           .secret = true},
    Option{.section = Section::Pool,
           .name = "redis_user",
           .type = Type::String,
           .min = 1,
           .max = name_size_max,
           .store = store<&Pool::redis_user>,
           .fetch = fetch<&Pool::redis_user>,
           .example = "\"ringmain\"",
           .help = "user that servers are given with the password; left out: their default user",
           .doc = "For servers with ACLs. Clients know nothing of it: who they may be is in users. "
                  "What the user may not do on a server is refused by that server (-NOPERM).",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "users",
           .type = Type::Users,
           .example = "[{ name = \"reports\", password = \"secret\", access = \"read-only\", keys "
                      "= [\"shop:\"] }]",
           .help = "who may use the pool besides those that know redis_auth, and what they may do",
           .doc = "Each has a name, a password or password_sha256, and may have access "
                  "(\"read-write\" or \"read-only\"), keys (how its keys must begin) and commands "
                  "([\"-@dangerous\", \"+keys\"]): 'ringmain help options' tells all of them. With "
                  "users and without redis_auth, nobody else gets in.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "redis_db",
           .type = Type::Integer,
           .max = int32_max,
           .store = store<&Pool::redis_db>,
           .fetch = fetch<&Pool::redis_db>,
           .help = "database of the servers that clients use until they SELECT another",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "databases_max",
           .type = Type::Integer,
           .max = 65535,
           .store = store<&Pool::databases_max>,
           .fetch = fetch<&Pool::databases_max>,
           .help = "most databases besides redis_db that clients may have selected, per worker",
           .doc = "Each has connections of its own to the servers, made when they are needed and "
                  "while descriptors are left for them. 0: clients stay in redis_db.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "leases_max",
           .type = Type::Integer,
           .max = 1'000'000,
           .store = store<&Pool::leases_max>,
           .fetch = fetch<&Pool::leases_max>,
           .help = "most server connections that single clients hold, per worker",
           .doc = "A client holds one from WATCH to EXEC, DISCARD or UNWATCH, and while a command "
                  "such as BLPOP waits. Transactions without WATCH need none. Beyond it such "
                  "commands get an error; 0: they always do. Those that clients gave back are "
                  "kept for 30 s, within the same number, and make room when there is need. Fewer "
                  "there are where clients have the descriptors that they share with these.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "lease_timeout",
           .type = Type::Duration,
           .max = longest,
           .store = store<&Pool::lease_timeout_ms>,
           .fetch = fetch<&Pool::lease_timeout_ms>,
           .help = "how long keys stay watched without a command for their server; 0: for ever",
           .doc = "Then EXEC runs nothing and says why.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "client_subscriptions_max",
           .type = Type::Integer,
           .max = 1'000'000,
           .store = store<&Pool::client_subscriptions_max>,
           .fetch = fetch<&Pool::client_subscriptions_max>,
           .help = "most channels and patterns that one client is subscribed to; beyond it: an "
                   "error",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "subscriptions_max",
           .type = Type::Integer,
           .max = 100'000'000,
           .store = store<&Pool::subscriptions_max>,
           .fetch = fetch<&Pool::subscriptions_max>,
           .help = "most subscriptions of all clients together, per worker; beyond it: an error",
           .doc = "One is one client and one channel or pattern, and takes some 100 bytes. Clients "
                  "on the same channel share one subscription at its server.",
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
           .doc = "What redis has, unless set. While a request is taken apart its worker serves "
                  "nobody else: with a million keys for about a third of a second.",
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
                  "alone. What a send under way has taken does not count."},
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
           .help = "requests of one client that wait for answers; then it is not read from",
           .doc = "Of those that need no server, too, a batch takes no more of one client before "
                  "others have their turn."},
    Option{.section = Section::Pool,
           .name = "gather_size_max",
           .type = Type::Size,
           .min = 64 * kib,
           .max = 2 * gib,
           .store = store<&Pool::gather_size_max>,
           .fetch = fetch<&Pool::gather_size_max>,
           .help = "bytes that servers may answer to one request that asks several of them; "
                   "beyond it: an error",
           .doc = "KEYS, SUNION over several servers and the like. They are held until the last "
                  "server has answered; what is computed of them needs as much again for a moment.",
           .redis_only = true},
    Option{
        .section = Section::Pool,
        .name = "gather_elements_max",
        .type = Type::Integer,
        .min = 1,
        .max = 100'000'000,
        .store = store<&Pool::gather_elements_max>,
        .fetch = fetch<&Pool::gather_elements_max>,
        .help = "elements of sets on several servers that one request may combine; beyond it: "
                "an error",
        .doc = "A worker serves nobody else while it computes, about half a millisecond for 1000 "
               "elements. Keys with a common hash tag lie on one server, which computes itself.",
        .redis_only = true},
    Option{.section = Section::Pool,
           .name = "config_commands",
           .type = Type::Boolean,
           .store = store<&Pool::config_commands>,
           .fetch = fetch<&Pool::config_commands>,
           .help = "let clients use CONFIG, on all servers of the pool at once",
           .doc = "CONFIG GET answers when all servers say the same.",
           .redis_only = true},
    Option{.section = Section::Pool,
           .name = "stream_threshold",
           .type = Type::Size,
           .max = 2 * gib,
           .store = store<&Pool::stream_threshold>,
           .fetch = fetch<&Pool::stream_threshold>,
           .help = "requests and answers larger than this are passed on as they arrive; 0: when "
                   "they are whole",
           .doc = "So a value of any size takes little memory. A server that is lost in the middle "
                  "of an answer then costs its client the connection. A server whose "
                  "proto-max-bulk-len is less than this, or than what clients send with 0, ends "
                  "connections that clients share."},
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
};

constexpr std::array server_table = {
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
    Option{.section = Section::Server,
           .name = "user",
           .type = Type::String,
           .min = 1,
           .max = name_size_max,
           .store = store<&Server::user>,
           .fetch = fetch<&Server::user>,
           .example = "\"ringmain\"",
           .help = "user that this server is given; left out: the pool's redis_user",
           .doc = "\"default\" is the server's default user.",
           .redis_only = true},
    Option{.section = Section::Server,
           .name = "password",
           .type = Type::String,
           .min = 1,
           .max = 16384,  // what redis takes before AUTH
           .store = store<&Server::password>,
           .fetch = fetch<&Server::password>,
           .example = "\"secret\"",
           .help = "password that this server is given; left out: the pool's redis_auth",
           .doc = "Any text. It is never printed.",
           .redis_only = true,
           .secret = true},
};

}  // namespace

std::span<const Option> pool_options() {
    return pool_table;
}

std::span<const Option> server_options() {
    return server_table;
}

}  // namespace ringmain::config
