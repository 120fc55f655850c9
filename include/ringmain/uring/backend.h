// ringmain/uring/backend.h - what carries out the operations of a Ring.

#pragma once

#include <cstdint>
#include <string_view>

namespace ringmain::uring {

// Epoll is for where io_uring is forbidden or missing. It does the same with a system call for each
// receive and each send.
enum class Backend : uint8_t { IoUring, Epoll };

[[nodiscard]] constexpr std::string_view backend_name(Backend backend) {
    return backend == Backend::Epoll ? "epoll" : "io_uring";
}

}  // namespace ringmain::uring
