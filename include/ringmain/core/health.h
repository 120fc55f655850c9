// ringmain/core/health.h - whether a server gets traffic: one decision for all workers.
//
//   Alive --- failure_limit failures in a row, if ejection is on ---> Ejected
//     ^                                                                  |
//     +---------------------- a probe of ours succeeds ------------------+
//
// Every worker reports what it saw; the report that reaches the limit ejects. Evidence counts once:
// a failure counts only if what failed began after the last failure that counted, so that the many
// connections and requests that one event takes with it are one failure; and a success says
// something only if it began after it.
//
// Beside that, whether a server may be connected to at all: after a failure nobody connects before
// retry_at(), and then one connection of one worker does for all.
//
// Nothing but atomics: any thread may call anything. The caller of what returns Ejected or true for
// a change of state announces it (Shared::announce_change).

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/core/shared_text.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::core {

class Health {
  public:
    enum class State : uint8_t { Alive, Ejected };

    struct Rules {
        bool eject = false;
        uint32_t failure_limit = 1;
    };

    struct Failure {
        Instant began;  // the connect, or the request's place in the queue
        Instant now;
        std::string_view reason;  // completes "server NAME ..."
    };

    enum class Verdict : uint8_t {
        Ignored,  // told already, by another's evidence
        Counted,
        Ejected,  // by this one
    };

    [[nodiscard]] Verdict on_failure(const Failure& failure, const Rules& rules);

    // A response to what began then. True when it ends a series of failures that people were told
    // of (tell_once).
    bool on_success(Instant began) { return is_in_trouble() && recover(began); }

    // True for the first caller in a series of failures: it should say so in the log.
    [[nodiscard]] bool tell_once();

    // The same of its silence, which is told beside another failure: requests are refused for it.
    [[nodiscard]] bool tell_silence();

    // It wants a password that it was not given: true when it is time to say so in the log.
    [[nodiscard]] bool tell_password(Instant now);

    // A probe succeeded. False when the server was in already.
    [[nodiscard]] bool readmit(Instant now, std::string_view reason);

    // Of a new one: what is known of the same server by another user or password, or of another
    // database. It is out where that is, unless it was over these.
    void follow(const Health& other);

    [[nodiscard]] State state() const { return state_.load(std::memory_order_acquire); }

    [[nodiscard]] bool accepts_traffic() const { return state() != State::Ejected; }

    // Whether on_success() has anything to do.
    [[nodiscard]] bool is_in_trouble() const {
        return trouble_.load(std::memory_order_relaxed) != 0;
    }

    // The last that counted.
    [[nodiscard]] Instant failed_at() const {
        return {last_failure_.load(std::memory_order_relaxed)};
    }

    // Failures in a row.
    [[nodiscard]] uint32_t failures() const {
        return trouble_.load(std::memory_order_relaxed) & count_mask;
    }

    // --- connecting ------------------------------------------------------------------------------

    // After a failed connection: nobody connects before that. The reason is last_error() then.
    void forbid_until(Instant at, std::string_view reason) {
        last_error_.write(reason);
        retry_at_.store(at.ns, std::memory_order_relaxed);
    }

    // A connection was made: anybody may.
    void allow() { retry_at_.store(0, std::memory_order_relaxed); }

    // Nobody may connect but who gets the turn.
    [[nodiscard]] bool is_down() const { return retry_at_.load(std::memory_order_relaxed) != 0; }

    [[nodiscard]] Instant retry_at() const { return {retry_at_.load(std::memory_order_relaxed)}; }

    // The turn of connecting to a server that is down; nobody else gets it before `until`.
    [[nodiscard]] bool take_turn(Instant now, Instant until);

    // --- for people ------------------------------------------------------------------------------

    [[nodiscard]] Instant changed_at() const {
        return {changed_at_.load(std::memory_order_acquire)};
    }

    [[nodiscard]] std::string change_reason() const { return change_reason_.read(); }

    // The last failure, as "refused the connection".
    [[nodiscard]] std::string last_error() const { return last_error_.read(); }

    [[nodiscard]] uint64_t ejections() const { return ejections_.load(std::memory_order_relaxed); }

    // When the next probe of an ejected server begins.
    [[nodiscard]] Instant probe_at() const { return {probe_at_.load(std::memory_order_relaxed)}; }

    void set_probe_at(Instant at) { probe_at_.store(at.ns, std::memory_order_relaxed); }

  private:
    static constexpr uint32_t told_bit = 1U << 31;
    static constexpr uint32_t told_silence_bit = 1U << 30;
    static constexpr Duration password_interval = Duration::millis(60'000);
    static constexpr uint32_t count_mask = told_silence_bit - 1;

    bool recover(Instant began);
    bool change(State to, Instant now, std::string_view reason);

    std::atomic<uint32_t> trouble_ = 0;  // failures in a row, and what was told
    std::atomic<State> state_ = State::Alive;
    std::atomic<bool> changing_ = false;
    std::atomic<int64_t> last_failure_ = INT64_MIN;
    std::atomic<int64_t> retry_at_ = 0;  // 0: not down
    std::atomic<int64_t> changed_at_ = 0;
    std::atomic<int64_t> probe_at_ = INT64_MAX;
    std::atomic<int64_t> tell_password_at_ = 0;
    std::atomic<uint64_t> ejections_ = 0;
    SharedText change_reason_;
    SharedText last_error_;
};

}  // namespace ringmain::core
