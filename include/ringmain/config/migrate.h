// ringmain/config/migrate.h - twemproxy's nutcracker.yml -> ringmain's TOML.
//
// Every directive of twemproxy 0.5.0 is understood. Its defaults are written out, so that a pool
// behaves as before; names, weights and order keep every key on its server; a comment stands where
// something changes. The result is loaded once before it is given out: what `migrate` prints,
// `check` accepts.

#pragma once

#include "ringmain/config/diagnostic.h"

#include <string>
#include <string_view>
#include <vector>

namespace ringmain::config {

struct Migrated {
    std::string toml;                     // empty when there are errors
    std::vector<Diagnostic> diagnostics;  // about the YAML text

    [[nodiscard]] bool accepted() const { return !toml.empty(); }
};

// `file` is the name shown to people.
[[nodiscard]] Migrated migrate(std::string_view yaml, std::string_view file);

}  // namespace ringmain::config
