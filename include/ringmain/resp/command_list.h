// ringmain/resp/command_list.h - the command table for people: how each command is served.

#pragma once

#include <string>

namespace ringmain::resp {

// One line per command and subcommand that redis 7.0 tells of, in the order of the table. What
// `ringmain commands` prints and conf/commands.txt holds.
[[nodiscard]] std::string commands_text();

}  // namespace ringmain::resp
