#include "read_header.h"

#include "ringmain/resp/number.h"

namespace ringmain::resp {

std::optional<uint64_t> read_header(Cursor& cursor, char type) {
    if (cursor.at_end() || cursor.take() != type) return std::nullopt;
    Number number;
    while (!cursor.at_end()) {
        const char byte = cursor.take();
        if (byte == '\r') break;
        if (!number.take(byte)) return std::nullopt;
    }
    if (cursor.at_end() || cursor.take() != '\n') return std::nullopt;
    const std::optional<int64_t> value = number.value();
    if (!value.has_value() || *value < 0) return std::nullopt;
    return static_cast<uint64_t>(*value);
}

}  // namespace ringmain::resp
