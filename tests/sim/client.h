// tests/sim/client.h - a client's manners: when it speaks, how, and how it leaves.

#pragma once

#include "ringmain/base/prng.h"
#include "ringmain/base/time.h"
#include "tests/sim/link.h"
#include "tests/sim/packets.h"
#include "tests/sim/scenario.h"
#include "tests/sim/talker.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmain::sim {

class Client {
  public:
    enum class Manner : uint8_t {
        Polite,     // pipelines, listens, says goodbye
        Trickling,  // a few bytes at a time
        Sleepy,     // does not read for a while
        Rude,       // leaves in the middle, without a word; perhaps in that of a request
        Deaf,       // asks and never reads
        Babbling,   // what it says is no request
        Parting,    // ends its side before it has its answers, or behind a command that waits
    };

    Client(uint64_t number, const Scenario& scenario, Truth& truth, Prng& prng);

    [[nodiscard]] uint64_t number() const { return number_; }

    [[nodiscard]] Manner manner() const { return manner_; }

    // The proxy took the connection.
    void on_connected(Link& link, Instant now);

    // The pool is full.
    void on_refused() { gone_ = true; }

    // Speaks, reads or leaves, when it is time. Returns what is wrong with what it heard.
    [[nodiscard]] std::string act(Instant now, Prng& prng);

    // From now on it may ask `requests` more, and then leaves politely.
    void go_on(uint32_t requests, Instant now);
    // The proxy stops. What it has said is `heard` by the proxy to the last byte and answered, or
    // some of it is still on its way and may be lost.
    void on_drain(bool heard);
    // Leaves as soon as it has its answers; who does not listen, at once.
    void say_goodbye();

    [[nodiscard]] Link* link() const { return link_; }

    [[nodiscard]] bool is_gone() const { return gone_; }

    // It has said its last.
    [[nodiscard]] bool is_leaving() const { return leaving_; }

    [[nodiscard]] bool is_welcome() const { return link_ != nullptr; }

    // When it does something by itself.
    [[nodiscard]] Instant next_act() const;

    // Since when it has waited for the answer that is its turn; never: it waits for none, or would
    // not read it.
    [[nodiscard]] Instant waits_since() const;

    // How many requests may have to be answered one after another until it has its answer: some
    // that nobody hears of stand in front of it, and each key of a get may be a packet.
    [[nodiscard]] int64_t turns() const;

    // What the waiting does not count: workers stood still until now.
    void forgive(Instant until) { patience_from_ = std::max(patience_from_, until); }

    [[nodiscard]] Talker& talker() { return talker_; }

    // Of its pool.
    [[nodiscard]] Truth& truth() const { return *truth_; }

    [[nodiscard]] uint64_t requests() const { return spoken_; }

    [[nodiscard]] bool has_parted() const { return has_parted_; }

    // No answer is owed any more: the proxy is short of memory.
    [[nodiscard]] bool listens() const {
        return manner_ != Manner::Deaf && manner_ != Manner::Babbling;
    }

  private:
    [[nodiscard]] std::string listen(Instant now);
    [[nodiscard]] std::string on_closed(Instant now);
    [[nodiscard]] bool may_seem_idle(Instant now) const;
    [[nodiscard]] bool may_have_no_database() const;
    [[nodiscard]] bool may_seem_slow() const;
    [[nodiscard]] bool may_be_cut_short() const;
    [[nodiscard]] std::string encode(std::string request);
    void take(std::string_view bytes);
    void speak(Instant now, Prng& prng);
    void send(std::string bytes, Instant now, Prng& prng);
    [[nodiscard]] std::string babble(Prng& prng) const;
    void leave(Instant now, bool politely);
    [[nodiscard]] bool part(Instant now, Prng& prng);

    uint64_t number_;
    const Scenario* scenario_;
    Truth* truth_;
    Talker talker_;
    Manner manner_;
    Link* link_ = nullptr;
    std::string heard_;
    std::optional<Packets> packets_;  // where it speaks the binary protocol
    std::string heard_packets_;       // not to their end yet
    uint32_t left_;                   // requests
    uint64_t spoken_ = 0;
    bool leaving_ = false;      // has said its last
    bool ends_within_ = false;  // its last request
    bool gone_ = false;
    bool is_sent_away_ = false;  // the proxy stops
    bool has_parted_ = false;    // behind a command that waits
    bool may_be_unheard_ = false;
    Instant next_speech_ = {};
    Instant next_nap_ = {};
    Instant sent_until_ = {};  // when the last byte of its last request is with the proxy
    Instant last_heard_ = {};
    Instant patience_from_ = {};
    Instant leaves_at_ = Instant::never();
};

}  // namespace ringmain::sim
