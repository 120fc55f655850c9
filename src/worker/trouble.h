// src/worker/trouble.h - why a server connection was lost, as the end of "server NAME ...".

#pragma once

#include <string>

namespace ringmain::worker {

// `error` is an errno value; 0: the server closed it.
[[nodiscard]] std::string describe_loss(int error);

// What this machine lacks, whatever the peer does: descriptors, memory, ports.
[[nodiscard]] bool is_local_shortage(int error);

// What is lacking, and the remedy.
[[nodiscard]] std::string describe_shortage(int error);

}  // namespace ringmain::worker
