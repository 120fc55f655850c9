#include "read_header.h"

#include "ringmain/resp/number.h"

#include "wire.h"

namespace ringmain::resp {

std::optional<uint64_t> read_header(Cursor& cursor, char type) {
    const std::string_view piece = cursor.piece();
    if (piece.empty() || piece.front() != type) return std::nullopt;
    uint32_t size = 0;
    const char* rest = wire::read_size(piece.data() + 1, piece.data() + piece.size(), &size);
    if (rest != nullptr) {
        cursor.skip(static_cast<uint64_t>(rest - piece.data()));
        return size;
    }
    // The header is cut, or it has more digits than the short cut reads.
    cursor.skip(1);
    Number number;
    while (!cursor.at_end()) {
        const char byte = cursor.take_byte();
        if (byte == '\r') break;
        if (!number.take(byte)) return std::nullopt;
    }
    if (cursor.at_end() || cursor.take_byte() != '\n') return std::nullopt;
    const std::optional<int64_t> value = number.value();
    if (!value.has_value() || *value < 0) return std::nullopt;
    return static_cast<uint64_t>(*value);
}

}  // namespace ringmain::resp
