#include "ringmain/worker/io_choice.h"

#include "ringmain/uring/buffer_ring.h"
#include "ringmain/uring/preflight.h"
#include "ringmain/uring/self_test.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace ringmain::worker {

namespace {

Result<uring::Features> proven_features(std::string_view ignored) {
    if (const uring::Finding finding = uring::check_io_uring();
        finding.level == uring::Level::Fail) {
        return Error{uring::finding_text(finding)};
    }
    Result<uring::Features> probed = uring::Features::probe();
    if (!probed.ok()) return probed;
    if (const uring::Finding finding = uring::judge_features(probed.value());
        finding.level == uring::Level::Fail) {
        return Error{uring::finding_text(finding)};
    }
    Result<uring::Features> chosen = probed.value().without(ignored);
    if (!chosen.ok()) return chosen;
    if (Status proven = uring::self_test(chosen.value()); !proven.ok()) {
        return Error{"io_uring does not work here as it should: " + proven.error()};
    }
    return chosen;
}

struct WorkerRing {
    uring::Ring ring;
    uring::BufferRing buffers;
};

// The rings of the whole process at once, for a moment. Without a limit that is a lot of memory for
// nothing to be found out.
Status try_all_rings(const config::Proxy& settings, const IoChoice& io) {
    if (!uring::locked_memory_limit().has_value()) return {};
    uring::Ring timer;
    if (Status opened = timer.open(timer_ring(io)); !opened.ok()) return opened;
    std::vector<std::unique_ptr<WorkerRing>> rings;
    for (uint32_t i = 0; i < settings.workers; ++i) {
        auto& [ring, buffers] = *rings.emplace_back(std::make_unique<WorkerRing>());
        Status opened = ring.open(worker_ring(settings, io));
        if (opened.ok()) opened = buffers.open(ring, {.entries = settings.receive_buffers});
        if (opened.ok()) continue;
        return Error{"for worker " + std::to_string(i + 1) + " of " +
                     std::to_string(settings.workers) + " " + opened.error()};
    }
    return {};
}

Result<IoChoice> on_io_uring(const config::Proxy& settings, std::string_view ignored) {
    const Result<uring::Features> features = proven_features(ignored);
    if (!features.ok()) return Error{features.error()};
    const IoChoice choice = {.features = features.value()};
    if (const Status room = try_all_rings(settings, choice); !room.ok()) return Error{room.error()};
    return choice;
}

}  // namespace

uring::RingOptions worker_ring(const config::Proxy& settings, const IoChoice& io) {
    // Room for every buffer to complete twice and for many connections besides.
    return {.backend = io.backend,
            .submission_entries = settings.ring_entries,
            .completion_entries = std::max(8 * settings.ring_entries, 2 * settings.receive_buffers),
            .features = io.features};
}

uring::RingOptions timer_ring(const IoChoice& io) {
    return {.backend = io.backend,
            .submission_entries = 64,
            .completion_entries = 256,
            .features = io.features};
}

Result<IoChoice> choose_io(const config::Proxy& settings, std::string_view ignored) {
    const config::IoBackend wanted = settings.io_backend;
    // A name that is not known is a mistake whatever the kernel says.
    if (const Result<uring::Features> read = uring::Features().without(ignored); !read.ok()) {
        return Error{"RINGMAIN_IGNORE_FEATURES: " + read.error()};
    }
    if (wanted == config::IoBackend::Epoll) return IoChoice{.backend = uring::Backend::Epoll};
    Result<IoChoice> proven = on_io_uring(settings, ignored);
    if (proven.ok()) return proven;
    if (wanted == config::IoBackend::IoUring) {
        return Error{proven.error() + " Or let epoll take its place: io_backend = \"auto\"."};
    }
    return IoChoice{.backend = uring::Backend::Epoll, .why_not = proven.error()};
}

std::string fallback_text(const IoChoice& choice) {
    return "epoll is used in place of io_uring, with a system call for each receive and send: " +
           choice.why_not + " If it is meant so: io_backend = \"epoll\".";
}

}  // namespace ringmain::worker
