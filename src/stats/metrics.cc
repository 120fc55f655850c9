// The table of metrics: what is shown, under which name, and what it means.

#include "ringmain/stats/prometheus.h"

#include <algorithm>
#include <array>
#include <string>

#include "samples.h"

namespace ringmain::stats {

namespace {

struct Metric {
    std::string_view name;  // without "ringmain_" and without "_total"
    MetricType type = MetricType::Gauge;
    std::string_view unit = {};
    std::string_view labels = {};  // for the reference
    std::string_view help = {};
    void (*write)(Samples&, const Snapshot&) = nullptr;
};

constexpr MetricType gauge = MetricType::Gauge;
constexpr MetricType counter = MetricType::Counter;
constexpr MetricType histogram = MetricType::Histogram;
constexpr MetricType info = MetricType::Info;

uint64_t count_of(int64_t number) {
    return static_cast<uint64_t>(std::max<int64_t>(number, 0));
}

// --- one value per process, pool, server or worker -----------------------------------------------

template <auto Member>
void of_process(Samples& out, const Snapshot& now) {
    out.add({}, static_cast<uint64_t>(now.process.*Member));
}

template <class Write>
void for_each_pool(const Snapshot& now, const Write& write) {
    for (const PoolSnapshot& pool : now.pools) {
        write(pool);
    }
}

template <auto Member>
void of_pools(Samples& out, const Snapshot& now) {
    for_each_pool(now, [&out](const PoolSnapshot& pool) {
        out.add({{"pool", pool.name}}, pool.values.*Member);
    });
}

template <class Write>
void for_each_server(const Snapshot& now, const Write& write) {
    for (const PoolSnapshot& pool : now.pools) {
        for (const ServerSnapshot& server : pool.servers) {
            write(pool, server);
        }
    }
}

template <auto Member>
void of_servers(Samples& out, const Snapshot& now) {
    for_each_server(now, [&out](const PoolSnapshot& pool, const ServerSnapshot& server) {
        out.add({{"pool", pool.name}, {"server", server.name}}, server.values.*Member);
    });
}

// The same with a label more, and a value for each of its values.
struct ServerSeries {
    std::string_view value;
    uint64_t ServerValues::*member;
};

void add_series(Samples& out,
                const Snapshot& now,
                std::string_view label,
                std::initializer_list<ServerSeries> series) {
    for_each_server(now, [&](const PoolSnapshot& pool, const ServerSnapshot& server) {
        for (const ServerSeries& one : series) {
            out.add({{"pool", pool.name}, {"server", server.name}, {label, one.value}},
                    server.values.*one.member);
        }
    });
}

struct PoolSeries {
    std::string_view value;
    uint64_t PoolValues::*member;
};

void add_series(Samples& out,
                const Snapshot& now,
                std::string_view label,
                std::initializer_list<PoolSeries> series) {
    for_each_pool(now, [&](const PoolSnapshot& pool) {
        for (const PoolSeries& one : series) {
            out.add({{"pool", pool.name}, {label, one.value}}, pool.values.*one.member);
        }
    });
}

template <class Write>
void for_each_worker(const Snapshot& now, const Write& write) {
    for (size_t i = 0; i < now.workers.size(); ++i) {
        write(std::to_string(i), now.workers[i]);
    }
}

template <auto Member>
void of_workers(Samples& out, const Snapshot& now) {
    for_each_worker(now, [&out](const std::string& index, const WorkerSnapshot& worker) {
        out.add({{"worker", index}}, worker.values.*Member);
    });
}

// --- what is more than one value -----------------------------------------------------------------

void write_build(Samples& out, const Snapshot& now) {
    out.add({{"version", now.process.version}, {"kernel", now.process.kernel}}, 1);
}

void write_process_cpu(Samples& out, const Snapshot& now) {
    out.add_millionths({}, now.process.cpu_us);
}

void write_memory(Samples& out, const Snapshot& now) {
    uint64_t buffers = 0;
    uint64_t requests = 0;
    for (const WorkerSnapshot& worker : now.workers) {
        buffers += worker.values.buffer_memory;
        requests += worker.values.request_memory;
    }
    out.add({{"kind", "buffers"}}, buffers);
    out.add({{"kind", "requests"}}, requests);
    out.add({{"kind", "resident"}}, now.process.resident_bytes);
}

void write_client_limit(Samples& out, const Snapshot& now) {
    for_each_pool(now, [&](const PoolSnapshot& pool) {
        const uint64_t of_process = now.process.client_limit;
        const bool own =
            pool.client_limit != 0 && (of_process == 0 || pool.client_limit < of_process);
        const uint64_t limit = own ? pool.client_limit : of_process;
        if (limit != 0) out.add({{"pool", pool.name}}, limit);
    });
}

void write_disconnects(Samples& out, const Snapshot& now) {
    add_series(
        out,
        now,
        "reason",
        {PoolSeries{"eof", &PoolValues::client_eof}, PoolSeries{"error", &PoolValues::client_err}});
}

void write_requests(Samples& out, const Snapshot& now) {
    add_series(out,
               now,
               "class",
               {PoolSeries{"read", &PoolValues::requests_read},
                PoolSeries{"write", &PoolValues::requests_write},
                PoolSeries{"other", &PoolValues::requests_other}});
}

void write_request_errors(Samples& out, const Snapshot& now) {
    for_each_pool(now, [&out](const PoolSnapshot& pool) {
        for (uint32_t reason = 0; reason < reason_count; ++reason) {
            out.add({{"pool", pool.name}, {"reason", reason_names[reason]}},
                    pool.values.errors[reason]);
        }
    });
}

void write_request_duration(Samples& out, const Snapshot& now) {
    for_each_pool(now, [&out](const PoolSnapshot& pool) {
        out.add_histogram({{"pool", pool.name}}, pool.values.latency);
    });
}

void write_server_up(Samples& out, const Snapshot& now) {
    for_each_server(now, [&out](const PoolSnapshot& pool, const ServerSnapshot& server) {
        out.add({{"pool", pool.name}, {"server", server.name}},
                server.state == ServerState::Up ? 1 : 0);
    });
}

void write_server_state(Samples& out, const Snapshot& now) {
    for_each_server(now, [&out](const PoolSnapshot& pool, const ServerSnapshot& server) {
        for (const std::string_view state : server_state_names) {
            out.add({{"pool", pool.name}, {"server", server.name}, {"state", state}},
                    state == name_of(server.state) ? 1 : 0);
        }
    });
}

void write_server_state_since(Samples& out, const Snapshot& now) {
    for_each_server(now, [&out](const PoolSnapshot& pool, const ServerSnapshot& server) {
        out.add({{"pool", pool.name}, {"server", server.name}}, count_of(server.state_since_s));
    });
}

void write_ejections(Samples& out, const Snapshot& now) {
    for_each_server(now, [&out](const PoolSnapshot& pool, const ServerSnapshot& server) {
        out.add({{"pool", pool.name}, {"server", server.name}}, server.ejections);
    });
}

void write_ejected_at(Samples& out, const Snapshot& now) {
    for_each_server(now, [&out](const PoolSnapshot& pool, const ServerSnapshot& server) {
        out.add_millionths({{"pool", pool.name}, {"server", server.name}},
                           count_of(server.ejected_at_us));
    });
}

void write_server_errors(Samples& out, const Snapshot& now) {
    add_series(out,
               now,
               "kind",
               {ServerSeries{"eof", &ServerValues::eof},
                ServerSeries{"error", &ServerValues::err},
                ServerSeries{"timeout", &ServerValues::timedout}});
}

void write_queue_requests(Samples& out, const Snapshot& now) {
    add_series(out,
               now,
               "queue",
               {ServerSeries{"in", &ServerValues::in_queue},
                ServerSeries{"out", &ServerValues::out_queue}});
}

void write_queue_bytes(Samples& out, const Snapshot& now) {
    add_series(out,
               now,
               "queue",
               {ServerSeries{"in", &ServerValues::in_queue_bytes},
                ServerSeries{"out", &ServerValues::out_queue_bytes}});
}

void write_backend_duration(Samples& out, const Snapshot& now) {
    for_each_server(now, [&out](const PoolSnapshot& pool, const ServerSnapshot& server) {
        out.add_histogram({{"pool", pool.name}, {"server", server.name}}, server.values.latency);
    });
}

void write_busy(Samples& out, const Snapshot& now) {
    for_each_worker(now, [&out](const std::string& index, const WorkerSnapshot& worker) {
        out.add_millionths({{"worker", index}}, worker.busy_millionths);
    });
}

void write_batches(Samples& out, const Snapshot& now) {
    for_each_worker(now, [&out](const std::string& index, const WorkerSnapshot& worker) {
        out.add({{"worker", index}}, worker.batches);
    });
}

void write_worker_cpu(Samples& out, const Snapshot& now) {
    for_each_worker(now, [&out](const std::string& index, const WorkerSnapshot& worker) {
        out.add_millionths({{"worker", index}}, worker.cpu_us);
    });
}

using P = ProcessSnapshot;
using V = PoolValues;
using S = ServerValues;
using W = WorkerValues;
constexpr std::string_view pool = "pool";
constexpr std::string_view server = "pool, server";
constexpr std::string_view worker = "worker";

// A help text has no quotes, backslashes or line ends (samples.cc).
constexpr std::array metrics = {
    Metric{"build", info, "", "version, kernel", "what runs here; always 1", write_build},
    Metric{"start_time_seconds",
           gauge,
           "seconds",
           "",
           "when the process started, since 1970",
           of_process<&P::started_at_s>},
    Metric{"snapshot_time_seconds",
           gauge,
           "seconds",
           "",
           "when these figures were taken, since 1970",
           of_process<&P::taken_at_s>},
    Metric{"draining",
           gauge,
           "",
           "",
           "1 while stopping: no new clients, requests in flight are answered",
           of_process<&P::draining>},
    Metric{"config_last_reload_successful",
           gauge,
           "",
           "",
           "1 unless the last reload of the configuration was refused",
           of_process<&P::reload_succeeded>},
    Metric{"config_last_reload_success_time_seconds",
           gauge,
           "seconds",
           "",
           "when the configuration in use was read, since 1970",
           of_process<&P::reloaded_at_s>},
    Metric{"process_cpu_seconds",
           counter,
           "seconds",
           "",
           "CPU time of the process, user and system",
           write_process_cpu},
    Metric{"process_open_fds", gauge, "", "", "descriptors in use", of_process<&P::descriptors>},
    Metric{"process_max_fds",
           gauge,
           "",
           "",
           "descriptors that the process may use",
           of_process<&P::descriptors_max>},
    Metric{
        "memory_bytes",
        gauge,
        "bytes",
        "kind",
        "memory: buffers in use, requests under way beside their buffers, and all that is resident",
        write_memory},

    Metric{"client_connections",
           gauge,
           "",
           pool,
           "clients connected now",
           of_pools<&V::client_connections>},
    Metric{"client_connections_limit",
           gauge,
           "",
           pool,
           "most clients that the pool takes; left out where there is no limit",
           write_client_limit},
    Metric{"client_connections_accepted",
           counter,
           "",
           pool,
           "clients accepted",
           of_pools<&V::clients_accepted>},
    Metric{"client_connections_rejected",
           counter,
           "",
           pool,
           "clients refused at a limit",
           of_pools<&V::clients_refused>},
    Metric{"client_disconnects",
           counter,
           "",
           "pool, reason",
           "clients that left (eof), or whose connection was lost or closed over an error",
           write_disconnects},
    Metric{"requests",
           counter,
           "",
           "pool, class",
           "requests from clients: those that only read, that write, and all other",
           write_requests},
    Metric{"request_errors",
           counter,
           "",
           "pool, reason",
           "requests that got an error from ringmain instead of a response",
           write_request_errors},
    Metric{"forward_errors",
           counter,
           "",
           pool,
           "requests that could not be forwarded or whose server failed",
           of_pools<&V::forward_error>},
    Metric{"fragments",
           counter,
           "",
           pool,
           "requests sent towards servers, each part of a split one counted",
           of_pools<&V::fragments>},
    Metric{"client_received_bytes",
           counter,
           "bytes",
           pool,
           "bytes received from clients",
           of_pools<&V::request_bytes>},
    Metric{"client_sent_bytes",
           counter,
           "bytes",
           pool,
           "bytes sent to clients",
           of_pools<&V::response_bytes>},
    Metric{"request_duration_seconds",
           histogram,
           "seconds",
           pool,
           "from the last byte of a request to its response",
           write_request_duration},

    Metric{"server_up",
           gauge,
           "",
           server,
           "1 while the server gets traffic and can be reached",
           write_server_up},
    Metric{"server_state",
           gauge,
           "",
           "pool, server, state",
           "1 at the state that the server is in, 0 at the others",
           write_server_state},
    Metric{"server_state_changed_time_seconds",
           gauge,
           "seconds",
           server,
           "when the state last changed, since 1970; 0: as at start",
           write_server_state_since},
    Metric{"server_ejections",
           counter,
           "",
           server,
           "how often the server was ejected",
           write_ejections},
    Metric{"server_ejected_timestamp_seconds",
           gauge,
           "seconds",
           server,
           "when the server was last ejected, since 1970; 0: never",
           write_ejected_at},
    Metric{"server_connections",
           gauge,
           "",
           server,
           "connections established now",
           of_servers<&S::connections>},
    Metric{"server_connects",
           counter,
           "",
           server,
           "connections ever established",
           of_servers<&S::connects>},
    Metric{"server_errors",
           counter,
           "",
           "pool, server, kind",
           "connections closed by the server (eof), refused or lost (error), requests and connects "
           "that took too long (timeout)",
           write_server_errors},
    Metric{"server_requests",
           counter,
           "",
           server,
           "requests sent to the server",
           of_servers<&S::requests>},
    Metric{"server_responses",
           counter,
           "",
           server,
           "responses received from the server",
           of_servers<&S::responses>},
    Metric{"server_sent_bytes",
           counter,
           "bytes",
           server,
           "bytes of requests sent to the server",
           of_servers<&S::request_bytes>},
    Metric{"server_received_bytes",
           counter,
           "bytes",
           server,
           "bytes of responses received from the server",
           of_servers<&S::response_bytes>},
    Metric{"server_queue_requests",
           gauge,
           "",
           "pool, server, queue",
           "requests that wait to be sent (in), or were sent and wait for the response (out)",
           write_queue_requests},
    Metric{"server_queue_bytes",
           gauge,
           "bytes",
           "pool, server, queue",
           "the same in bytes of requests",
           write_queue_bytes},
    Metric{"backend_duration_seconds",
           histogram,
           "seconds",
           server,
           "from the moment a request is queued for the server to its response",
           write_backend_duration},

    Metric{"worker_busy_ratio",
           gauge,
           "ratio",
           worker,
           "share of a CPU that the worker used since the snapshot before",
           write_busy},
    Metric{"worker_cpu_seconds",
           counter,
           "seconds",
           worker,
           "CPU time of the worker",
           write_worker_cpu},
    Metric{"worker_batches", counter, "", worker, "rounds of the worker's loop", write_batches},
    Metric{"uring_enters", counter, "", worker, "system calls of the ring", of_workers<&W::enters>},
    Metric{"uring_sqes",
           counter,
           "",
           worker,
           "operations handed to the ring",
           of_workers<&W::submissions>},
    Metric{"uring_cqes",
           counter,
           "",
           worker,
           "completions taken from the ring",
           of_workers<&W::completions>},
    Metric{"uring_cq_overflow",
           counter,
           "",
           worker,
           "batches that found the completion queue overflowed",
           of_workers<&W::overflows>},
    Metric{"uring_sq_full",
           counter,
           "",
           worker,
           "submissions before the end of a batch, the submission queue being full",
           of_workers<&W::submissions_early>},
    Metric{"uring_submissions_refused",
           counter,
           "",
           worker,
           "submissions that the kernel refused for a moment",
           of_workers<&W::submissions_refused>},
    Metric{"uring_buffers_starved",
           counter,
           "",
           worker,
           "receives that found no buffer",
           of_workers<&W::starvations>},
    Metric{"slow_requests",
           counter,
           "",
           worker,
           "requests that took longer than slow_log_threshold",
           of_workers<&W::slow_requests>},
};

std::string_view type_name(MetricType type) {
    constexpr std::array<std::string_view, 4> names = {"gauge", "counter", "histogram", "info"};
    return names[static_cast<size_t>(type)];
}

std::string_view suffix_of(MetricType type) {
    constexpr std::array<std::string_view, 4> suffixes = {"", "_total", "", "_info"};
    return suffixes[static_cast<size_t>(type)];
}

}  // namespace

std::string to_metrics(const Snapshot& snapshot, MetricsFormat format) {
    Samples out(format);
    for (const Metric& metric : metrics) {
        out.begin(metric.name, metric.type, metric.unit, metric.help);
        metric.write(out, snapshot);
    }
    return out.take();
}

std::string metrics_help() {
    std::string out =
        "What /metrics of the admin port shows, for Prometheus (text format 0.0.4 or\n"
        "OpenMetrics 1.0, as the reader asks). Counters count since the start of the process.\n";
    for (const Metric& metric : metrics) {
        out.append("\nringmain_").append(metric.name).append(suffix_of(metric.type));
        if (!metric.labels.empty()) out.append("{").append(metric.labels).append("}");
        out.append("  ").append(type_name(metric.type)).append("\n    ").append(metric.help);
        out += "\n";
    }
    return out;
}

}  // namespace ringmain::stats
