// ringmain/resp/command_info.h - answers COMMAND and its subcommands from the command table.
//
// As redis 7.0.15 answers them, byte for byte in both protocol versions, but for the order of
// commands and subcommands, which is alphabetical here and random there. A command that is refused
// is told like any other: the table describes the language, and a request gets its reason.

#pragma once

#include "ringmain/protocol/command.h"
#include "ringmain/resp/writer.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::resp {

// COMMAND DOCS of everything has 170 KiB, but a name may be asked for a million times.
inline constexpr size_t command_response_size_max = size_t{1} << 20;

// `command` is the row of find_subcommand(), one with a CommandId::Command..., and its arity fits.
// `arguments` are the whole request's: COMMAND, INFO, get.
void answer_command(std::string& out,
                    const Command& command,
                    std::span<const std::string_view> arguments,
                    Version version);

// The same to a request of so many arguments that asks for all commands: COMMAND, COMMAND INFO,
// COMMAND DOCS, as clients do when they start. It is always the same, and written once in the
// process. Empty: the request asks for something else.
[[nodiscard]] std::string_view answer_of_all(const Command& command,
                                             size_t argument_count,
                                             Version version);

}  // namespace ringmain::resp
