#include "ringmain/config/locate.h"

#include "ringmain/config/load.h"
#include "tests/unit/config/loading.h"

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

constexpr std::string_view two_pools = R"(
[pool.alpha]
listen = "127.0.0.1:1"
servers = ["10.0.0.1:6379:1 a", "10.0.0.2:6379:1 b", "10.0.0.3:6379:1 c"]
hash_tag = "{}"
[pool.beta]
listen = "127.0.0.1:2"
distribution = "random"
servers = ["h:1", "h:2"]
)";

}  // namespace

TEST_CASE("a pool is chosen by name, or as the only one") {
    const Config two = accepted(two_pools);
    CHECK(choose_pool(two, "beta").value()->name == "beta");
    CHECK(choose_pool(two, "").error().find("alpha or beta") != std::string::npos);
    CHECK(choose_pool(two, "alhpa").error().find("did you mean 'alpha'?") != std::string::npos);
    CHECK(choose_pool(two, "zzz").error().find("alpha and beta") != std::string::npos);
    const Config one = accepted("[pool.x]\nlisten='h:1'\nservers=['h:2']");
    CHECK(choose_pool(one, "").value()->name == "x");
}

TEST_CASE("a line has the key, the server, its address and the hash, with tabs between") {
    const Config config = accepted(two_pools);
    const Pool& pool = config.pools.front();
    const Locator locator(pool);
    CHECK(locator.has_fixed_places());

    const placement::Placement placement(pool.placement, pool.nodes());
    Prng prng(1);
    for (const std::string_view key : {"foo", "", "user:{7}:name", "{7}"}) {
        const Server& server = pool.servers[placement.server_of(key, prng)];
        CHECK(locator.line(key, key) == std::string(key) + "\t" + server.name + "\t" +
                                            server.address.text() + "\t" +
                                            std::to_string(placement.hash_of(key)));
    }
    CHECK(locator.line("-", "").ends_with("\t0"));
    // One tag, one place; what is shown is the key as it was given.
    const std::string tagged = locator.line("k", "user:{7}:name");
    CHECK(tagged == locator.line("k", "{7}"));
    CHECK(locator.line("a\tb\x1b[2J", "a").starts_with("a?b?[2J\t"));
}

TEST_CASE("random places are not fixed, unless there is one server") {
    const Config config = accepted(two_pools);
    CHECK_FALSE(Locator(config.pools[1]).has_fixed_places());
    const Config one = accepted("[pool.x]\nlisten='h:1'\ndistribution='random'\nservers=['h:2']");
    CHECK(Locator(one.pools.front()).has_fixed_places());
}

TEST_CASE("keys in hexadecimal") {
    CHECK(key_from_hex("6b6579") == "key");
    CHECK(key_from_hex("00fF") == std::string("\0\xff", 2));
    CHECK(key_from_hex("-") == "");
    for (const char* text : {"", "6", "6g", "0x6b", "6b 65", "--"}) {
        CAPTURE(text);
        CHECK_FALSE(key_from_hex(text).has_value());
    }
}

}  // namespace ringmain::config
