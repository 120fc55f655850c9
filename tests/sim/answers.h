// tests/sim/answers.h - cuts a stream of answers into single ones, as a client does.
//
// Written from the protocols' descriptions and not with the proxy's own parsers.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::sim {

struct Value {
    std::string key;  // memcached: as the answer says
    std::string text;
    bool missing = false;  // RESP: null
};

[[nodiscard]] std::optional<int64_t> number_in(std::string_view text);

// The size of the first answer; 0 when it is not all there. Adds the values in it.
[[nodiscard]] size_t resp_size(std::string_view text, std::vector<Value>& values);
[[nodiscard]] size_t memcached_size(std::string_view text, std::vector<Value>& values);

}  // namespace ringmain::sim
