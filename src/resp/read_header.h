// src/resp/read_header.h - reads a header wherever its bytes lie.

#pragma once

#include "ringmain/buffer/cursor.h"

#include <cstdint>
#include <optional>

namespace ringmain::resp {

// The number of a header of this type, "*12\r\n"; `cursor` stands behind it then. Nothing when
// there is anything else.
[[nodiscard]] std::optional<uint64_t> read_header(Cursor& cursor, char type);

}  // namespace ringmain::resp
