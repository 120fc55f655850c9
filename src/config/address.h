// src/config/address.h - where to listen and where to connect, as the configuration spells it.
//
//   listen:  host:port   [ipv6]:port   /path   "/path 0660"
//   server:  host:port[:weight][ name]   [ipv6]:port[:weight][ name]   /path[:weight][ name]

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"

#include <cstdint>
#include <string_view>

namespace ringmain::config {

inline constexpr int64_t weight_max = 1'000'000;
// A name is hashed with the number of its point behind it, in 272 bytes.
inline constexpr size_t name_size_max = 255;

// A normal address (listens.h).
[[nodiscard]] Result<Address> parse_listen(std::string_view text);
[[nodiscard]] Result<Address> parse_address(std::string_view text);
// Sets address, weight and name; not ring_name.
[[nodiscard]] Result<Server> parse_server(std::string_view text);

// Refuses "redis://user:password@host:port" and its parts without repeating any.
[[nodiscard]] Status check_no_url(std::string_view text);

[[nodiscard]] Status check_name(std::string_view what, std::string_view name);

}  // namespace ringmain::config
