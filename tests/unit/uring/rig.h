// tests/unit/uring/rig.h - a ring with what the tests of rings need around it.

#pragma once

#include "ringmain/uring/buffer_ring.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/ring.h"
#include "ringmain/uring/socket.h"
#include "tests/contains.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ringmain::uring::test {

using ringmain::test::contains;

// Features of io_uring that are ignored; and what has nothing to do with it.
inline constexpr std::array<std::string_view, 5> presets = {"none", "6.1", "6.0", "5.19", "all"};
inline constexpr std::string_view on_epoll = "epoll";
inline constexpr std::array<std::string_view, 6> everywhere = {
    "none", "6.1", "6.0", "5.19", "all", on_epoll};
inline constexpr std::array<std::string_view, 2> both = {"none", on_epoll};

inline Features features_without(std::string_view ignored) {
    const Result<Features> probed = Features::probe();
    REQUIRE_MESSAGE(probed.ok(), probed.error());
    const Result<Features> rest = probed.value().without(ignored);
    REQUIRE_MESSAGE(rest.ok(), rest.error());
    return rest.value();
}

inline Descriptor listen_anywhere() {
    Result<Descriptor> listener = listen_tcp({.host = "127.0.0.1", .port = 0});
    REQUIRE_MESSAGE(listener.ok(), listener.error());
    return std::move(listener.value());
}

struct Pair {
    Descriptor near;
    Descriptor far;

    Pair() {
        int pair[2] = {-1, -1};
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        near = Descriptor(pair[0]);
        far = Descriptor(pair[1]);
    }

    void write(std::string_view bytes) const {
        REQUIRE(::write(far.get(), bytes.data(), bytes.size()) ==
                static_cast<ssize_t>(bytes.size()));
    }
};

inline std::string read_some(int descriptor) {
    char bytes[4096];
    const ssize_t size = ::read(descriptor, bytes, sizeof bytes);
    REQUIRE(size >= 0);
    return {bytes, static_cast<size_t>(size)};
}

struct Rig {
    Ring ring;

    explicit Rig(std::string_view ignored = "none",
                 RingOptions options = {.submission_entries = 32, .completion_entries = 256}) {
        if (ignored == on_epoll) {
            options.backend = Backend::Epoll;
        } else {
            options.features = features_without(ignored);
        }
        const Status opened = ring.open(options);
        REQUIRE_MESSAGE(opened.ok(), opened.error());
    }

    [[nodiscard]] bool has(Feature feature) const {
        return ring.epoll() != nullptr || ring.features().has(feature);
    }

    // Waits until that many have come, or nothing more comes for a second.
    std::vector<Completion> wait_for(size_t count) {
        std::vector<Completion> all;
        while (all.size() < count) {
            const Wait wait = ring.submit_and_wait(Duration::millis(1000));
            std::array<Completion, 64> batch;
            const uint32_t reaped = ring.reap(batch);
            all.insert(all.end(), batch.begin(), batch.begin() + reaped);
            if (reaped == 0 && wait == Wait::TimedOut) break;
        }
        REQUIRE(all.size() >= count);
        return all;
    }

    Completion wait_for_one() {
        const std::vector<Completion> all = wait_for(1);
        REQUIRE(all.size() == 1);
        return all.front();
    }

    // A wait that nothing cut short: the end of the rings of earlier tests interrupts a thread.
    [[nodiscard]] Wait wait_out(Duration timeout) {
        Wait wait = Wait::Interrupted;
        for (int i = 0; i < 100 && wait == Wait::Interrupted; ++i) {
            wait = ring.submit_and_wait(timeout);
        }
        return wait;
    }

    // Nothing is waiting, and nothing comes at once.
    [[nodiscard]] bool is_quiet() {
        ring.submit_and_wait(Duration{});
        std::array<Completion, 1> one;
        return ring.reap(one) == 0;
    }
};

// Buffers of a group with memory of their own.
struct Buffers {
    std::vector<std::string> memory;
    BufferRing ring;

    Buffers(Rig& rig, uint32_t entries, size_t size, uint16_t group = 3) {
        memory.assign(entries, std::string(size, '.'));
        const Status opened = ring.open(rig.ring, {.entries = entries, .group = group});
        REQUIRE_MESSAGE(opened.ok(), opened.error());
    }

    void provide(uint16_t id) {
        ring.provide(id, memory[id].data(), static_cast<uint32_t>(memory[id].size()));
    }

    void provide_all() {
        for (uint16_t id = 0; id < memory.size(); ++id) {
            if (!ring.holds(id)) provide(id);
        }
        ring.publish();
    }

    std::string take(const Completion& done) {
        REQUIRE(done.has_buffer());
        ring.taken(done.buffer());
        return memory[done.buffer()].substr(0, static_cast<size_t>(done.result));
    }
};

inline UserData named(uint8_t kind, uint32_t index = 0) {
    return {.kind = kind, .generation = 0, .index = index};
}

}  // namespace ringmain::uring::test
