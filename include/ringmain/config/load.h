// ringmain/config/load.h - TOML text -> Config, with everything that is wrong with it at once.
//
// Pure: no file is opened here, no name is resolved (config/file.h reads; worker/ resolves). What
// the text may contain, its limits and its defaults are rows of one table, config/options.h.

#pragma once

#include "ringmain/config/config.h"
#include "ringmain/config/diagnostic.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::config {

struct Loaded {
    Config config;                        // of use only when accepted
    std::vector<Diagnostic> diagnostics;  // in the order of the file
    size_t warnings_left_out = 0;         // more than `diagnostics` has

    [[nodiscard]] bool accepted() const;  // no errors; warnings are allowed
};

// `file` is the name shown to people. `cpus_allowed` is what `workers = "auto"` becomes.
[[nodiscard]] Loaded load(std::string_view text, std::string_view file, uint32_t cpus_allowed = 1);

// What `check` prints: every diagnostic, then one line with the verdict.
[[nodiscard]] std::string report(const Loaded& loaded, std::string_view text);

}  // namespace ringmain::config
