#include "ringmain/stats/prometheus.h"

#include <set>
#include <string>
#include <vector>

#include "sample.h"
#include <doctest/doctest.h>

namespace ringmain::stats {

using test::contains;
using test::sample;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    size_t begin = 0;
    for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    CHECK(begin == text.size());
    return lines;
}

}  // namespace

TEST_CASE("every figure of the snapshot is a sample") {
    const Snapshot now = sample();
    const std::string text = to_metrics(now, MetricsFormat::Text);
    test::for_each_figure(now, [&](const std::string& name, uint64_t value) {
        CAPTURE(name);
        CHECK(contains(text, " " + std::to_string(value) + "\n"));
    });
    CHECK(contains(text, " " + std::to_string(now.process.resident_bytes) + "\n"));
}

TEST_CASE("a counter in both formats") {
    const Snapshot now = sample();
    const std::string value = std::to_string(now.pools[0].values.fragments);
    CHECK(
        contains(to_metrics(now, MetricsFormat::Text),
                 "\n# HELP ringmain_fragments_total requests sent towards servers, each part of a "
                 "split one counted\n# TYPE ringmain_fragments_total counter\n"
                 "ringmain_fragments_total{pool=\"alpha\"} " +
                     value + "\n"));
    CHECK(
        contains(to_metrics(now, MetricsFormat::OpenMetrics),
                 "\n# TYPE ringmain_fragments counter\nringmain_fragments_total{pool=\"alpha\"} " +
                     value + "\n"));
}

TEST_CASE("OpenMetrics names units and ends with its end") {
    const std::string text = to_metrics(sample(), MetricsFormat::OpenMetrics);
    CHECK(text.ends_with("\n# EOF\n"));
    CHECK(contains(text, "# UNIT ringmain_request_duration_seconds seconds\n"));
    CHECK(contains(text, "# TYPE ringmain_build info\nringmain_build_info{version=\"0.9.9\""));
    CHECK_FALSE(contains(to_metrics(sample(), MetricsFormat::Text), "# UNIT"));
    CHECK_FALSE(contains(to_metrics(sample(), MetricsFormat::Text), "# EOF"));
}

TEST_CASE("each family stands together, under one HELP and one TYPE, with ringmain's prefix") {
    for (const MetricsFormat format : {MetricsFormat::Text, MetricsFormat::OpenMetrics}) {
        std::set<std::string> families;
        std::string family;
        for (const std::string& line : lines_of(to_metrics(sample(), format))) {
            if (line.starts_with("# HELP ")) {
                family = line.substr(7, line.find(' ', 7) - 7);
                CHECK_MESSAGE(families.insert(family).second, family);
            }
            if (line.starts_with("#")) continue;
            CHECK_MESSAGE(line.starts_with(family), line);
            CHECK(line.starts_with("ringmain_"));
        }
        CHECK(families.size() > 30);
    }
}

TEST_CASE("times are seconds, exact to the microsecond") {
    const std::string text = to_metrics(sample(), MetricsFormat::Text);
    CHECK(contains(text, "ringmain_process_cpu_seconds_total 12.5\n"));
    CHECK(contains(text, "ringmain_worker_cpu_seconds_total{worker=\"0\"} 2.25\n"));
    const std::string time = "ringmain_worker_time_seconds_total{worker=\"0\",state=";
    CHECK(contains(text, time + "\"working\"} 2.25\n"));
    CHECK(contains(text, time + "\"ready\"} 0.125\n"));
    CHECK(contains(text, time + "\"waiting\"} 7.5\n"));
    CHECK(contains(text, "ringmain_oldest_request_seconds{pool=\"alpha\"} 1.375\n"));
    CHECK(contains(text, "ringmain_worker_batches_total{worker=\"0\"} 31\n"));
    CHECK(contains(text, "ringmain_worker_busy_ratio{worker=\"0\"} 0.6123\n"));
    CHECK(contains(text,
                   "ringmain_server_ejected_timestamp_seconds{pool=\"alpha\",server=\"cache1\"} "
                   "1800000090.25\n"));
}

TEST_CASE("histograms are cumulative up to +Inf, which is the count") {
    const std::string text = to_metrics(sample(), MetricsFormat::Text);
    const std::string name = "ringmain_backend_duration_seconds";
    const std::string labels = "{pool=\"alpha\",server=\"cache1\"";
    CHECK(contains(text, name + "_bucket" + labels + ",le=\"0.0002\"} 0\n"));
    CHECK(contains(text, name + "_bucket" + labels + ",le=\"0.0004\"} 1\n"));
    CHECK(contains(text, name + "_bucket" + labels + ",le=\"0.0016\"} 1\n"));
    CHECK(contains(text, name + "_bucket" + labels + ",le=\"0.0032\"} 2\n"));
    CHECK(contains(text, name + "_bucket" + labels + ",le=\"104.8576\"} 2\n"));
    CHECK(contains(text, name + "_bucket" + labels + ",le=\"+Inf\"} 2\n"));
    CHECK(contains(text, name + "_sum" + labels + "} 0.0033\n"));
    CHECK(contains(text, name + "_count" + labels + "} 2\n"));
}

TEST_CASE("the state of a server is one of all states") {
    const std::string text = to_metrics(sample(), MetricsFormat::Text);
    const std::string labels = "{pool=\"alpha\",server=\"cache1\"";
    CHECK(contains(text, "ringmain_server_up" + labels + "} 0\n"));
    CHECK(contains(text, "ringmain_server_state" + labels + ",state=\"up\"} 0\n"));
    CHECK(contains(text, "ringmain_server_state" + labels + ",state=\"down\"} 0\n"));
    CHECK(contains(text, "ringmain_server_state" + labels + ",state=\"ejected\"} 1\n"));
    CHECK(contains(text, "ringmain_server_up{pool=\"alpha\",server=\"10.0.0.2\"} 1\n"));
}

TEST_CASE("the limit of clients is the smaller one of pool and process, or none") {
    const std::string name = "ringmain_client_connections_limit{";
    Snapshot now = sample();
    CHECK(contains(to_metrics(now, MetricsFormat::Text), name + "pool=\"alpha\"} 10000\n"));
    now.process.client_limit = 500;
    CHECK(contains(to_metrics(now, MetricsFormat::Text), name + "pool=\"alpha\"} 500\n"));
    CHECK(contains(to_metrics(now, MetricsFormat::Text),
                   "ringmain_process_client_connections_limit 500\n"));
    now.process.client_limit = 0;
    now.pools[0].client_limit = 0;
    CHECK_FALSE(contains(to_metrics(now, MetricsFormat::Text), name));
}

TEST_CASE("labels are escaped") {
    Snapshot now = sample();
    now.pools[0].name = "a\"b\\c\nd\xFF";
    CHECK(contains(to_metrics(now, MetricsFormat::Text),
                   "ringmain_fragments_total{pool=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\"} "));
}

TEST_CASE("the format is what the reader likes best") {
    CHECK(negotiate("") == MetricsFormat::Text);
    CHECK(negotiate("*/*") == MetricsFormat::Text);
    CHECK(negotiate("text/html,*/*;q=0.8") == MetricsFormat::Text);
    CHECK(negotiate("application/openmetrics-text") == MetricsFormat::OpenMetrics);
    // Prometheus 2.42 and 3.0.
    CHECK(negotiate("application/openmetrics-text;version=1.0.0,"
                    "application/openmetrics-text;version=0.0.1;q=0.75,"
                    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1") == MetricsFormat::OpenMetrics);
    CHECK(negotiate("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2") == MetricsFormat::OpenMetrics);
    CHECK(negotiate("text/plain; version=0.0.4, Application/OpenMetrics-Text; q=0.5") ==
          MetricsFormat::Text);
    CHECK(negotiate("application/openmetrics-text;version=0.0.1") == MetricsFormat::Text);
    CHECK(negotiate("application/openmetrics-text;q=0") == MetricsFormat::Text);
    CHECK(negotiate(",;=,q=;;") == MetricsFormat::Text);
}

TEST_CASE("the reference names every family") {
    const std::string reference = metrics_help();
    for (const std::string& line : lines_of(to_metrics(sample(), MetricsFormat::Text))) {
        if (!line.starts_with("# TYPE ")) continue;
        const std::string name = line.substr(7, line.find(' ', 7) - 7);
        const bool named =
            contains(reference, "\n" + name + "  ") || contains(reference, "\n" + name + "{");
        CHECK_MESSAGE(named, name);
    }
}

}  // namespace ringmain::stats
