// src/config/listens.h - where two sections of a file would listen at the same place,
// and where a pool would be its own server.
//
// Looks nothing up: what a name stands for is known when it is listened on. Only localhost is.

#pragma once

#include "ringmain/config/config.h"

namespace ringmain::config {

// One spelling for each place: "[0::1]:1" is "[::1]:1", "[::ffff:10.0.0.1]:1" is "10.0.0.1:1",
// "/run//a.sock" is "/run/a.sock". ".." stays: what it means is a matter of links.
[[nodiscard]] Address normal_address(Address address);

// Whether only one of them can be listened on. Both are normal addresses.
[[nodiscard]] bool share_a_place(const Address& a, const Address& b);

// Whether who connects to `server` comes to who listens on `listen`, as far as that can be told
// without this machine's addresses: beside a wildcard another may listen on one of them. Both are
// normal.
[[nodiscard]] bool leads_to(const Address& server, const Address& listen);

}  // namespace ringmain::config
