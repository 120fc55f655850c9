#include "ringmain/stats/json.h"

#include <vector>

#include "json_writer.h"
#include "moments.h"

namespace ringmain::stats {

namespace {

void write_latency(JsonWriter& out, const HistogramValues& latency) {
    out.number("latency_p50_us", latency.quantile_us(0.5));
    out.number("latency_p90_us", latency.quantile_us(0.9));
    out.number("latency_p99_us", latency.quantile_us(0.99));
    out.number("latency_p999_us", latency.quantile_us(0.999));
    out.number("latency_max_us", latency.quantile_us(1));
}

void write_server(JsonWriter& out, const ServerSnapshot& server) {
    const ServerValues& values = server.values;
    out.number("server_eof", values.eof);
    out.number("server_err", values.err);
    out.number("server_timedout", values.timedout);
    out.number("server_connections", values.connections);
    out.number("server_ejected_at", count_of(server.ejected_at_us));
    out.number("requests", values.requests);
    out.number("request_bytes", values.request_bytes);
    out.number("responses", values.responses);
    out.number("response_bytes", values.response_bytes);
    out.number("in_queue", values.in_queue);
    out.number("in_queue_bytes", values.in_queue_bytes);
    out.number("out_queue", values.out_queue);
    out.number("out_queue_bytes", values.out_queue_bytes);

    out.text("address", server.address);
    out.number("weight", server.weight);
    out.text("state", name_of(server.state));
    out.text("state_reason", server.reason);
    out.number("state_since", count_of(server.state_since_s));
    out.number("server_ejects", server.ejections);
    out.number("server_connects", values.connects);
    out.number("server_late", values.late);
    out.number("server_queue_full", values.queue_full);
    out.number("server_silent", values.silent);
    out.number("server_probes", values.probes);
    out.number("server_probes_failed", values.probes_failed);
    write_latency(out, values.latency);
}

void write_pool_fields(JsonWriter& out, const PoolSnapshot& pool) {
    const PoolValues& values = pool.values;
    out.number("client_eof", values.client_eof);
    out.number("client_err", values.client_err);
    out.number("client_connections", values.client_connections);
    out.number("server_ejects", values.server_ejects);
    out.number("forward_error", values.forward_error);
    out.number("fragments", values.fragments);

    out.text("protocol", pool.protocol);
    out.text("listen", pool.listen);
    out.number("servers_total", pool.servers.size());
    out.number("servers_up", pool.servers_up());
    out.number("clients_accepted", values.clients_accepted);
    out.number("clients_refused", values.clients_refused);
    out.number("clients_idle", values.clients_idle);
    out.number("clients_closed", values.clients_closed);
    out.number("clients_waiting", values.clients_waiting);
    out.number("leases", values.leases);
    out.number("leases_taken", values.leases_taken);
    out.number("leases_refused", values.leases_refused);
    out.number("extra_connections_refused", values.extra_refused);
    out.number("subscriptions", values.subscriptions);
    out.number("channels", values.channels);
    out.number("patterns", values.patterns);
    out.number("subscriptions_refused", values.subscriptions_refused);
    out.number("messages", values.messages);
    out.number("messages_delivered", values.messages_delivered);
    out.number("messages_dropped", values.messages_dropped);
    out.number("transactions", values.transactions);
    out.number("transactions_aborted", values.transactions_aborted);
    out.number("requests_read", pool.requests_read);
    out.number("requests_write", pool.requests_write);
    out.number("requests_other", pool.requests_other);
    out.number("oldest_request_us", pool.oldest_request_us);
    out.number("request_bytes", values.request_bytes);
    out.number("response_bytes", values.response_bytes);
    for (uint32_t reason = 0; reason < reason_count; ++reason) {
        out.number("error_" + std::string(reason_names[reason]), values.errors[reason]);
    }
    write_latency(out, values.latency);
}

// An object whose name nothing beside it has.
void begin_named(JsonWriter& out, const std::string& name, const std::string& address) {
    out.begin(out.has(name) ? name + " (" + address + ")" : name);
}

void write_process(JsonWriter& out, const ProcessSnapshot& process) {
    out.begin("process");
    out.signed_number("pid", process.id);
    out.text("kernel", process.kernel);
    out.text("io_backend", process.io_backend);
    out.signed_number("started_at", process.started_at_s);
    out.boolean("draining", process.draining);
    out.boolean("reload_succeeded", process.reload_succeeded);
    out.signed_number("reloaded_at", process.reloaded_at_s);
    out.number("client_limit", process.client_limit);
    out.number("cpu_us", process.cpu_us);
    out.number("resident_bytes", process.resident_bytes);
    out.number("descriptors", process.descriptors);
    out.number("descriptors_max", process.descriptors_max);
    out.end();
}

void write_workers(JsonWriter& out, const std::vector<WorkerSnapshot>& workers) {
    out.begin_list("workers");
    for (const WorkerSnapshot& worker : workers) {
        out.begin_entry();
        out.number("batches", worker.batches);
        out.number("cpu_us", worker.cpu_us);
        out.number("ready_us", worker.ready_us);
        out.number("waiting_us", worker.waiting_us);
        out.number("busy_percent", worker.busy_millionths / 10'000);
#define WORKER(kind, field, text) out.number(#field, worker.values.field);
#include "ringmain/stats/counters.def"
        out.end();
    }
    out.end_list();
}

}  // namespace

std::string to_json(const Snapshot& snapshot, JsonScope scope) {
    const ProcessSnapshot& process = snapshot.process;
    JsonWriter out;
    out.text("service", "ringmain");
    out.text("source", process.host);
    out.text("version", process.version);
    out.number("uptime", count_of(process.uptime_s));
    out.signed_number("timestamp", process.taken_at_s);
    out.number("total_connections", process.connections_opened);
    out.number("curr_connections", process.connections);
    if (scope == JsonScope::Everything) {
        write_process(out, process);
        write_workers(out, snapshot.workers);
    }
    for (const PoolSnapshot& pool : snapshot.pools) {
        begin_named(out, pool.name, pool.listen);
        write_pool_fields(out, pool);
        for (const ServerSnapshot& server : pool.servers) {
            begin_named(out, server.name, server.address);
            write_server(out, server);
            out.end();
        }
        out.end();
    }
    return out.take();
}

}  // namespace ringmain::stats
