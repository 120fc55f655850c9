#include "ringmain/core/counted_commands.h"

#include "ringmain/base/assert.h"
#include "ringmain/resp/commands.h"
#include "ringmain/stats/counters.h"

#include <algorithm>
#include <vector>

namespace ringmain::core {

namespace {

constexpr CountedCommand unknown = {.name = "unknown", .kind = CommandClass::Other};

CommandClass class_of(const Command& command) {
    if ((command.flags & command_flag::readonly) != 0) return CommandClass::Read;
    return (command.flags & command_flag::write) != 0 ? CommandClass::Write : CommandClass::Other;
}

constexpr CommandClass class_of(memcached::Verb verb) {
    using memcached::Verb;
    if (memcached::is_plain_get(verb) || verb == Verb::MetaGet || verb == Verb::MetaDebug) {
        return CommandClass::Read;
    }
    const bool writes_nothing = verb == Verb::Verbosity || verb == Verb::Stats ||
                                verb == Verb::Version || verb == Verb::Quit ||
                                verb == Verb::MetaNoop || verb == Verb::Invalid;
    return writes_nothing ? CommandClass::Other : CommandClass::Write;
}

std::vector<CountedCommand> resp_table() {
    std::vector<CountedCommand> table = {unknown};
    for (const Command& command : resp::commands()) {
        RM_ASSERT(command.number == table.size());
        table.push_back({.name = command.name, .kind = class_of(command)});
    }
    // Behind them containers once more, for subcommands of another class: XGROUP CREATE writes.
    for (const Command& container : resp::commands()) {
        for (const Command& row : container.subcommands) {
            const CountedCommand counted = {.name = container.name, .kind = class_of(row)};
            if (std::ranges::find(table, counted) == table.end()) table.push_back(counted);
        }
    }
    RM_ASSERT(table.size() <= stats::commands_max);
    return table;
}

std::vector<CountedCommand> memcached_table() {
    std::vector<CountedCommand> table = {unknown};
    for (uint32_t i = 0; i < static_cast<uint32_t>(memcached::Verb::Invalid); ++i) {
        const auto verb = static_cast<memcached::Verb>(i);
        table.push_back({.name = memcached::word_of(verb), .kind = class_of(verb)});
    }
    return table;
}

}  // namespace

std::span<const CountedCommand> counted_resp_commands() {
    static const std::vector<CountedCommand> table = resp_table();
    return table;
}

uint32_t number_of(const Command& container, const Command& subcommand) {
    const CommandClass kind = class_of(subcommand);
    if (kind == class_of(container)) return container.number;
    const std::span<const CountedCommand> table = counted_resp_commands();
    const auto others = table.subspan(resp::commands().size() + 1);
    const CountedCommand counted = {.name = container.name, .kind = kind};
    const auto found = std::ranges::find(others, counted);
    return static_cast<uint32_t>(table.size() - others.size()) +
           static_cast<uint32_t>(found - others.begin());
}

std::span<const CountedCommand> counted_memcached_commands() {
    static const std::vector<CountedCommand> table = memcached_table();
    return table;
}

}  // namespace ringmain::core
