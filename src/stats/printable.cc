#include "ringmain/stats/printable.h"

namespace ringmain::stats {

std::string printable(std::string_view bytes) {
    constexpr std::string_view hex_digits = "0123456789abcdef";
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
            const auto value = static_cast<unsigned char>(byte);
            out += "\\x";
            out += hex_digits[value >> 4];
            out += hex_digits[value & 15];
        } else {
            out += byte;
        }
    }
    return out;
}

}  // namespace ringmain::stats
