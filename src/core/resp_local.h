// src/core/resp_local.h - requests of redis clients that are answered here.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/core/proxy.h"
#include "ringmain/protocol/command.h"

#include <span>
#include <string>
#include <string_view>

#include "front.h"

namespace ringmain::core {

// `command` is the row of the subcommand where there is one; its arity was checked.
[[nodiscard]] Taken answer_locally(Proxy& proxy,
                                   ClientConn& client,
                                   const Command& command,
                                   const Bytes& bytes,
                                   std::span<const ByteRange> arguments);

struct ServerInfo;

// INFO: the sections that tools read. `sections` empty: the default ones.
[[nodiscard]] std::string info_text(const Proxy& proxy,
                                    const Pool& pool,
                                    std::span<const std::string> sections,
                                    const ServerInfo& servers);

// The section that servers are asked for, "all" and "default" among them; empty: none.
[[nodiscard]] std::string_view info_question(std::span<const std::string> sections);

}  // namespace ringmain::core
