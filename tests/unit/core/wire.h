// tests/unit/core/wire.h - requests as clients write them, and errors as they read them.

#pragma once

#include "tests/unit/resp/wire.h"

#include <string>
#include <string_view>
#include <vector>

namespace ringmain::test {

inline const std::string ok = "+OK\r\n";
inline const std::string popped = "*2\r\n" + bulk("l") + bulk("x");  // of BLPOP l

// A request of a redis client.
inline std::string resp(const std::vector<std::string>& arguments) {
    return request(arguments);
}

// Requests of a memcached client, and what it gets of a key that is there.
inline std::string get(const std::string& key) {
    return "get " + key + "\r\n";
}

inline std::string set(const std::string& key,
                       const std::string& data,
                       std::string_view rest = "") {
    return "set " + key + " 0 0 " + std::to_string(data.size()) + std::string(rest) + "\r\n" +
           data + "\r\n";
}

inline std::string value(const std::string& key,
                         const std::string& data,
                         std::string_view cas = "") {
    return "VALUE " + key + " 0 " + std::to_string(data.size()) + std::string(cas) + "\r\n" + data +
           "\r\n";
}

// What redis clients are told by ringmain itself.
inline std::string error(std::string_view text) {
    return "-ERR ringmain: " + std::string(text) + "\r\n";
}

// What memcached clients are told by it.
inline std::string server_error(std::string_view text) {
    return "SERVER_ERROR ringmain: " + std::string(text) + "\r\n";
}

inline std::string times(int count, const std::string& text) {
    std::string all;
    for (int i = 0; i < count; ++i) {
        all += text;
    }
    return all;
}

}  // namespace ringmain::test
