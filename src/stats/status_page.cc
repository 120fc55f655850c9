// The page for people: no script, no file besides it, light or dark as the reader likes.

#include "ringmain/stats/pages.h"

#include <array>
#include <initializer_list>
#include <string>
#include <utility>

#include "escape.h"

namespace ringmain::stats {

namespace {

constexpr std::string_view head =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"refresh\" content=\"5\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>ringmain</title>\n"
    "<style>\n"
    ":root { color-scheme: light dark; font-family: sans-serif }\n"
    "table { border-collapse: collapse; margin: 0.5em 0 1.5em }\n"
    "th, td { padding: 0.2em 0.8em; text-align: right; border-bottom: 1px solid #8885 }\n"
    "th:first-child, td:first-child, .text { text-align: left }\n"
    ".up { color: #2a2 } .down, .ejected { color: #e33; font-weight: bold }\n"
    "</style></head><body>\n";

class Table {
  public:
    Table(std::string& out, std::initializer_list<std::string_view> titles) : out_(out) {
        out_ += "<table><tr>";
        for (const std::string_view title : titles) {
            out_.append("<th>").append(title).append("</th>");
        }
        out_ += "</tr>\n";
    }

    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    ~Table() { out_ += "</table>\n"; }

    void begin_row() { out_ += "<tr>"; }

    void end_row() { out_ += "</tr>\n"; }

    void text(std::string_view value, std::string_view style = "text") {
        out_.append("<td class=\"").append(style).append("\">");
        append_html_text(out_, value);
        out_ += "</td>";
    }

    void number(uint64_t value) { out_.append("<td>").append(std::to_string(value)) += "</td>"; }

    // 1234 -> 1.23 ms
    void time(uint64_t us) {
        const std::string hundredths = std::to_string(100 + us / 10 % 100).substr(1);
        out_.append("<td>").append(std::to_string(us / 1000)).append(".").append(hundredths);
        out_ += " ms</td>";
    }

  private:
    std::string& out_;
};

std::string duration_text(int64_t seconds) {
    if (seconds < 0) seconds = 0;
    constexpr std::array<std::pair<int64_t, std::string_view>, 3> units = {
        {{86'400, "d "}, {3'600, "h "}, {60, "min "}}};
    std::string out;
    for (const auto& [size, name] : units) {
        const bool shown = seconds >= size || !out.empty();
        if (shown) out.append(std::to_string(seconds / size)).append(name);
        seconds %= size;
    }
    return out + std::to_string(seconds) + "s";
}

void write_process(std::string& out, const PageSources& sources) {
    const ProcessSnapshot& process = sources.snapshot->process;
    out += "<h1>ringmain ";
    append_html_text(out, process.version);
    out += " on ";
    append_html_text(out, process.host);
    out += "</h1>\n<p>";
    if (sources.draining) out += "<b class=\"down\">draining</b>, ";
    if (!process.reload_succeeded) {
        out += "<b class=\"down\">the last reload was refused</b> (see the log), ";
    }
    out.append("up ").append(duration_text(process.uptime_s));
    out.append(", pid ").append(std::to_string(process.id)).append(", Linux ");
    append_html_text(out, process.kernel);
    out.append(", ").append(process.io_backend);
    out.append(", ").append(std::to_string(process.resident_bytes >> 20)).append(" MiB resident, ");
    out.append(std::to_string(process.descriptors)).append(" of ");
    out.append(std::to_string(process.descriptors_max)).append(" descriptors</p>\n");
}

void write_pool(std::string& out, const PoolSnapshot& pool, int64_t now_s) {
    const PoolValues& values = pool.values;
    uint64_t errors = 0;
    for (const uint64_t count : values.errors) {
        errors += count;
    }
    out += "<h2>pool ";
    append_html_text(out, pool.name);
    out += "</h2>\n<p>";
    append_html_text(out, pool.protocol + " on " + pool.listen);
    out.append(", ").append(std::to_string(pool.servers_up())).append(" of ");
    out.append(std::to_string(pool.servers.size())).append(" servers up, ");
    out.append(std::to_string(values.client_connections)).append(" clients, ");
    out.append(std::to_string(pool.requests_read + pool.requests_write + pool.requests_other));
    out.append(" requests, ").append(std::to_string(errors)).append(" errors</p>\n");

    Table table(out,
                {"server",
                 "address",
                 "state",
                 "since",
                 "connections",
                 "requests",
                 "waiting",
                 "sent",
                 "timeouts",
                 "errors",
                 "p50",
                 "p99",
                 "p99.9",
                 "last change"});
    for (const ServerSnapshot& server : pool.servers) {
        const ServerValues& counts = server.values;
        table.begin_row();
        table.text(server.name);
        table.text(server.address);
        table.text(name_of(server.state), name_of(server.state));
        table.text(server.state_since_s == 0 ? "start"
                                             : duration_text(now_s - server.state_since_s));
        table.number(counts.connections);
        table.number(counts.requests);
        table.number(counts.in_queue);
        table.number(counts.out_queue);
        table.number(counts.timedout);
        table.number(counts.err);
        table.time(counts.latency.quantile_us(0.5));
        table.time(counts.latency.quantile_us(0.99));
        table.time(counts.latency.quantile_us(0.999));
        table.text(server.reason);
        table.end_row();
    }
}

void write_workers(std::string& out, const std::vector<WorkerSnapshot>& workers) {
    out += "<h2>workers</h2>\n";
    Table table(out,
                {"worker",
                 "clients",
                 "busy %",
                 "batches",
                 "enters",
                 "completions",
                 "overflows",
                 "starvations",
                 "buffers KiB"});
    for (size_t i = 0; i < workers.size(); ++i) {
        const WorkerValues& values = workers[i].values;
        table.begin_row();
        table.number(i);
        table.number(values.clients);
        table.number(workers[i].busy_millionths / 10'000);
        table.number(workers[i].batches);
        table.number(values.enters);
        table.number(values.completions);
        table.number(values.overflows);
        table.number(values.starvations);
        table.number(values.buffer_memory >> 10);
        table.end_row();
    }
}

}  // namespace

std::string status_page(const PageSources& sources) {
    const Snapshot& snapshot = *sources.snapshot;
    std::string out(head);
    write_process(out, sources);
    for (const PoolSnapshot& pool : snapshot.pools) {
        write_pool(out, pool, snapshot.process.taken_at_s);
    }
    write_workers(out, snapshot.workers);
    out +=
        "<p><a href=\"/metrics\">metrics</a> <a href=\"/stats.json\">stats.json</a> "
        "<a href=\"/slowlog\">slowlog</a> <a href=\"/config\">config</a> "
        "<a href=\"/healthz\">healthz</a> <a href=\"/readyz\">readyz</a></p>\n</body></html>\n";
    return out;
}

}  // namespace ringmain::stats
