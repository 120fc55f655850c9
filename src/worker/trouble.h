// src/worker/trouble.h - why a server connection was lost, as the end of "server NAME ...".

#pragma once

#include <string>

namespace ringmain::worker {

// `error` is an errno value; 0: the server closed it.
[[nodiscard]] std::string describe_loss(int error);

}  // namespace ringmain::worker
