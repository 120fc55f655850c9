// ringmain/core/scripts.h - the scripts that clients of a pool have left, as one redis keeps them.
//
// What SCRIPT LOAD or EVAL has left on one redis EVALSHA finds. Here it may run on another server,
// or on one that was restarted and has forgotten. So the texts are kept: a connection is told a
// script once, ahead of the first EVALSHA that names it (src/design/0010).
//
//   loaded   by SCRIPT LOAD: kept until SCRIPT FLUSH; what comes beyond the bounds is not kept, and
//            -NOSCRIPT reaches the client as ever
//   run      by EVAL: the oldest make room for new ones
//
// Scripts is shared by the workers of a process. KnownScripts is one worker's index of it, and asks
// it, which takes a lock, only for what is not in there.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringmain::core {

// Of a pool, and of the bytes of their texts.
inline constexpr uint32_t scripts_max = 4096;
inline constexpr uint64_t scripts_size_max = 16ULL * 1024 * 1024;
inline constexpr uint32_t run_scripts_max = 512;
inline constexpr uint64_t run_scripts_size_max = 8ULL * 1024 * 1024;
inline constexpr uint64_t run_script_size_max = 256ULL * 1024;  // of one

// One that is kept, or was.
struct ScriptId {
    uint32_t place = 0;   // below scripts_max + run_scripts_max, its own while it is kept
    uint64_t number = 0;  // never another's; 0: there is none

    [[nodiscard]] bool is_one() const { return number != 0; }

    // Both in one number, and back.
    [[nodiscard]] int64_t pack() const;
    [[nodiscard]] static ScriptId unpack(int64_t packed);

    friend bool operator==(const ScriptId&, const ScriptId&) = default;
};

class Scripts {
  public:
    enum class Origin : uint8_t { Loaded, Run };

    Scripts() = default;
    Scripts(const Scripts&) = delete;
    Scripts& operator=(const Scripts&) = delete;

    ~Scripts() { delete kept_.load(std::memory_order_relaxed); }

    // By 40 hexadecimal digits, lower case. None when it is not kept.
    [[nodiscard]] ScriptId find(std::string_view digest) const;

    // The one with that digest, from now on kept. None when there is no room.
    [[nodiscard]] ScriptId keep(std::string_view digest, std::string_view text, Origin origin);

    // False: flushed, put out by a newer one, or no script after all.
    [[nodiscard]] bool is_kept(ScriptId id) const {
        const Kept* kept = kept_.load(std::memory_order_acquire);
        return kept != nullptr && (*kept)[id.place].load(std::memory_order_acquire) == id.number;
    }

    // A copy; nothing when it is not kept.
    [[nodiscard]] std::optional<std::string> text(ScriptId id) const;

    // It was none: a server could not compile it.
    void drop(ScriptId id);

    // Whether drop() was told of it, one of the last it was told.
    [[nodiscard]] bool is_none(uint64_t number) const;

    // True once, after a loaded one was not kept for want of room; and again after forget().
    [[nodiscard]] bool take_full() { return is_full_.exchange(false, std::memory_order_acq_rel); }

    // SCRIPT FLUSH: none is kept any more.
    void forget();

    // Changes with forget().
    [[nodiscard]] uint64_t generation() const {
        return generation_.load(std::memory_order_acquire);
    }

  private:
    struct Script {
        std::string digest;
        std::string text;
        ScriptId id;
        bool is_loaded = false;
    };

    // Their numbers, by place. Most pools keep no script ever, and it is large.
    using Kept = std::array<std::atomic<uint64_t>, scripts_max + run_scripts_max>;

    [[nodiscard]] bool make_room(uint64_t size, Origin origin);
    void let_go(const Script& script);

    mutable std::atomic_flag busy_;
    std::atomic<uint64_t> generation_ = 0;
    std::atomic<bool> is_full_ = false;              // and that is to be told
    bool was_full_ = false;                          // since forget()
    std::atomic<Kept*> kept_ = nullptr;              // owned, made with the first one
    std::vector<std::unique_ptr<Script>> by_place_;  // null: free
    std::vector<uint32_t> free_places_;              // of by_place_
    std::unordered_map<std::string_view, Script*> by_digest_;
    std::deque<Script*> run_;          // the oldest first
    std::array<uint64_t, 64> none_{};  // numbers that drop() was told last
    uint32_t none_next_ = 0;           // the oldest of them
    uint64_t run_size_ = 0;
    uint32_t loaded_count_ = 0;
    uint64_t loaded_size_ = 0;
    uint64_t last_number_ = 0;
};

class KnownScripts {
  public:
    // `scripts` outlives it.
    explicit KnownScripts(Scripts& scripts) : scripts_(&scripts) {}

    // As Scripts::find().
    [[nodiscard]] ScriptId find(const std::string& digest);

    // EVAL of that text, whose hash nobody can forge. None when it is too large to be kept.
    ScriptId keep_run(std::string_view text, uint64_t hash);

    // SCRIPT LOAD, which was asked in that generation: what was flushed since stays so.
    void keep_loaded(std::string_view digest, std::string_view text, uint64_t generation);

    // For what is asked of all workers' scripts.
    [[nodiscard]] Scripts& all() { return *scripts_; }

    [[nodiscard]] size_t size() const { return by_digest_.size() + by_text_.size(); }

  private:
    void prune();

    Scripts* scripts_;
    std::unordered_map<std::string, ScriptId> by_digest_;
    std::unordered_map<uint64_t, ScriptId> by_text_;  // that EVAL has run
};

}  // namespace ringmain::core
