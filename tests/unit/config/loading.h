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

// So many pools, each of which is warned about once, on ports from 24000 on.
inline std::string pools_with_warnings(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
        const std::string number = std::to_string(i);
        text += "[pool.p" + number + "]\nlisten = '127.0.0.1:" + std::to_string(24'000 + i) +
                "'\ntimeout = 0\nservers = ['127.0.0.1:1:1 a']\n";
    }
    return text;
}

// The report.
inline std::string refused(std::string_view text) {
    const Loaded loaded = load(text, "f");
    CHECK_FALSE(loaded.accepted());
    return report(loaded, text);
}

}  // namespace ringmain::config
