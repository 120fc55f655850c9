// src/resp/command_docs.h - what COMMAND DOCS tells of each command.

#pragma once

#include "ringmain/protocol/command.h"
#include "ringmain/resp/writer.h"

#include <string>

namespace ringmain::resp {

// The name and a map; a container's map holds its subcommands' maps.
void write_docs(std::string& out, const Command& command, Version version);

}  // namespace ringmain::resp
