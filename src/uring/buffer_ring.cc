#include "ringmain/uring/buffer_ring.h"

#include "ringmain/uring/preflight.h"
#include "ringmain/uring/socket.h"

#include <bit>
#include <cerrno>

#include "epoll.h"
#include "patience.h"
#include <liburing.h>
#include <sys/mman.h>

namespace ringmain::uring {
namespace {

// The kernel wants whole pages, and zeroes.
io_uring_buf_ring* map_entries(size_t entries) {
    void* memory = mmap(nullptr,
                        entries * sizeof(io_uring_buf),
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                        -1,
                        0);
    return memory == MAP_FAILED ? nullptr : static_cast<io_uring_buf_ring*>(memory);
}

void unmap_entries(io_uring_buf_ring* shared, size_t entries) {
    munmap(shared, entries * sizeof(io_uring_buf));
}

int register_entries(io_uring* ring, io_uring_buf_ring* shared, const BufferRingOptions& options) {
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<uint64_t>(shared);
    registration.ring_entries = options.entries;
    registration.bgid = options.group;
    return with_patience([&] { return io_uring_register_buf_ring(ring, &registration, 0); });
}

}  // namespace

int BufferRing::try_on(io_uring* ring) {
    constexpr BufferRingOptions smallest = {.entries = 1, .group = 0};
    io_uring_buf_ring* shared = map_entries(smallest.entries);
    if (shared == nullptr) return -errno;
    const int result = register_entries(ring, shared, smallest);
    if (result == 0) io_uring_unregister_buf_ring(ring, smallest.group);
    unmap_entries(shared, smallest.entries);
    return result;
}

Status BufferRing::open(Ring& ring, const BufferRingOptions& options) {
    RM_ASSERT(shared_ == nullptr);
    RM_ASSERT(ring.is_open());
    RM_ASSERT(std::has_single_bit(options.entries));
    RM_ASSERT(options.entries <= entries_max);

    io_uring_buf_ring* shared = map_entries(options.entries);
    if (shared == nullptr) return Error{"no memory for a buffer ring: " + error_text(errno)};
    io_uring_buf_ring_init(shared);
    if (Status registered = attach(ring, shared, options); !registered.ok()) {
        unmap_entries(shared, options.entries);
        return registered;
    }
    ring_ = &ring;
    shared_ = shared;
    group_ = options.group;
    with_kernel_.assign(options.entries, 0);
    return {};
}

Status BufferRing::attach(Ring& ring, io_uring_buf_ring* shared, const BufferRingOptions& options) {
    int result = 0;
    if (ring.epoll() != nullptr) {
        if (!ring.epoll()->attach(*this, options.group)) result = -EEXIST;
    } else {
        result = register_entries(ring.handle(), shared, options);
    }
    if (result >= 0) return {};
    return Error{"a buffer ring of " + std::to_string(options.entries) +
                 " entries cannot be registered: " + why_failed("io_uring_register", result)};
}

void BufferRing::detach() {
    if (!ring_->is_open()) return;
    if (ring_->epoll() != nullptr) {
        ring_->epoll()->detach(group_);
    } else {
        io_uring_unregister_buf_ring(ring_->handle(), group_);
    }
}

void BufferRing::close() {
    if (shared_ == nullptr) return;
    detach();
    unmap_entries(shared_, with_kernel_.size());
    ring_ = nullptr;
    shared_ = nullptr;
    unpublished_ = 0;
    popped_ = 0;
    held_ = 0;
    with_kernel_.clear();
}

void BufferRing::provide(uint16_t id, char* data, uint32_t size) {
    RM_ASSERT(id < entries());
    // A buffer that is given twice is filled twice, and the second time under its reader.
    RM_ASSERT(!holds(id));
    RM_DCHECK(size > 0);
    io_uring_buf_ring_add(shared_, data, size, id, io_uring_buf_ring_mask(entries()), unpublished_);
    with_kernel_[id] = 1;
    unpublished_ += 1;
}

void BufferRing::publish() {
    if (unpublished_ == 0) return;
    io_uring_buf_ring_advance(shared_, unpublished_);
    held_ += unpublished_;
    unpublished_ = 0;
}

void BufferRing::taken(uint16_t id) {
    RM_ASSERT(id < entries());
    RM_ASSERT(holds(id));
    RM_ASSERT(held_ > 0);
    with_kernel_[id] = 0;
    held_ -= 1;
}

std::optional<BufferRing::Buffer> BufferRing::front() const {
    if (popped_ == shared_->tail) return std::nullopt;
    const io_uring_buf& entry = shared_->bufs[popped_ & (entries() - 1)];
    // The kernel's format holds addresses as numbers.
    auto* data = reinterpret_cast<char*>(entry.addr);  // NOLINT(performance-no-int-to-ptr)
    return Buffer{.data = data, .size = entry.len, .id = entry.bid};
}

}  // namespace ringmain::uring
