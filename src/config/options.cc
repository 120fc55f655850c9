#include "ringmain/config/options.h"

#include "ringmain/base/assert.h"

#include <algorithm>

#include "option_rows.h"

namespace ringmain::config {

std::span<const Option> options(Section section) {
    switch (section) {
        case Section::Proxy:
            return proxy_options();
        case Section::Stats:
            return stats_options();
        case Section::Admin:
            return admin_options();
        case Section::Pool:
            return pool_options();
        case Section::Server:
            return server_options();
        case Section::User:
            return user_options();
    }
    RM_ASSERT(false);
}

const Option* find_option(Section section, std::string_view name) {
    const std::span<const Option> rows = options(section);
    const auto found = std::ranges::find(rows, name, &Option::name);
    return found == rows.end() ? nullptr : &*found;
}

std::vector<std::string_view> option_names(Section section) {
    std::vector<std::string_view> names;
    for (const Option& option : options(section)) {
        names.push_back(option.name);
    }
    return names;
}

}  // namespace ringmain::config
