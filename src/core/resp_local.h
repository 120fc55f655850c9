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

// INFO: the sections that tools read. `sections` empty: the default ones. `keyspace` are the lines
// of that section.
[[nodiscard]] std::string info_text(const Proxy& proxy,
                                    const Pool& pool,
                                    std::span<const std::string> sections,
                                    std::string_view keyspace);

[[nodiscard]] bool info_has_keyspace(std::span<const std::string> sections);

// Its lines, of what servers have answered to INFO keyspace: `owners` are the indexes of those
// whose `responses` they are, which may be errors. Numbers of some that look like those of all
// would be worse than none: then the line says who is missing.
[[nodiscard]] std::string keyspace_text(const Pool& pool,
                                        std::span<const uint16_t> owners,
                                        std::span<const std::string_view> responses);

}  // namespace ringmain::core
