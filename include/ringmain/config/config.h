// ringmain/config/config.h - what the configuration says, as plain values with defaults.
//
// Every field has a row in the table of options (config/options.h), from which --help, the
// reference in conf/ and the reader of the file are made. Units are in the names; no TOML here.

#pragma once

#include "ringmain/placement/placement.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::config {

enum class Protocol : uint8_t { Redis, Memcached };
enum class UnknownCommands : uint8_t { FirstKey, Refuse };
enum class CrossServerWrites : uint8_t { Refuse, Emulate };
enum class Channels : uint8_t { Placed, Everywhere };
enum class IoBackend : uint8_t { Auto, IoUring, Epoll };
enum class LogLevel : uint8_t { Error, Warning, Notice, Info, Debug };

// As in the option log_level.
[[nodiscard]] std::string_view name_of(LogLevel level);

inline constexpr uint32_t server_count_max = 4096;  // of a pool

// Where to listen or connect: host and port, or the path of a unix socket.
struct Address {
    std::string host;  // without brackets; empty for a path
    uint16_t port = 0;
    std::string path;
    uint32_t mode = 0;  // of a listening socket's file; 0: as the umask says

    [[nodiscard]] bool is_path() const { return !path.empty(); }

    [[nodiscard]] bool empty() const { return host.empty() && path.empty(); }

    [[nodiscard]] std::string text() const;  // "10.0.0.1:6379", "[::1]:6379", "/run/a.sock"
    auto operator<=>(const Address&) const = default;
};

enum class Access : uint8_t { ReadWrite, ReadOnly };

// A client that presents this name and password may do what is said here.
struct User {
    std::string name;
    std::string password;         // one of them is given
    std::string password_sha256;  // 64 hexadecimal digits
    Access access = Access::ReadWrite;
    std::vector<std::string> keys;      // beginnings of its keys; none: all keys
    std::vector<std::string> commands;  // "+get", "-flushall", "+@read", "-@dangerous", in order

    [[nodiscard]] bool may_do_as(const User& other) const {
        return access == other.access && keys == other.keys && commands == other.commands;
    }

    bool operator==(const User&) const = default;
};

struct Server {
    Address address;
    uint32_t weight = 1;
    std::string name;       // as given; may be empty
    std::string ring_name;  // what placement uses and people see
    std::string user;       // empty: the pool's redis_user
    std::string password;   // empty: the pool's redis_auth
};

// Who ringmain is to a server, and how it shows that.
struct Credentials {
    std::string_view user;      // empty: the default user
    std::string_view password;  // empty: the server is told nothing

    bool operator==(const Credentials&) const = default;
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the order is for readers.
struct Pool {
    std::string name;
    Address listen;
    Protocol protocol = Protocol::Redis;
    placement::Options placement;
    UnknownCommands unknown_commands = UnknownCommands::FirstKey;
    CrossServerWrites cross_server_writes = CrossServerWrites::Refuse;
    Channels channels = Channels::Placed;
    int64_t timeout_ms = 400;  // 0: none
    int64_t connect_timeout_ms = 1500;
    int64_t late_connection_timeout_ms = 0;  // 0: four times the timeout
    int64_t client_idle_timeout_ms = 0;      // 0: none
    uint32_t backlog = 1024;
    uint32_t client_connections = 10000;  // 0: no limit but the process's
    bool tcp_keepalive = true;
    bool preconnect = true;
    uint32_t server_connections = 1;
    bool auto_eject_hosts = false;
    int64_t server_retry_timeout_ms = 30000;
    uint32_t server_failure_limit = 2;
    bool eject_on_loading = false;
    int64_t health_check_interval_ms = 0;  // 0: none
    int64_t slow_start_ms = 0;             // 0: none
    std::string redis_auth;
    std::string redis_user;  // to the servers; empty: the default user
    std::vector<User> users;
    uint32_t redis_db = 0;
    uint64_t request_size_max = 1024ULL * 1024 * 1024;
    uint64_t key_size_max = 64ULL * 1024;
    uint32_t request_arguments_max = INT32_MAX;
    uint32_t server_queue_max = 256 * 1024;  // requests that wait for one connection; 0: no limit
    uint64_t server_queue_size_max = 0;      // their bytes; 0: an eighth of buffer_memory
    uint32_t requests_in_flight_max = 1024;  // per client; reading pauses
    uint64_t gather_size_max = 64ULL * 1024 * 1024;  // what several servers answer to one request
    uint32_t gather_elements_max = 100'000;          // of them, where they are computed with
    bool config_commands = false;
    uint64_t stream_threshold = 256ULL * 1024;  // larger values are passed on as they come; 0: none
    uint64_t output_pause_size = 1024 * 1024;   // unsent response bytes of a client; reading pauses
    // Unsent response bytes of a client beside the largest response; 0: no limit.
    uint64_t client_output_limit = 256ULL * 1024 * 1024;
    int64_t client_output_timeout_ms = 60'000;  // without taking a byte of them; 0: for ever
    uint32_t leases_max = 1024;                 // per worker
    int64_t lease_timeout_ms = 60'000;          // of WATCHed keys; 0: for ever
    uint32_t databases_max = 16;                // besides redis_db, per worker
    uint64_t subscriptions_max = 1'000'000;     // of all clients, per worker
    uint32_t client_subscriptions_max = 10'000;
    std::vector<Server> servers;  // in placement order (sorted), not in file order

    [[nodiscard]] std::vector<placement::Node> nodes() const;  // all live

    // For one of its servers; views of both.
    [[nodiscard]] Credentials credentials_of(const Server& server) const;
};

struct Proxy {
    uint32_t workers = 1;      // "auto" is resolved by the reader
    std::string cpu_affinity;  // "", "auto" or a list "0,2-5": one CPU per worker in turn
    uint64_t buffer_memory =
        2ULL * 1024 * 1024 * 1024;  // per worker, address space; used on demand
    IoBackend io_backend = IoBackend::Auto;
    uint32_t ring_entries = 1024;
    uint32_t receive_buffers = 256;       // blocks kept in the kernel's buffer ring, per worker
    int64_t busy_poll_us = 0;             // that a worker looks for work before it sleeps
    uint32_t client_connections = 0;      // of the process; 0: what the descriptor limit allows
    uint32_t requests_max = 1024 * 1024;  // in flight, per worker
    LogLevel log_level = LogLevel::Notice;
    std::string log_file;
    std::string pid_file;
    int64_t shutdown_timeout_ms = 10000;
};

struct Stats {
    Address listen;  // empty: no such port
    int64_t interval_ms = 1000;
    int64_t slow_log_threshold_ms = 10;  // 0: no slow log
    uint32_t slow_log_size = 128;
};

struct Admin {
    Address listen;  // empty: no such port
};

struct Config {
    std::string file;
    Proxy proxy;
    Stats stats;
    Admin admin;
    std::vector<Pool> pools;
};

}  // namespace ringmain::config
