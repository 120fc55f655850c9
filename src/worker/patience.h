// src/worker/patience.h - how many completions a worker waits for before it wakes up.
//
// Waking up, waking up the peers, and a send to each server cost a batch about as much whether it
// has one request or twenty; so with much in flight it pays to let a few responses and requests
// come together. What comes alone is never kept waiting: with few requests in flight one completion
// will do, and the wait for several is bounded (src/design/0011).

#pragma once

#include "ringmain/base/time.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace ringmain::worker {

// The longest that an event waits for others.
inline constexpr Duration gather_limit = {50'000};

// Of the requests in flight, one in so many is waited for. For a few the timer costs more than it
// saves.
inline constexpr size_t gather_share = 4;
inline constexpr size_t gather_min = 4;
inline constexpr size_t gather_max = 16;

// The sends that are handed over with the wait usually complete at once and would end it.
[[nodiscard]] constexpr uint32_t completions_to_gather(uint32_t sends, size_t requests_in_flight) {
    const size_t events = std::min(requests_in_flight / gather_share, gather_max);
    return events < gather_min ? 1 : sends + static_cast<uint32_t>(events);
}

}  // namespace ringmain::worker
