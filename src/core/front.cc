#include "front.h"

namespace ringmain::core {

std::string error_line(const Pool& pool, std::string_view text) {
    std::string line = pool.is_redis() ? "-ERR ringmain: " : "SERVER_ERROR ringmain: ";
    line += text;
    // Nothing that came from outside may end the line early.
    for (char& byte : line) {
        if (byte == '\r' || byte == '\n') byte = ' ';
    }
    return line += "\r\n";
}

}  // namespace ringmain::core
