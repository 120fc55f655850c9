// tests/unit/config/loading.h - configurations that are taken or refused, and what is said of them.

#pragma once

#include "ringmain/config/load.h"
#include "tests/contains.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::config {

using test::contains;

inline Config accepted(std::string_view text, uint32_t cpus = 1) {
    const Loaded loaded = load(text, "test.toml", cpus);
    INFO(report(loaded, text));
    REQUIRE(loaded.accepted());
    return loaded.config;
}

// The report.
inline std::string refused(std::string_view text) {
    const Loaded loaded = load(text, "f");
    CHECK_FALSE(loaded.accepted());
    return report(loaded, text);
}

}  // namespace ringmain::config
