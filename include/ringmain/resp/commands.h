// ringmain/resp/commands.h - the command table of redis 7.0, and where a request's keys are.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmain/buffer/bytes.h"
#include "ringmain/protocol/command.h"
#include "ringmain/protocol/frame.h"

namespace ringmain::resp {

// All commands, in alphabetical order.
[[nodiscard]] std::span<const Command> commands();

// By name in any letter case; null when unknown. Does not look at subcommands.
[[nodiscard]] const Command* find_command(std::string_view name);

// The row that speaks for a request: the subcommand's when the command is a container and
// `subcommand` names one of them, else the command's own.
[[nodiscard]] const Command* find_subcommand(const Command& command, std::string_view subcommand);

[[nodiscard]] constexpr bool arity_fits(const Command& command, uint32_t argument_count) {
    const auto count = static_cast<int64_t>(argument_count);
    return command.arity >= 0 ? count == command.arity : count >= -command.arity;
}

enum class KeySearch : uint8_t {
    Found,    // `keys` holds at least one
    None,     // a request without keys (EVAL script 0)
    Invalid,  // the arguments do not fit: a count that is no number, too large, negative
};

// Appends the positions (indices into `arguments`) of all keys, each once, ascending within a
// specification. `bytes` are the frame's, `scratch` serves arguments that cross blocks.
[[nodiscard]] KeySearch find_keys(const Command& command,
                                  const Bytes& bytes,
                                  std::span<const ByteRange> arguments,
                                  std::string& scratch,
                                  std::vector<uint32_t>& keys);

}  // namespace ringmain::resp
