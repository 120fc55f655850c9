#include "ringmain/uring/features.h"

#include "ringmain/uring/buffer_ring.h"
#include "ringmain/uring/preflight.h"

#include <array>
#include <cerrno>
#include <initializer_list>

#include "compat.h"
#include "patience.h"
#include <liburing.h>

namespace ringmain::uring {
namespace {

constexpr std::array<std::string_view, feature_count> names = {
    "single_issuer",
    "defer_taskrun",
    "coop_taskrun",
    "submit_all",
    "multishot_accept",
    "multishot_receive",
    "buffer_ring",
    "buffer_recycle",
    "poll_first",
    "registered_ring",
    "sync_cancel",
    "send_zero_copy",
    "bundle",
};
static_assert(static_cast<uint32_t>(Feature::Bundle) + 1 == feature_count);
static_assert(!names.back().empty(), "each feature has a name");

constexpr Feature feature_at(uint32_t index) {
    return static_cast<Feature>(index);
}

struct Preset {
    std::string_view name;
    Features removed;
};

constexpr Features of(std::initializer_list<Feature> list) {
    Features features;
    for (const Feature feature : list) {
        features.add(feature);
    }
    return features;
}

// Why it cannot be ignored; empty: it can.
constexpr std::string_view why_needed(Feature feature) {
    if (feature == Feature::BufferRing) return "everything is received through it";
    if (feature == Feature::BufferRecycle) return "whose a buffer is has to be known";
    return {};
}

constexpr Features everything_optional() {
    Features features;
    for (uint32_t i = 0; i < feature_count; ++i) {
        if (why_needed(feature_at(i)).empty()) features.add(feature_at(i));
    }
    return features;
}

constexpr std::array<Preset, 5> presets = {{
    {"5.19",
     of({Feature::SingleIssuer,
         Feature::DeferTaskrun,
         Feature::MultishotReceive,
         Feature::SyncCancel,
         Feature::SendZeroCopy,
         Feature::Bundle})},
    {"6.0", of({Feature::DeferTaskrun, Feature::Bundle})},
    {"6.1", of({Feature::Bundle})},
    {"all", everything_optional()},
    {"none", Features()},
}};

// A ring that lives as long as this object; for asking the kernel.
class Trial {
  public:
    explicit Trial(uint32_t flags) : result_(with_patience([&] { return make(flags); })) {}

    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;

    ~Trial() {
        if (works()) io_uring_queue_exit(&ring_);
    }

    [[nodiscard]] bool works() const { return result_ == 0; }

    [[nodiscard]] int result() const { return result_; }  // 0 or -errno

    [[nodiscard]] io_uring* ring() { return &ring_; }

    [[nodiscard]] uint32_t feature_bits() const { return params_.features; }

  private:
    int make(uint32_t flags) {
        params_ = {};
        params_.flags = flags;
        return io_uring_queue_init_params(8, &ring_, &params_);
    }

    io_uring ring_ = {};
    io_uring_params params_ = {};
    int result_;
};

// An answer for want of memory or descriptors: it says nothing of the kernel.
struct Shortage {
    std::string_view call;
    int error = 0;
};

bool works(std::string_view call, int result, Shortage& shortage) {
    if (result == -ENOMEM || result == -EMFILE || result == -ENFILE) shortage = {call, result};
    return result == 0;
}

bool works_with(uint32_t setup_flags, Shortage& shortage) {
    return works("io_uring_setup", Trial(setup_flags).result(), shortage);
}

void probe_setup_flags(Features& features, Shortage& shortage) {
    if (works_with(IORING_SETUP_SUBMIT_ALL, shortage)) features.add(Feature::SubmitAll);
    if (works_with(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, shortage)) {
        features.add(Feature::CoopTaskrun);
    }
    if (!works_with(IORING_SETUP_SINGLE_ISSUER, shortage)) return;
    features.add(Feature::SingleIssuer);
    // All came with 6.0; there is no way to ask for the other two but to use them, which
    // self_test() does.
    features.add(Feature::MultishotReceive);
    features.add(Feature::BufferRecycle);
    if (works_with(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, shortage)) {
        features.add(Feature::DeferTaskrun);
    }
}

void probe_operations(Features& features, io_uring* ring) {
    io_uring_probe* probe = io_uring_get_probe_ring(ring);
    if (probe == nullptr) return;
    if (io_uring_opcode_supported(probe, IORING_OP_SOCKET) != 0) {  // 5.19, as these are
        features.add(Feature::MultishotAccept);
        features.add(Feature::PollFirst);
    }
    if (io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0) {
        features.add(Feature::SendZeroCopy);
    }
    io_uring_free_probe(probe);
}

void probe_registrations(Features& features, io_uring* ring, Shortage& shortage) {
    if (works("io_uring_register", BufferRing::try_on(ring), shortage)) {
        features.add(Feature::BufferRing);
    }

    io_uring_sync_cancel_reg everything = {};
    everything.fd = -1;
    everything.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
    const int cancelled = io_uring_register_sync_cancel(ring, &everything);
    if (cancelled >= 0 || cancelled == -ENOENT) features.add(Feature::SyncCancel);

    // Some 5.15 kernels accept it and hang at exit; they lack the buffer ring and get no further.
    if (!features.has(Feature::BufferRing)) return;
    if (io_uring_register_ring_fd(ring) == 1) features.add(Feature::RegisteredRing);
}

Result<Features> named(std::string_view word) {
    for (const Preset& preset : presets) {
        if (preset.name == word) return preset.removed;
    }
    for (uint32_t i = 0; i < feature_count; ++i) {
        if (names[i] != word) continue;
        const std::string_view why = why_needed(feature_at(i));
        if (why.empty()) return of({feature_at(i)});
        return Error{"the feature " + std::string(word) +
                     " cannot be ignored: " + std::string(why)};
    }
    std::string valid;
    for (uint32_t i = 0; i < feature_count; ++i) {
        if (!why_needed(feature_at(i)).empty()) continue;
        valid += std::string(names[i]) + ", ";
    }
    for (const Preset& preset : presets) {
        valid += std::string(preset.name) + (&preset == &presets.back() ? "" : ", ");
    }
    return Error{"unknown feature '" + std::string(word) + "'; known are: " + valid};
}

}  // namespace

Result<Features> Features::probe() {
    Trial trial(0);
    if (!trial.works()) {
        return Error{"io_uring is not available: " + why_failed("io_uring_setup", trial.result())};
    }

    Features features;
    Shortage shortage;
    if ((trial.feature_bits() & compat::feature_bundle) != 0) features.add(Feature::Bundle);
    probe_setup_flags(features, shortage);
    probe_operations(features, trial.ring());
    probe_registrations(features, trial.ring(), shortage);
    if (shortage.error == 0) return features;
    return Error{"the features of io_uring cannot be found out: " +
                 why_failed(shortage.call, shortage.error)};
}

Result<Features> Features::without(std::string_view text) const {
    Features rest = *this;
    constexpr std::string_view separators = ", \t";
    size_t begin = text.find_first_not_of(separators);
    while (begin != std::string_view::npos) {
        const size_t found = text.find_first_of(separators, begin);
        const size_t end = found == std::string_view::npos ? text.size() : found;
        const Result<Features> removed = named(text.substr(begin, end - begin));
        if (!removed.ok()) return Error{removed.error()};
        rest.bits_ &= ~removed.value().bits_;
        begin = text.find_first_not_of(separators, end);
    }
    // The kernel refuses one without the other.
    if (!rest.has(Feature::SingleIssuer)) rest.remove(Feature::DeferTaskrun);
    return rest;
}

std::string Features::text() const {
    std::string text;
    for (uint32_t i = 0; i < feature_count; ++i) {
        if (!has(feature_at(i))) continue;
        if (!text.empty()) text += ' ';
        text += names[i];
    }
    return text.empty() ? "none" : text;
}

std::string Features::missing_text() const {
    Features missing;
    missing.bits_ = ~bits_ & ((1U << feature_count) - 1);
    return missing.text();
}

}  // namespace ringmain::uring
