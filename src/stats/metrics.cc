// The table of metrics: what is shown, under which name, and what it means.

#include "ringmain/stats/prometheus.h"

#include <array>
#include <string>

#include "moments.h"
#include "samples.h"

namespace ringmain::stats {

namespace {

struct Metric {
    std::string_view name;  // without "ringmain_" and without "_total"
    MetricType type = MetricType::Gauge;
    std::string_view unit = {};
    std::string_view labels = {};  // for the reference
    void (*write)(Samples&, const Snapshot&) = nullptr;
    std::string_view help = {};
};

constexpr MetricType gauge = MetricType::Gauge;
constexpr MetricType counter = MetricType::Counter;
constexpr MetricType histogram = MetricType::Histogram;
constexpr MetricType info = MetricType::Info;

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

void write_io_backend(Samples& out, const Snapshot& now) {
    out.add({{"backend", now.process.io_backend}}, 1);
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
    add_series(out,
               now,
               "reason",
               {PoolSeries{"eof", &PoolValues::client_eof},
                PoolSeries{"error", &PoolValues::client_err},
                PoolSeries{"idle", &PoolValues::clients_idle},
                PoolSeries{"closed", &PoolValues::clients_closed}});
}

void write_requests(Samples& out, const Snapshot& now) {
    for_each_pool(now, [&out](const PoolSnapshot& pool) {
        out.add({{"pool", pool.name}, {"class", "read"}}, pool.requests_read);
        out.add({{"pool", pool.name}, {"class", "write"}}, pool.requests_write);
        out.add({{"pool", pool.name}, {"class", "other"}}, pool.requests_other);
    });
}

void write_commands(Samples& out, const Snapshot& now) {
    for_each_pool(now, [&out](const PoolSnapshot& pool) {
        for (const CommandCount& command : pool.commands) {
            out.add({{"pool", pool.name}, {"command", command.name}}, command.count);
        }
    });
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

void write_oldest_request(Samples& out, const Snapshot& now) {
    for_each_pool(now, [&out](const PoolSnapshot& pool) {
        out.add_millionths({{"pool", pool.name}}, pool.oldest_request_us);
    });
}

void write_worker_time(Samples& out, const Snapshot& now) {
    for_each_worker(now, [&out](const std::string& index, const WorkerSnapshot& worker) {
        out.add_millionths({{"worker", index}, {"state", "working"}}, worker.cpu_us);
        out.add_millionths({{"worker", index}, {"state", "ready"}}, worker.ready_us);
        out.add_millionths({{"worker", index}, {"state", "waiting"}}, worker.waiting_us);
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
// What it is and where it comes from in one line, what it means below.
// clang-format off
constexpr std::array metrics = {
    Metric{"build", info, "", "version, kernel", write_build,
           "what runs here; always 1"},
    Metric{"io_backend", info, "", "backend", write_io_backend,
           "what serves the sockets: io_uring, or epoll in its place; always 1"},
    Metric{"start_time_seconds", gauge, "seconds", "", of_process<&P::started_at_s>,
           "when the process started, since 1970"},
    Metric{"snapshot_time_seconds", gauge, "seconds", "", of_process<&P::taken_at_s>,
           "when these figures were taken, since 1970"},
    Metric{"draining", gauge, "", "", of_process<&P::draining>,
           "1 while stopping: no new clients, requests in flight are answered"},
    Metric{"config_last_reload_successful", gauge, "", "", of_process<&P::reload_succeeded>,
           "1 unless the last reload of the configuration was refused"},
    Metric{"config_last_reload_success_time_seconds", gauge, "seconds", "",
           of_process<&P::reloaded_at_s>,
           "when the configuration in use was read, since 1970"},
    Metric{"process_cpu_seconds", counter, "seconds", "", write_process_cpu,
           "CPU time of the process, user and system"},
    Metric{"process_open_fds", gauge, "", "", of_process<&P::descriptors>,
           "descriptors in use"},
    Metric{"process_max_fds", gauge, "", "", of_process<&P::descriptors_max>,
           "descriptors that the process may use"},
    Metric{"memory_bytes", gauge, "bytes", "kind", write_memory,
           "memory: buffers in use, requests under way beside their buffers, and all that is "
           "resident"},
    Metric{"client_connections", gauge, "", pool, of_pools<&V::client_connections>,
           "clients connected now"},
    Metric{"client_connections_limit", gauge, "", pool, write_client_limit,
           "most clients that the pool takes; left out where there is no limit"},
    Metric{"process_client_connections_limit", gauge, "", "", of_process<&P::client_limit>,
           "most clients that all pools together take: as many as [proxy] client_connections and "
           "the descriptors of the process allow, less extra_connections"},
    Metric{"extra_connections", gauge, "", worker, of_workers<&W::extra_connections>,
           "connections to servers for single clients and selected databases now"},
    Metric{"client_connections_accepted", counter, "", pool, of_pools<&V::clients_accepted>,
           "clients accepted"},
    Metric{"client_connections_rejected", counter, "", pool, of_pools<&V::clients_refused>,
           "clients refused at a limit"},
    Metric{"client_disconnects", counter, "", "pool, reason", write_disconnects,
           "clients that left (eof), were lost or closed over an error, were idle for too long, or "
           "were closed by a stop or a reload"},
    Metric{"requests", counter, "", "pool, class", write_requests,
           "requests from clients: those that only read (mg, whatever its flags), that write (a "
           "new expiry included, as of gat), and all other, scripts among them"},
    Metric{"commands", counter, "", "pool, command", write_commands,
           "requests from clients by command, of those that ever came; unknown: no known command, "
           "or one that was refused before it was read"},
    Metric{"request_errors", counter, "", "pool, reason", write_request_errors,
           "requests that got an error from ringmain instead of a response. Of servers: timeout "
           "(no answer in time), refused (no connection), reset (a connection or its answer was "
           "lost), no_server (all are ejected). Of clients: request (their own mistake: "
           "arguments, order, rights, a line that is no command), unsupported (not served, or "
           "keys on several servers), protocol (what is no request, too). limit: one of "
           "ringmain's, or of its memory. other: a server takes no transactions or not that "
           "database, or answers do not fit, or a command in steps or turns was ended"},
    Metric{"forward_errors", counter, "", pool, of_pools<&V::forward_error>,
           "requests that could not be forwarded or whose server failed"},
    Metric{"transactions", counter, "", pool, of_pools<&V::transactions>,
           "transactions sent to servers"},
    Metric{"transactions_aborted", counter, "", pool, of_pools<&V::transactions_aborted>,
           "transactions that EXEC refused to send"},
    Metric{"leases", gauge, "", pool, of_pools<&V::leases>,
           "server connections that single clients hold now"},
    Metric{"leases_taken", counter, "", pool, of_pools<&V::leases_taken>,
           "server connections leased to clients"},
    Metric{"leases_refused", counter, "", pool, of_pools<&V::leases_refused>,
           "leases refused at leases_max"},
    Metric{"extra_connections_refused", counter, "", pool, of_pools<&V::extra_refused>,
           "connections to servers for single clients and selected databases refused for want of "
           "descriptors"},
    Metric{"clients_waiting", gauge, "", pool, of_pools<&V::clients_waiting>,
           "clients whose command waits on its server now"},
    Metric{"subscriptions", gauge, "", pool, of_pools<&V::subscriptions>,
           "subscriptions that clients have now: a client and a channel or pattern is one"},
    Metric{"subscribed_channels", gauge, "", pool, of_pools<&V::channels>,
           "channels that clients are subscribed to now, shard channels too; each worker counts "
           "its own"},
    Metric{"subscribed_patterns", gauge, "", pool, of_pools<&V::patterns>,
           "patterns that clients are subscribed to now; each worker counts its own"},
    Metric{"subscriptions_refused", counter, "", pool, of_pools<&V::subscriptions_refused>,
           "SUBSCRIBE and the like refused at a limit"},
    Metric{"messages_received", counter, "", pool, of_pools<&V::messages>,
           "messages received from servers; each worker gets its own copy"},
    Metric{"messages_delivered", counter, "", pool, of_pools<&V::messages_delivered>,
           "messages handed to clients: one for each client"},
    Metric{"messages_dropped", counter, "", pool, of_pools<&V::messages_dropped>,
           "messages that did not fit into buffer memory, whole or for one client"},
    Metric{"fragments", counter, "", pool, of_pools<&V::fragments>,
           "requests sent towards servers, each part of a split one counted"},
    Metric{"client_received_bytes", counter, "bytes", pool, of_pools<&V::request_bytes>,
           "bytes received from clients"},
    Metric{"client_sent_bytes", counter, "bytes", pool, of_pools<&V::response_bytes>,
           "bytes sent to clients"},
    Metric{"request_duration_seconds", histogram, "seconds", pool, write_request_duration,
           "from the last byte of a request to its response, of what servers answered; not of "
           "commands that wait"},
    Metric{"oldest_request_seconds", gauge, "seconds", pool, write_oldest_request,
           "age of the oldest request that waits for a server now, commands that are meant to wait "
           "(BLPOP) left out; 0: there is none"},
    Metric{"server_up", gauge, "", server, write_server_up,
           "1 while the server gets traffic and can be reached"},
    Metric{"server_state", gauge, "", "pool, server, state", write_server_state,
           "1 at the state that the server is in, 0 at the others"},
    Metric{"server_state_changed_time_seconds", gauge, "seconds", server, write_server_state_since,
           "when the state last changed, since 1970; 0: as at start"},
    Metric{"pool_server_ejections", counter, "", pool, of_pools<&V::server_ejects>,
           "how often servers of the pool were ejected, also those that it has no more"},
    Metric{"server_ejections", counter, "", server, write_ejections,
           "how often the server was ejected"},
    Metric{"server_ejected_timestamp_seconds", gauge, "seconds", server, write_ejected_at,
           "when the server was last ejected, since 1970; 0: never"},
    Metric{"server_connections", gauge, "", server, of_servers<&S::connections>,
           "connections established now"},
    Metric{"server_connects", counter, "", server, of_servers<&S::connects>,
           "connections ever established"},
    Metric{"server_errors", counter, "", "pool, server, kind", write_server_errors,
           "connections closed by the server (eof), refused or lost (error), requests and "
           "connects that took too long (timeout)"},
    Metric{"server_late_connections", counter, "", server, of_servers<&S::late>,
           "connections replaced because their oldest request stayed unanswered"},
    Metric{"server_queue_full", counter, "", server, of_servers<&S::queue_full>,
           "requests refused because too much waited for the server"},
    Metric{"server_silent", gauge, "", server, of_servers<&S::silent>,
           "workers to which the server answers nothing: they refuse requests to it"},
    Metric{"server_probes", counter, "", server, of_servers<&S::probes>,
           "probes and health checks begun"},
    Metric{"server_probes_failed", counter, "", server, of_servers<&S::probes_failed>,
           "probes and health checks that failed"},
    Metric{"server_requests", counter, "", server, of_servers<&S::requests>,
           "requests sent to the server; a transaction is one, and what ringmain asks a connection "
           "before its first is none"},
    Metric{"server_responses", counter, "", server, of_servers<&S::responses>,
           "responses received from the server to requests"},
    Metric{"server_sent_bytes", counter, "bytes", server, of_servers<&S::request_bytes>,
           "bytes sent to the server: requests, and what a connection begins with, subscribes to "
           "and is checked by"},
    Metric{"server_received_bytes", counter, "bytes", server, of_servers<&S::response_bytes>,
           "bytes received from the server: responses, messages, and answers to what is said "
           "beside requests"},
    Metric{"server_queue_requests", gauge, "", "pool, server, queue", write_queue_requests,
           "requests that wait to be sent (in), or were sent and wait for the response (out)"},
    Metric{"server_queue_bytes", gauge, "bytes", "pool, server, queue", write_queue_bytes,
           "the same in bytes of requests; in: besides the send under way"},
    Metric{"backend_duration_seconds", histogram, "seconds", server, write_backend_duration,
           "from the moment a request is queued for the server to its response, each part of a "
           "split one counted; not of commands that wait"},
    Metric{"worker_busy_ratio", gauge, "ratio", worker, write_busy,
           "share of a CPU that the worker used since the snapshot before"},
    Metric{"worker_cpu_seconds", counter, "seconds", worker, write_worker_cpu,
           "CPU time of the worker"},
    Metric{"worker_time_seconds", counter, "seconds", "worker, state", write_worker_time,
           "where the time of the worker went: working on a CPU, ready to and without one, waiting "
           "for something to do"},
    Metric{"worker_batches", counter, "", worker, write_batches,
           "rounds of the worker's loop"},
    Metric{"uring_enters", counter, "", worker, of_workers<&W::enters>,
           "system calls of the ring; on epoll one for each receive and send besides"},
    Metric{"uring_sqes", counter, "", worker, of_workers<&W::submissions>,
           "operations handed to the ring"},
    Metric{"uring_cqes", counter, "", worker, of_workers<&W::completions>,
           "completions taken from the ring"},
    Metric{"uring_cq_overflow", counter, "", worker, of_workers<&W::overflows>,
           "batches that found the completion queue overflowed"},
    Metric{"uring_sq_full", counter, "", worker, of_workers<&W::submissions_early>,
           "submissions before the end of a batch, the submission queue being full"},
    Metric{"uring_submissions_refused", counter, "", worker, of_workers<&W::submissions_refused>,
           "submissions that the kernel refused for a moment"},
    Metric{"uring_completions_lost", counter, "", worker, of_workers<&W::completions_lost>,
           "times that the kernel lost completions for want of memory"},
    Metric{"accept_failures", counter, "", worker, of_workers<&W::accept_failures>,
           "clients that waited for a descriptor, memory, or leave to accept"},
    Metric{"worker_clients", gauge, "", worker, of_workers<&W::clients>, "clients connected now"},
    Metric{"clients_handed_over", counter, "", worker, of_workers<&W::clients_handed_over>,
           "clients accepted and given to a worker that had fewer of them"},
    Metric{"clients_closed_slow", counter, "", worker, of_workers<&W::clients_closed_slow>,
           "clients closed that did not take their responses"},
    Metric{"uring_buffers_starved", counter, "", worker, of_workers<&W::starvations>,
           "receives that found no buffer"},
    Metric{"slow_requests", counter, "", worker, of_workers<&W::slow_requests>,
           "requests that took longer than slow_log_threshold, commands that wait left out; one "
           "that several servers answer is one"},
};

// clang-format on

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
        "OpenMetrics 1.0, as the reader asks). Counters count since the start of the process,\n"
        "those of a pool or server since it was configured last.\n";
    for (const Metric& metric : metrics) {
        out.append("\nringmain_").append(metric.name).append(suffix_of(metric.type));
        if (!metric.labels.empty()) out.append("{").append(metric.labels).append("}");
        out.append("  ").append(name_of(metric.type)).append("\n    ").append(metric.help);
        out += "\n";
    }
    return out;
}

}  // namespace ringmain::stats
