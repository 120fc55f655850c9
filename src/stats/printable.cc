#include "ringmain/stats/printable.h"

#include "ringmain/base/hex.h"

namespace ringmain::stats {

std::string printable(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (const char byte : bytes) {
        if (byte == '\\' || byte == '"') {
            out += '\\';
            out += byte;
        } else if (byte == '\n') {
            out += "\\n";
        } else if (byte == '\r') {
            out += "\\r";
        } else if (byte < 0x20 || byte > 0x7E) {
            out += "\\x";
            append_hex(out, static_cast<uint8_t>(byte));
        } else {
            out += byte;
        }
    }
    return out;
}

}  // namespace ringmain::stats
