// ringmain/stats/prometheus.h - the snapshot for Prometheus and what reads its formats.
//
// One table of metrics (src/stats/metrics.cc) gives names, types, help, both texts and the
// reference for people. Names begin with "ringmain_", units are seconds and bytes.

#pragma once

#include "ringmain/stats/snapshot.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::stats {

enum class MetricsFormat : uint8_t {
    Text,         // Prometheus text 0.0.4
    OpenMetrics,  // 1.0.0
};

// What a reader with that Accept header gets.
[[nodiscard]] MetricsFormat negotiate(std::string_view accept);

[[nodiscard]] std::string_view content_type(MetricsFormat format);

[[nodiscard]] std::string to_metrics(const Snapshot& snapshot, MetricsFormat format);

// Every metric with type, labels and meaning: `ringmain help metrics`, conf/metrics.txt.
[[nodiscard]] std::string metrics_help();

}  // namespace ringmain::stats
