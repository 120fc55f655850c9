// tests/sim/pipe.h - one direction of a connection: bytes in order, each piece with its arrival.

#pragma once

#include "ringmain/base/time.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>

namespace ringmain::sim {

// All that happens happens at a multiple of this, so that much of it meets in one batch.
inline constexpr Duration grid = {100'000};

inline Instant on_grid(Instant at) {
    return {(at.ns + grid.ns - 1) / grid.ns * grid.ns};
}

class Pipe {
  public:
    // Nothing overtakes: a piece arrives no earlier than the one before it.
    void push(std::string bytes, Instant at) {
        if (bytes.empty()) return;
        last_ = std::max(last_, on_grid(at));
        pieces_.push_back({last_, std::move(bytes)});
    }

    // The end of the stream, behind everything.
    void close(Instant at) {
        last_ = std::max(last_, on_grid(at));
        end_ = std::min(end_, last_);
    }

    // The network holds everything back until then.
    void hold(Instant until) { held_until_ = std::max(held_until_, on_grid(until)); }

    [[nodiscard]] bool is_held(Instant now) const { return now < held_until_; }

    void drop() { pieces_.clear(); }

    void take(Instant now, std::string& into) {
        if (is_held(now)) return;
        while (!pieces_.empty() && pieces_.front().at <= now) {
            into += pieces_.front().bytes;
            pieces_.pop_front();
        }
    }

    [[nodiscard]] bool empty() const { return pieces_.empty(); }

    [[nodiscard]] uint64_t size() const {
        uint64_t bytes = 0;
        for (const Piece& piece : pieces_) {
            bytes += piece.bytes.size();
        }
        return bytes;
    }

    [[nodiscard]] bool is_closed() const { return end_ != Instant::never(); }

    [[nodiscard]] bool has_ended(Instant now) const {
        return pieces_.empty() && end_ <= now && !is_held(now);
    }

    // When the next piece, or the end, is there.
    [[nodiscard]] Instant next() const {
        const Instant at = pieces_.empty() ? end_ : pieces_.front().at;
        return at == Instant::never() ? at : std::max(at, held_until_);
    }

  private:
    struct Piece {
        Instant at;
        std::string bytes;
    };

    std::deque<Piece> pieces_;
    Instant last_ = {};
    Instant end_ = Instant::never();
    Instant held_until_ = {};
};

}  // namespace ringmain::sim
