// ringmain/stats/pages.h - what the admin port answers.
//
//   /             a page for people       /healthz   200 while the process lives
//   /metrics      prometheus.h            /readyz    200 while clients are accepted, else 503
//   /stats.json   json.h                  /config    the configuration in use, secrets masked
//   /slowlog      slow_log.h
//
// Nothing can be changed here: GET and HEAD only.

#pragma once

#include "ringmain/stats/http.h"
#include "ringmain/stats/slow_log.h"
#include "ringmain/stats/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

namespace ringmain::stats {

struct PageSources {
    const Snapshot* snapshot = nullptr;
    const SlowLog* slow_log = nullptr;
    uint64_t slow_threshold_us = 0;  // 0: the slow log is off
    uint64_t slow_dropped = 0;
    std::string_view config;  // TOML
    bool draining = false;    // now; the snapshot may be older
    uint64_t edition = 0;     // another one whenever anything here has changed
};

// A complete response.
[[nodiscard]] std::string answer(const HttpRequest& request, const PageSources& sources);

// The same to what could not be read (HttpReader::error). The connection is to be closed behind it.
[[nodiscard]] std::string refusal(uint16_t status, std::string_view why = {});

// Answers of one edition are made once, however many ask for them, and freed when the last of them
// has read his: with hundreds of pools a page is megabytes. While two editions of a large page are
// being read, whoever comes gets the newer of these: its age is bounded by the time that a reader
// has (Port::write_limit).
class Pages {
  public:
    struct Page {
        std::string key;
        uint64_t edition = 0;
        uint32_t readers = 0;
        std::string text;
    };

    struct GiveBack {
        Pages* pages = nullptr;

        void operator()(const Page* page) const { pages->give_back(page); }
    };

    using Reading = std::unique_ptr<const Page, GiveBack>;

    // `sources` outlives it, and it outlives what is being read.
    explicit Pages(const PageSources& sources) : sources_(&sources) {}

    [[nodiscard]] Reading answer(const HttpRequest& request);
    [[nodiscard]] Reading refusal(uint16_t status, std::string_view why = {});

    // What the statistics port says.
    [[nodiscard]] Reading statistics();

  private:
    static constexpr size_t editions_max = 2;  // of a page
    static constexpr size_t large_size = size_t{64} * 1024;

    template <class Make>
    [[nodiscard]] Reading read(const std::string& key, const Make& make);
    void give_back(const Page* page);

    const PageSources* sources_;
    std::list<Page> pages_;  // that are being read, in the order in which they were made
};

// The page for people.
[[nodiscard]] std::string status_page(const PageSources& sources);

}  // namespace ringmain::stats
