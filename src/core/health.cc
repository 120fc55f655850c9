#include "ringmain/core/health.h"

#include <algorithm>

#include "access_reasons.h"

namespace ringmain::core {

Health::Verdict Health::on_failure(const Failure& failure, const Rules& rules) {
    int64_t last = last_failure_.load(std::memory_order_relaxed);
    do {
        if (failure.began.ns <= last) return Verdict::Ignored;
    } while (!last_failure_.compare_exchange_weak(last, failure.now.ns, std::memory_order_acq_rel));
    last_error_.write(failure.reason);
    const uint32_t failures = (trouble_.fetch_add(1, std::memory_order_acq_rel) + 1) & count_mask;
    if (!rules.eject || failures < rules.failure_limit) return Verdict::Counted;
    if (!change(State::Ejected, failure.now, failure.reason)) return Verdict::Counted;
    ejections_.fetch_add(1, std::memory_order_relaxed);
    return Verdict::Ejected;
}

bool Health::recover(Instant began) {
    // A response that was on its way says nothing: neither about a server that failed since, nor
    // about one that is out.
    if (began.ns <= last_failure_.load(std::memory_order_acquire)) return false;
    if (state() == State::Ejected) return false;
    retry_at_.store(0, std::memory_order_relaxed);
    return (trouble_.exchange(0, std::memory_order_acq_rel) & told_bit) != 0;
}

bool Health::tell_once() {
    return (trouble_.fetch_or(told_bit, std::memory_order_acq_rel) & told_bit) == 0;
}

bool Health::tell_silence() {
    const uint32_t both = told_bit | told_silence_bit;
    return (trouble_.fetch_or(both, std::memory_order_acq_rel) & told_silence_bit) == 0;
}

bool Health::tell_password(Instant now) {
    int64_t at = tell_password_at_.load(std::memory_order_relaxed);
    if (now.ns < at) return false;
    return tell_password_at_.compare_exchange_strong(
        at, (now + password_interval).ns, std::memory_order_acq_rel);
}

bool Health::readmit(Instant now, std::string_view reason) {
    if (state() == State::Alive) return false;
    // Before anybody sends: what began while it was out does not count against it.
    last_failure_.store(now.ns, std::memory_order_release);
    trouble_.store(0, std::memory_order_release);
    retry_at_.store(0, std::memory_order_relaxed);
    return change(State::Alive, now, reason);
}

void Health::follow(const Health& other) {
    ejections_.store(std::max(ejections(), other.ejections()), std::memory_order_relaxed);
    const std::string reason = other.change_reason();
    if (other.changed_at() <= changed_at() || is_over_access(reason)) return;
    change_reason_.write(reason);
    last_error_.write(other.last_error());
    changed_at_.store(other.changed_at().ns, std::memory_order_release);
    state_.store(other.state(), std::memory_order_release);
}

bool Health::take_turn(Instant now, Instant until) {
    int64_t at = retry_at_.load(std::memory_order_relaxed);
    if (at == 0 || now.ns < at) return false;
    return retry_at_.compare_exchange_strong(at, until.ns, std::memory_order_acq_rel);
}

// One at a time; who comes while another changes the state leaves it at that.
bool Health::change(State to, Instant now, std::string_view reason) {
    if (changing_.exchange(true, std::memory_order_acq_rel)) return false;
    const bool changed = state() != to;
    if (changed) {
        change_reason_.write(reason);
        changed_at_.store(now.ns, std::memory_order_release);
        state_.store(to, std::memory_order_release);
    }
    changing_.store(false, std::memory_order_release);
    return changed;
}

}  // namespace ringmain::core
