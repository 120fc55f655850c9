// ringmain/resp/errors.h - what a request is told that fits no row of the command table.
//
// In redis's words and as whole lines. What a client sent is cut to 128 bytes and at its first NUL,
// and its CR and LF become blanks, so the line stays one line.

#pragma once

#include "ringmain/protocol/command.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::resp {

// The text shows 128 bytes of arguments with their quotes, at least three bytes for each: more than
// these, the name included, or more than 128 bytes of one, need not be given.
inline constexpr size_t shown_arguments_max = 1 + 43;
inline constexpr size_t shown_size_max = 128;

// -ERR unknown command 'FOO', with args beginning with: 'a' 'b'
// `arguments` are the request's from the name on.
[[nodiscard]] std::string unknown_command(std::span<const std::string> arguments);

// -ERR unknown subcommand 'FOO'. Try CLIENT HELP.
[[nodiscard]] std::string unknown_subcommand(const Command& container, std::string_view subcommand);

// -ERR wrong number of arguments for 'client|setname' command
[[nodiscard]] std::string wrong_arity(const Command& command);

}  // namespace ringmain::resp
