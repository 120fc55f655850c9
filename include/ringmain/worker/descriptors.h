// ringmain/worker/descriptors.h - how the descriptors of the process are shared out.
//
// Servers, listeners and rings come first: a client that is refused hears why and may come again,
// while a server that cannot be connected to for want of a descriptor fails everybody's requests.

#pragma once

#include "ringmain/config/config.h"
#include "ringmain/uring/preflight.h"

#include <cstdint>

namespace ringmain::worker {

// For all clients that the configuration admits, what they may make ringmain connect, and all the
// rest.
[[nodiscard]] uint64_t descriptors_wanted(const config::Config& config);

// Without so many nothing sensible can be done: servers, listeners, and a handful of clients.
[[nodiscard]] uint64_t descriptors_needed(const config::Config& config);

// As many as the hard limit allows, if that is allowed.
void raise_descriptor_limit();

// The limit of the process, as it is now, and whether it is enough for them.
[[nodiscard]] uint64_t descriptor_limit();
[[nodiscard]] uring::DescriptorFacts descriptor_facts(const config::Config& config);
[[nodiscard]] uring::Finding judge_descriptors(const config::Config& config);

// Clients that have been told the end and are read until they close hold descriptors and are no
// clients any more: so many of them may be in each worker where there is room for so many clients.
[[nodiscard]] uint64_t lingering_max(uint64_t clients, uint32_t workers);

// So many connections may each port have that tells how things are.
[[nodiscard]] uint32_t port_connections_max(uint64_t limit);

// How many clients, with the connections that are made for them (core::Leases), there is room for
// under a limit that is at least descriptors_needed().
[[nodiscard]] uint64_t clients_max(const config::Config& config, uint64_t limit);

}  // namespace ringmain::worker
