// Property: every diagnostic stands inside the text, none shows the password, and an accepted
// configuration has everything that the rest of the program relies on.

#include "ringmain/base/assert.h"
#include "ringmain/config/load.h"
#include "ringmain/placement/placement.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace {

using namespace ringmain::config;  // NOLINT(google-build-using-namespace)

void check_place(const Place& place, std::string_view text) {
    const auto lines = static_cast<size_t>(std::ranges::count(text, '\n')) + 1;
    RM_ASSERT(place.line >= 1 && place.line <= lines);
    RM_ASSERT(place.column >= 1 && place.length >= 1);
    size_t begin = 0;
    for (uint32_t line = 1; line < place.line; ++line) {
        begin = text.find('\n', begin) + 1;
    }
    const size_t end = std::min(text.find('\n', begin), text.size());
    RM_ASSERT(place.column <= end - begin + 1);
}

void check_pool(const Pool& pool) {
    RM_ASSERT(!pool.name.empty() && !pool.listen.empty() && !pool.servers.empty());
    RM_ASSERT(pool.listen.is_path() || pool.listen.port > 0);
    RM_ASSERT(pool.placement.hash_tag.empty() || pool.placement.hash_tag.size() == 2);
    RM_ASSERT(pool.timeout_ms >= 0 && pool.connect_timeout_ms > 0 && pool.server_connections > 0);
    RM_ASSERT(pool.redis_auth.empty() || pool.protocol == Protocol::Redis);
    RM_ASSERT(pool.requests_in_flight_max > 0 && pool.key_size_max > 0);
    std::vector<std::string> names;
    uint64_t weights = 0;
    for (const Server& server : pool.servers) {
        RM_ASSERT(!server.ring_name.empty() && server.weight > 0);
        RM_ASSERT(server.address.is_path() || server.address.port > 0);
        names.push_back(server.ring_name);
        weights += server.weight;
    }
    RM_ASSERT(weights <= INT32_MAX);
    const std::vector<uint32_t> order = ringmain::placement::sorted_order(names);
    RM_ASSERT(std::ranges::is_sorted(order));
    std::ranges::sort(names);
    RM_ASSERT(std::ranges::adjacent_find(names) == names.end());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Loaded loaded = load(text, "fuzz.toml", 4);
    const std::string shown = report(loaded, text);
    RM_ASSERT(!shown.empty());
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
        RM_ASSERT(!diagnostic.message.empty());
        check_place(diagnostic.place, text);
    }
    if (!loaded.accepted()) return 0;

    const Config& config = loaded.config;
    RM_ASSERT(!config.pools.empty());
    RM_ASSERT(config.proxy.workers >= 1 && config.proxy.workers <= 256);
    for (const Pool& pool : config.pools) {
        check_pool(pool);
        // Short passwords occur elsewhere by chance.
        if (pool.redis_auth.size() >= 12 && text.find("redis_auth") != std::string_view::npos) {
            RM_ASSERT(shown.find("redis_auth = \"" + pool.redis_auth) == std::string::npos);
        }
    }
    return 0;
}
