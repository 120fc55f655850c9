// perf/micro/works.h - what the whole proxy is measured with: names, requests, servers.

#pragma once

#include "perf/micro/replay.h"

#include <memory>
#include <string>
#include <vector>

namespace ringmain::perf {

struct Work {
    std::string name;  // "resp get 64 B, depth 16"
    config::Protocol protocol = config::Protocol::Redis;
    size_t servers = 1;
    size_t depth = 1;      // requests per round
    std::string requests;  // of a round

    [[nodiscard]] std::unique_ptr<Replay> replay() const;
};

[[nodiscard]] const std::vector<Work>& works();

}  // namespace ringmain::perf
