// Which servers take `ms` as it is written to them.

#include "ringmain/memcached/server_version.h"

#include <initializer_list>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace ringmain::memcached {

TEST_CASE("server version: memcached takes ms since 1.6.10, and says its cas since 1.6.13") {
    for (const std::string_view version :
         {"1.6.13", "1.6.18", "1.6.13_4_gabcdef", "1.6.100", "1.7.0", "1.10.0", "2.0.0"}) {
        CAPTURE(version);
        CHECK(meta_support("VERSION " + std::string(version)) == MetaSupport::Right);
    }
    for (const std::string_view version : {"1.6.10", "1.6.10_4_gabcdef", "1.6.12"}) {
        CAPTURE(version);
        CHECK(meta_support("VERSION " + std::string(version)) == MetaSupport::Flawed);
    }
    for (const std::string_view version :
         {"1.6.9", "1.6.9+dfsg", "1.6.0", "1.6.9-rc1", "1.5.22", "1.4.39", "1.2.8", "1.06.09"}) {
        CAPTURE(version);
        CHECK(meta_support("VERSION " + std::string(version)) == MetaSupport::TooOld);
    }
}

TEST_CASE("server version: what is none of memcached's releases says nothing") {
    for (const std::string_view answer : {"VERSION 1.6.0 DF",
                                          "VERSION 1.0.0-mock",
                                          "VERSION 0.5.0",
                                          "VERSION mcrouter 39.0.0",
                                          "VERSION 1.6",
                                          "VERSION 1.6.",
                                          "VERSION 1.6.x",
                                          "VERSION 1..9",
                                          "VERSION 1.6.0000009",
                                          "VERSION ",
                                          "VERSION",
                                          "ERROR",
                                          ""}) {
        CAPTURE(answer);
        CHECK(meta_support(answer) == MetaSupport::Right);
    }
    CHECK(version_in("VERSION 1.6.9") == "1.6.9");
    CHECK(version_in("ERROR") == "ERROR");
}

}  // namespace ringmain::memcached
