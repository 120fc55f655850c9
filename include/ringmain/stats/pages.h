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

#include <cstdint>
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
};

// A complete response.
[[nodiscard]] std::string answer(const HttpRequest& request, const PageSources& sources);

// The same to what could not be read (HttpReader::error). The connection is to be closed behind it.
[[nodiscard]] std::string refusal(uint16_t status, std::string_view why = {});

// The page for people.
[[nodiscard]] std::string status_page(const PageSources& sources);

}  // namespace ringmain::stats
