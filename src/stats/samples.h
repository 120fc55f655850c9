// src/stats/samples.h - writes metrics in Prometheus text or OpenMetrics.

#pragma once

#include "ringmain/stats/prometheus.h"
#include "ringmain/stats/snapshot.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ringmain::stats {

enum class MetricType : uint8_t { Gauge, Counter, Histogram, Info };

[[nodiscard]] std::string_view name_of(MetricType type);

// Behind the name of a sample with one value: "_total", "_info" or nothing.
[[nodiscard]] std::string_view suffix_of(MetricType type);

struct Label {
    std::string_view name;
    std::string_view value;
};

using Labels = std::initializer_list<Label>;

class Samples {
  public:
    explicit Samples(MetricsFormat format) : format_(format) {}

    // HELP, TYPE and UNIT; then come the family's samples. `name` is without prefix and "_total".
    void begin(std::string_view name,
               MetricType type,
               std::string_view unit,
               std::string_view help);

    void add(Labels labels, uint64_t value);

    // Microseconds as seconds, millionths as a share.
    void add_millionths(Labels labels, uint64_t value);

    void add_histogram(Labels labels, const HistogramValues& values);

    [[nodiscard]] std::string take();

  private:
    // With one label more where it is given.
    void sample(std::string_view suffix, Labels labels, Label more, std::string_view value);

    MetricsFormat format_;
    MetricType type_ = MetricType::Gauge;
    std::string_view name_;
    std::string out_;
};

}  // namespace ringmain::stats
