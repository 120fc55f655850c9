#include "ringmain/worker/io_choice.h"

#include "ringmain/uring/preflight.h"
#include "ringmain/uring/self_test.h"

#include <utility>

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

}  // namespace

Result<IoChoice> choose_io(config::IoBackend wanted, std::string_view ignored) {
    // A name that is not known is a mistake whatever the kernel says.
    if (const Result<uring::Features> read = uring::Features().without(ignored); !read.ok()) {
        return Error{"RINGMAIN_IGNORE_FEATURES: " + read.error()};
    }
    if (wanted == config::IoBackend::Epoll) return IoChoice{.backend = uring::Backend::Epoll};
    Result<uring::Features> features = proven_features(ignored);
    if (features.ok()) return IoChoice{.features = features.value()};
    if (wanted == config::IoBackend::IoUring) {
        return Error{features.error() + " Or let epoll take its place: io_backend = \"auto\"."};
    }
    return IoChoice{.backend = uring::Backend::Epoll, .why_not = features.error()};
}

std::string fallback_text(const IoChoice& choice) {
    return "epoll is used in place of io_uring, with a system call for each receive and send: " +
           choice.why_not + " If it is meant so: io_backend = \"epoll\".";
}

}  // namespace ringmain::worker
