#include "ringmain/stats/histogram.h"

#include <memory>

namespace ringmain::stats {

Histogram::~Histogram() {
    delete buckets_.load(std::memory_order_relaxed);
}

void Histogram::prepare() {
    if (is_prepared()) return;
    buckets_.store(std::make_unique<Buckets>().release(), std::memory_order_release);
}

}  // namespace ringmain::stats
