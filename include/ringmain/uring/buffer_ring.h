// ringmain/uring/buffer_ring.h - the queue of empty buffers that receives are served from.
//
// A group of `entries` buffers, each known by its id below `entries`. Any memory may stand behind
// an id, and a different one each time it is provided. The kernel takes buffers in the order in
// which they were provided; the completion of a receive says which one it took (Completion::
// buffer()), and from then on the memory is ours again:
//
//     buffers.taken(id);                        // its bytes: the caller's table of id -> memory
//     buffers.provide(id, other_memory, size);  // any time later
//     buffers.publish();                        // once per batch
//
// Close it before its Ring. Receives still armed on the group end with -ENOBUFS.
//
// On epoll the Ring plays the kernel's part and takes the buffers itself: front(), pop().

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/base/result.h"
#include "ringmain/uring/ring.h"

#include <cstdint>
#include <optional>
#include <vector>

struct io_uring_buf_ring;

namespace ringmain::uring {

struct BufferRingOptions {
    uint32_t entries = 256;  // a power of two, at most entries_max
    uint16_t group = 0;
};

class BufferRing {
  public:
    static constexpr uint32_t entries_max = 32768;

    BufferRing() = default;

    ~BufferRing() { close(); }

    BufferRing(const BufferRing&) = delete;
    BufferRing& operator=(const BufferRing&) = delete;

    // Whether the kernel has buffer rings at all: 0 or -errno; for Features::probe().
    [[nodiscard]] static int try_on(io_uring* ring);

    Status open(Ring& ring, const BufferRingOptions& options);
    void close();

    // The memory belongs to the kernel from publish() until a completion carries the id back, or
    // the ring is closed. The id must not be with the kernel already.
    void provide(uint16_t id, char* data, uint32_t size);
    void publish();

    // A completion carried this id.
    void taken(uint16_t id);

    [[nodiscard]] uint16_t group() const { return group_; }

    [[nodiscard]] uint32_t entries() const { return static_cast<uint32_t>(with_kernel_.size()); }

    [[nodiscard]] uint32_t held() const { return held_; }  // by the kernel; 0: receives will fail

    [[nodiscard]] bool holds(uint16_t id) const { return with_kernel_[id] != 0; }

    struct Buffer {
        char* data = nullptr;
        uint32_t size = 0;
        uint16_t id = 0;
    };

    // The published one whose turn it is; none: all are taken.
    [[nodiscard]] std::optional<Buffer> front() const;

    void pop() { popped_ += 1; }

  private:
    Status attach(Ring& ring, io_uring_buf_ring* shared, const BufferRingOptions& options);
    void detach();

    Ring* ring_ = nullptr;
    io_uring_buf_ring* shared_ = nullptr;  // with the kernel; mapped
    uint16_t group_ = 0;
    uint16_t unpublished_ = 0;
    uint16_t popped_ = 0;  // ever, as the ring's own indices count
    uint32_t held_ = 0;
    std::vector<uint8_t> with_kernel_;  // by id
};

}  // namespace ringmain::uring
