// ringmain/core/counted_commands.h - the commands of both protocols as requests are counted by.
//
// A worker counts a request in stats::PoolCounters::commands under its command's number; whether
// that reads or writes is told from the table when the figures are published.

#pragma once

#include "ringmain/memcached/request_parser.h"
#include "ringmain/protocol/command.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace ringmain::core {

enum class CommandClass : uint8_t {
    Read,   // only reads
    Write,  // writes, a new expiry included
    Other,  // scripts, whatever they do; what is about servers or clients; no known command
};

struct CountedCommand {
    std::string_view name;  // lower case; "unknown" for number 0
    CommandClass kind = CommandClass::Other;

    friend bool operator==(const CountedCommand&, const CountedCommand&) = default;
};

[[nodiscard]] inline uint32_t number_of(const Command* command) {
    return command == nullptr ? 0 : command->number;
}

// Its container's, of the class of the subcommand.
[[nodiscard]] uint32_t number_of(const Command& container, const Command& subcommand);

[[nodiscard]] constexpr uint32_t number_of(memcached::Verb verb) {
    return verb == memcached::Verb::Invalid ? 0 : static_cast<uint32_t>(verb) + 1;
}

// By number; a container may have several. The tables live as long as the process.
[[nodiscard]] std::span<const CountedCommand> counted_resp_commands();
[[nodiscard]] std::span<const CountedCommand> counted_memcached_commands();

}  // namespace ringmain::core
