// src/resp/command_row.h - one row of the command table, as COMMAND INFO tells it.

#pragma once

#include "ringmain/protocol/command.h"
#include "ringmain/resp/writer.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::resp {

// With its subcommands.
void write_info(std::string& out, const Command& command, Version version);

// A set of names: RW, access, update.
void write_key_flags(std::string& out, uint16_t flags, Version version);

// In the order of their bits, which is the order in which redis tells them.
[[nodiscard]] std::span<const std::string_view> acl_category_names();

// The bit of acl_category by its name in any letter case; 0 when unknown.
[[nodiscard]] uint32_t acl_category_of(std::string_view name);

}  // namespace ringmain::resp
