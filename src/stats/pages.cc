#include "ringmain/stats/pages.h"

#include "ringmain/base/assert.h"
#include "ringmain/stats/json.h"
#include "ringmain/stats/prometheus.h"

#include <algorithm>

namespace ringmain::stats {

namespace {

struct Page {
    uint16_t status = 200;
    std::string_view content_type = "text/plain; charset=utf-8";
    std::string body;
    std::string_view more_headers = {};
};

constexpr std::string_view json_type = "application/json";

Page page_of(const HttpRequest& request, const PageSources& sources) {
    const std::string_view path = request.path;
    if (path == "/metrics") {
        const MetricsFormat format = negotiate(request.accept);
        return {.content_type = content_type(format),
                .body = to_metrics(*sources.snapshot, format),
                .more_headers = "Vary: Accept\r\n"};
    }
    if (path == "/stats.json") {
        return {.content_type = json_type,
                .body = to_json(*sources.snapshot, JsonScope::Everything)};
    }
    if (path == "/healthz") return {.body = "ok\n"};
    if (path == "/readyz") {
        if (sources.draining) return {.status = 503, .body = "draining\n"};
        return {.body = "ready\n"};
    }
    if (path == "/config") {
        return {.content_type = "application/toml; charset=utf-8",
                .body = std::string(sources.config)};
    }
    if (path == "/slowlog") {
        return {.content_type = json_type,
                .body = sources.slow_log->to_json(sources.slow_threshold_us, sources.slow_dropped)};
    }
    if (path == "/") {
        return {.content_type = "text/html; charset=utf-8",
                .body = status_page(sources),
                .more_headers =
                    "Content-Security-Policy: default-src 'none'; "
                    "style-src 'unsafe-inline'\r\n"};
    }
    return {.status = 404,
            .body =
                "no such page; there are / /metrics /stats.json /healthz /readyz /config "
                "/slowlog\n"};
}

}  // namespace

std::string answer(const HttpRequest& request, const PageSources& sources) {
    const bool head_only = request.method == "HEAD";
    Page page;
    if (head_only || request.method == "GET") {
        page = page_of(request, sources);
    } else {
        page = {.status = 405,
                .body = "nothing can be changed here: GET and HEAD only\n",
                .more_headers = "Allow: GET, HEAD\r\n"};
    }
    return http_text({.status = page.status,
                      .content_type = page.content_type,
                      .body = page.body,
                      .head_only = head_only,
                      .keep_alive = request.keep_alive,
                      .more_headers = page.more_headers});
}

std::string refusal(uint16_t status, std::string_view why) {
    std::string body = why.empty() ? "this is no HTTP/1.1 request\n" : std::string(why) + "\n";
    if (status == 413) body = "no request here has a body\n";
    if (status == 414 || status == 431) body = "a request is at most 8192 bytes long\n";
    if (status == 505) body = "HTTP/1.0 and HTTP/1.1 only\n";
    return http_text({.status = status, .body = body});
}

template <class Make>
Pages::Reading Pages::read(const std::string& key, const Make& make) {
    Page* page = nullptr;
    size_t editions = 0;
    for (Page& one : pages_) {
        if (one.key != key) continue;
        page = &one;
        editions += 1;
    }
    const bool is_enough = editions >= editions_max && page->text.size() >= large_size;
    if (page == nullptr || (page->edition != sources_->edition && !is_enough)) {
        pages_.push_back({.key = key, .edition = sources_->edition, .text = make()});
        page = &pages_.back();
    }
    page->readers += 1;
    return {page, GiveBack{this}};
}

void Pages::give_back(const Page* page) {
    const auto found = std::ranges::find_if(pages_, [page](Page& one) { return &one == page; });
    RM_ASSERT(found != pages_.end());
    found->readers -= 1;
    if (found->readers == 0) pages_.erase(found);
}

Pages::Reading Pages::answer(const HttpRequest& request) {
    const auto format = static_cast<uint32_t>(negotiate(request.accept));
    return read(request.method + " " + request.path + " " + std::to_string(format) +
                    (request.keep_alive ? " keep-alive" : ""),
                [&] { return stats::answer(request, *sources_); });
}

Pages::Reading Pages::statistics() {
    return read("statistics", [this] { return to_json(*sources_->snapshot, JsonScope::Pools); });
}

Pages::Reading Pages::refusal(uint16_t status, std::string_view why) {
    return read("refusal " + std::to_string(status) + std::string(why),
                [&] { return stats::refusal(status, why); });
}

}  // namespace ringmain::stats
