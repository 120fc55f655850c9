// Property: whatever `migrate` gives out, `load` accepts, pool for pool.

#include "ringmain/base/assert.h"
#include "ringmain/config/load.h"
#include "ringmain/config/migrate.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ringmain::config;  // NOLINT(google-build-using-namespace)
    const std::string_view yaml(reinterpret_cast<const char*>(data), size);
    const Migrated migrated = migrate(yaml, "fuzz.yml");
    static_cast<void>(render(migrated.diagnostics, "fuzz.yml", yaml));
    RM_ASSERT(migrated.accepted() != !migrated.diagnostics.empty());
    if (migrated.accepted()) RM_ASSERT(load(migrated.toml, "fuzz.toml").accepted());
    return 0;
}
