// ringmain/config/reload.h - what a configuration may change while the process runs.

#pragma once

#include "ringmain/config/config.h"

#include <string>
#include <vector>

namespace ringmain::config {

// Options that are fixed at start (Option::fixed) get the running value in `next`. Returns those
// that `next` wanted otherwise: "[proxy] workers", ...
[[nodiscard]] std::vector<std::string> keep_fixed(const Config& running, Config& next);

// What a reload from the one to the other changes, for the log: "[proxy] changed: log_level"; "pool
// alpha: changed: timeout, servers (3, were 2)"; "pool beta: added". Empty when they say the same.
[[nodiscard]] std::vector<std::string> changes(const Config& running, const Config& next);

}  // namespace ringmain::config
