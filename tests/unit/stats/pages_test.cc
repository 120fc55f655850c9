#include "ringmain/stats/pages.h"

#include "ringmain/stats/json.h"
#include "ringmain/stats/prometheus.h"

#include <string>

#include "sample.h"
#include <doctest/doctest.h>

namespace ringmain::stats {

using test::contains;

namespace {

struct Port {
    Snapshot snapshot = test::sample();
    SlowLog slow_log{8};
    PageSources sources = {.snapshot = &snapshot,
                           .slow_log = &slow_log,
                           .slow_threshold_us = 10'000,
                           .slow_dropped = 1,
                           .config = "[proxy]\nworkers = 2\n"};

    [[nodiscard]] std::string get(const std::string& path, const std::string& accept = {}) const {
        HttpRequest request;
        request.method = "GET";
        request.path = path;
        request.accept = accept;
        return answer(request, sources);
    }
};

std::string body_of(const std::string& response) {
    return response.substr(response.find("\r\n\r\n") + 4);
}

}  // namespace

TEST_CASE("each path has its page") {
    const Port port;
    CHECK(body_of(port.get("/metrics")) == to_metrics(port.snapshot, MetricsFormat::Text));
    CHECK(contains(port.get("/metrics"), "Content-Type: text/plain; version=0.0.4;"));
    CHECK(body_of(port.get("/metrics", "application/openmetrics-text")) ==
          to_metrics(port.snapshot, MetricsFormat::OpenMetrics));
    CHECK(contains(port.get("/metrics", "application/openmetrics-text"),
                   "Content-Type: application/openmetrics-text; version=1.0.0;"));
    CHECK(body_of(port.get("/stats.json")) == to_json(port.snapshot, JsonScope::Everything));
    CHECK(contains(port.get("/stats.json"), "Content-Type: application/json\r\n"));
    CHECK(body_of(port.get("/slowlog")) == port.slow_log.to_json(10'000, 1));
    CHECK(body_of(port.get("/config")) == "[proxy]\nworkers = 2\n");
    CHECK(body_of(port.get("/healthz")) == "ok\n");
}

TEST_CASE(
    "a page is made once for all who read the same edition, and freed with the last of them") {
    Port port;
    Pages pages(port.sources);
    HttpRequest metrics;
    metrics.method = "GET";
    metrics.path = "/metrics";
    HttpRequest head = metrics;
    head.method = "HEAD";
    HttpRequest kept_alive = metrics;
    kept_alive.keep_alive = true;
    HttpRequest open_metrics = metrics;
    open_metrics.accept = "application/openmetrics-text";
    Pages::Reading first = pages.answer(metrics);
    CHECK(first->text == answer(metrics, port.sources));
    CHECK(pages.answer(metrics).get() == first.get());
    for (const HttpRequest& other : {head, kept_alive, open_metrics}) {
        CHECK(pages.answer(other)->text == answer(other, port.sources));
    }
    CHECK(pages.statistics()->text == to_json(port.snapshot, JsonScope::Pools));
    CHECK(pages.refusal(505)->text == refusal(505));
    // What nobody reads any more is made anew, though its edition is the same.
    port.snapshot.process.uptime_s += 1;
    port.snapshot.process.resident_bytes += 1;
    CHECK(pages.statistics()->text == to_json(port.snapshot, JsonScope::Pools));
    CHECK(pages.answer(metrics)->text != answer(metrics, port.sources));
    first.reset();
    CHECK(pages.answer(metrics)->text == answer(metrics, port.sources));
}

TEST_CASE("of two editions of a large page that are being read whoever comes gets the newer one") {
    Port port;
    port.snapshot.pools[0].name = std::string(70'000, 'p');
    Pages pages(port.sources);
    const auto next_edition = [&] {
        port.sources.edition += 1;
        return pages.statistics();
    };
    Pages::Reading first = next_edition();
    const Pages::Reading second = next_edition();
    CHECK(second.get() != first.get());
    CHECK(next_edition().get() == second.get());
    first.reset();
    CHECK(next_edition().get() != second.get());
}

TEST_CASE("who does not read /readyz hides from nobody that it is not ready any more") {
    Port port;
    Pages pages(port.sources);
    HttpRequest ready;
    ready.method = "GET";
    ready.path = "/readyz";
    const Pages::Reading first = pages.answer(ready);
    port.sources.edition += 1;
    const Pages::Reading second = pages.answer(ready);
    port.sources.edition += 1;
    port.sources.draining = true;
    CHECK(pages.answer(ready)->text == answer(ready, port.sources));
}

TEST_CASE("ready while clients are accepted, not ready while draining, alive in both") {
    Port port;
    CHECK(port.get("/readyz").starts_with("HTTP/1.1 200 OK\r\n"));
    port.sources.draining = true;
    CHECK(port.get("/readyz").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    CHECK(port.get("/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("what is not there and what cannot be done says so") {
    const Port port;
    CHECK(port.get("/metric").starts_with("HTTP/1.1 404 Not Found\r\n"));
    CHECK(port.get("/metrics/").starts_with("HTTP/1.1 404 Not Found\r\n"));
    HttpRequest post;
    post.method = "POST";
    post.path = "/metrics";
    CHECK(answer(post, port.sources).starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    CHECK(contains(answer(post, port.sources), "\r\nAllow: GET, HEAD\r\n"));
}

TEST_CASE("HEAD is GET without the body") {
    const Port port;
    HttpRequest head;
    head.method = "HEAD";
    head.path = "/config";
    const std::string get = port.get("/config");
    CHECK(answer(head, port.sources) == get.substr(0, get.size() - body_of(get).size()));
}

TEST_CASE("a refusal closes and says why") {
    for (const int number : {400, 413, 414, 431, 505}) {
        const auto status = static_cast<uint16_t>(number);
        const std::string text = refusal(status);
        CHECK(text.starts_with("HTTP/1.1 " + std::to_string(status) + " "));
        CHECK_FALSE(text.starts_with("HTTP/1.1 " + std::to_string(status) + " Error"));
        CHECK(contains(text, "Connection: close\r\n"));
    }
}

TEST_CASE("the page for people shows servers and their state, with names escaped") {
    Port port;
    port.snapshot.pools[0].name = "<script>alert('x')</script>&\"";
    port.snapshot.pools[0].servers[0].reason = "it said <b>";
    const std::string page = port.get("/");
    CHECK(contains(page, "Content-Type: text/html; charset=utf-8\r\n"));
    CHECK(contains(page, "Content-Security-Policy: default-src 'none'"));
    CHECK(contains(page, "pool &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;</h2>"));
    CHECK(contains(page, "it said &lt;b&gt;"));
    CHECK_FALSE(contains(page, "<script>"));
    CHECK(contains(page, "<td class=\"ejected\">ejected</td>"));
    CHECK(contains(page, "up 1min 30s"));
    CHECK(contains(page, "<td>3.07 ms</td>"));
    port.sources.draining = true;
    CHECK(contains(port.get("/"), "draining"));
}

}  // namespace ringmain::stats
