// ringmain/core/scripts.h - the scripts that SCRIPT LOAD has given to all servers of a pool.
//
// A server that was restarted has forgotten them, and EVALSHA would fail there until a client loads
// again. So their texts are kept: a connection is told a script once, ahead of the first EVALSHA
// that names it (src/design/0010).
//
// Scripts is shared by the workers of a process: a list that only grows, of nodes that never
// change, without locks. Its bounds are for the life of the process, since nobody knows who still
// reads an old node; what comes beyond them is not kept, and -NOSCRIPT reaches the client as ever.
// KnownScripts is one worker's index of it.

#pragma once

#include "ringmain/base/assert.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ringmain::core {

// Of a pool, and of the bytes of their texts.
inline constexpr uint32_t scripts_max = 4096;
inline constexpr uint64_t scripts_size_max = 16ULL * 1024 * 1024;

struct Script {
    const Script* next = nullptr;  // the one that was kept before it
    uint32_t number = 0;           // below scripts_max, its own
    uint64_t generation = 0;       // of Scripts, when it was kept
    std::string digest;            // 40 hexadecimal digits, lower case
    std::string text;
};

class Scripts {
  public:
    Scripts() = default;
    Scripts(const Scripts&) = delete;
    Scripts& operator=(const Scripts&) = delete;
    ~Scripts();

    void keep(std::string_view digest, std::string_view text);

    // SCRIPT FLUSH: none of those that are kept is to be told any more.
    void forget() { generation_.fetch_add(1, std::memory_order_acq_rel); }

    [[nodiscard]] uint64_t generation() const {
        return generation_.load(std::memory_order_acquire);
    }

    [[nodiscard]] const Script* newest() const { return newest_.load(std::memory_order_acquire); }

  private:
    std::atomic<const Script*> newest_ = nullptr;
    std::atomic<uint64_t> generation_ = 0;
    std::atomic<uint32_t> count_ = 0;
    std::atomic<uint64_t> size_ = 0;
};

class KnownScripts {
  public:
    // `scripts` outlives it.
    explicit KnownScripts(Scripts& scripts) : scripts_(&scripts) {}

    // Null when it is not kept, or was forgotten. Lives as long as the Scripts.
    [[nodiscard]] const Script* find(std::string_view digest);

    void keep(std::string_view digest, std::string_view text) {
        if (find(digest) == nullptr) scripts_->keep(digest, text);
    }

    void forget() { scripts_->forget(); }

  private:
    Scripts* scripts_;
    const Script* seen_ = nullptr;
    std::unordered_map<std::string_view, const Script*> by_digest_;
};

}  // namespace ringmain::core
