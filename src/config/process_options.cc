// The options of the process: [proxy], [stats], [admin].

#include <array>

#include "option_rows.h"

namespace ringmain::config {

namespace {

constexpr std::array<std::string_view, 5> level_names = {
    "error", "warning", "notice", "info", "debug"};
static_assert(level_names.size() == static_cast<size_t>(LogLevel::Debug) + 1);

std::span<const std::string_view> log_level_names() {
    return level_names;
}

std::span<const std::string_view> io_backend_names() {
    static constexpr std::array<std::string_view, 3> names = {"auto", "io_uring", "epoll"};
    return names;
}

constexpr std::array proxy_table = {
    Option{.section = Section::Proxy,
           .name = "workers",
           .type = Type::IntegerOrAuto,
           .min = 1,
           .max = 256,
           .store = store<&Proxy::workers>,
           .fetch = fetch<&Proxy::workers>,
           .help = "threads that serve, each with its own ring, memory and server connections",
           .doc =
               "\"auto\" is one for each CPU that the process may use, and no more than its cgroup "
               "allows the time of. They share nothing: with "
               "N workers a server sees N times server_connections. New clients go to the worker "
               "that has fewest.",
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "cpu_affinity",
           .type = Type::String,
           .max = 4096,
           .store = store<&Proxy::cpu_affinity>,
           .fetch = fetch<&Proxy::cpu_affinity>,
           .example = "\"0,2-5\"",
           .help = "CPUs to pin the workers to, one each in turn",
           .doc = "A list such as \"0,2-5\", or \"auto\" for those that the process may use. One "
                  "that it may not use is an error at start. Left out, the kernel chooses.",
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
               "it runs low, clients are closed that hold some and stand still, or else the client "
               "or server connection that holds most of it; what does not fit is refused with an "
               "error.",
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "io_backend",
           .type = Type::Enum,
           .names = io_backend_names,
           .store = store<&Proxy::io_backend>,
           .fetch = fetch<&Proxy::io_backend>,
           .help = "what the sockets are served with",
           .doc =
               "\"auto\" is io_uring, or epoll where io_uring is forbidden or missing, as in most "
               "containers; the log then says why and what to do. \"io_uring\" refuses to start "
               "there. Epoll does the same with a system call for each receive and send.",
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "ring_entries",
           .type = Type::Integer,
           .min = 64,
           .max = 32768,
           .store = store<&Proxy::ring_entries>,
           .fetch = fetch<&Proxy::ring_entries>,
           .help = "submissions that a worker's ring holds; epoll has no such limit",
           .power_of_two = true,
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "receive_buffers",
           .type = Type::Integer,
           .min = 16,
           .max = 32768,
           .store = store<&Proxy::receive_buffers>,
           .fetch = fetch<&Proxy::receive_buffers>,
           .help = "buffers of 16 KiB that the kernel may hold ready for each worker; it has 32 "
                   "until more are "
                   "needed at once",
           .power_of_two = true,
           .fixed = true},
    Option{.section = Section::Proxy,
           .name = "busy_poll_us",
           .type = Type::Integer,
           .max = 1'000'000,
           .store = store<&Proxy::busy_poll_us>,
           .fetch = fetch<&Proxy::busy_poll_us>,
           .help = "microseconds that a worker goes on looking for work before it sleeps",
           .doc = "0: it sleeps at once. Being woken takes longer than serving a request, so under "
                  "a light load 50 to 200 make latency shorter, for up to a whole CPU per worker, "
                  "which nobody else should need then. Under a full load no worker sleeps anyway."},
    Option{.section = Section::Proxy,
           .name = "client_connections",
           .type = Type::Integer,
           .max = 10'000'000,
           .store = store<&Proxy::client_connections>,
           .fetch = fetch<&Proxy::client_connections>,
           .help = "most client connections of the process; 0: no limit but the descriptors'"},
    Option{.section = Section::Proxy,
           .name = "requests_max",
           .type = Type::Integer,
           .min = 64,
           .max = 64 * 1024 * 1024,
           .store = store<&Proxy::requests_max>,
           .fetch = fetch<&Proxy::requests_max>,
           .help = "requests in flight of each worker; those beyond it get an error",
           .doc =
               "The parts of requests that are split are counted likewise. Their memory is taken "
               "as they come.",
           .fixed = true},
    Option{
        .section = Section::Proxy,
        .name = "log_level",
        .type = Type::Enum,
        .names = log_level_names,
        .store = store<&Proxy::log_level>,
        .fetch = fetch<&Proxy::log_level>,
        .help = "how much the log says",
        .doc =
            "info adds each connection to a server, with why it was lost, and debug each client. "
            "-v on the command line goes before it; the signals TTIN and TTOU change it."},
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
           .doc = "0 or a second signal: it stops at once. So long may a server that a reload has "
                  "removed say nothing to what it was asked, where its pool has no timeout (0: for "
                  "ever)."},
};

constexpr std::array stats_table = {
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
};

constexpr std::array admin_table = {
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
};

}  // namespace

std::span<const Option> proxy_options() {
    return proxy_table;
}

std::string_view name_of(LogLevel level) {
    return level_names[static_cast<size_t>(level)];
}

std::span<const Option> stats_options() {
    return stats_table;
}

std::span<const Option> admin_options() {
    return admin_table;
}

}  // namespace ringmain::config
