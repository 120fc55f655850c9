// ringmain/core/topics.h - what clients are subscribed to, and where (src/design/0012).
//
//   Topic ---- clients: who gets its messages
//     |  \---- waiting: whose SUBSCRIBE is answered when all its servers have confirmed
//   Spot, Spot ...     one for each server that is to have the subscription, or still has it
//     |
//   Link               the server's subscription connection, with what was asked on it
//
// A topic is a channel, a shard channel or a pattern of one pool and worker. It lives as long as a
// client has it or waits for it, or a server may still send its messages. All of this is
// core::Subscriptions' to change; one thread.

#pragma once

#include "ringmain/base/list.h"
#include "ringmain/base/siphash.h"
#include "ringmain/base/time.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/throttle.h"
#include "ringmain/stats/counters.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringmain::core {

class ClientConn;
class Server;
class ServerConn;
struct Request;

enum class TopicKind : uint8_t { Channel, Pattern, Shard };

inline constexpr size_t topic_kind_count = 3;

struct Topic;

// A SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE that waits for servers.
struct Joining {
    enum class State : uint8_t { Waiting, Confirmed, Failed };

    struct Item {
        Topic* topic;
        State state = State::Waiting;
        size_t place = 0;                          // Waiting: in Topic::waiting
        std::string error = {};                    // Failed: the whole line
        std::optional<stats::Reason> reason = {};  // of an error that is not the server's
    };

    ClientConn* client = nullptr;
    Request* request = nullptr;  // in the client's FIFO, without a fragment
    bool is_mute = false;        // no errors (CLIENT REPLY)
    std::vector<Item> items;     // as the client named them
    size_t missing = 0;          // of them, Waiting
    uint64_t batch = 0;          // in which it came
    Instant began = {};
    Instant look_at = Instant::never();  // its time is not up before
    ListLink<Joining> link;
};

// A topic on a server.
//
//   wanted   it is to be subscribed there
//   told     what the last command asked for, or would have: false after a loss
//   held     the server has confirmed it, and sends its messages
//   refusal  what is wanted was refused, and is asked for again after a while
struct Spot {
    Server* server = nullptr;
    bool wanted = false;
    bool told = false;
    bool held = false;
    bool queued = false;       // in Link::todo
    bool was_refused = false;  // and nothing was confirmed since
    bool was_told = false;     // in the log, that it is refused
    uint32_t pending = 0;      // commands that are not confirmed
    uint64_t batch = 0;        // since which it is wanted
    uint64_t refusal = 0;      // its number in Link::refused; 0: it is not there

    [[nodiscard]] bool is_settled() const { return held && told && pending == 0; }
};

struct Topic {
    struct Waiting {
        Joining* joining;
        size_t item;
    };

    Topic(TopicKind its_kind, std::string_view its_name) : kind(its_kind), name(its_name) {}

    TopicKind kind;
    std::string name;
    std::vector<ClientConn*> clients;
    std::vector<Waiting> waiting;
    uint32_t joinings = 0;  // items of Joinings that are not finished: they keep it
    std::vector<Spot> spots;
    ListLink<Topic> miscounted_link;

    [[nodiscard]] bool is_used() const { return !clients.empty() || joinings > 0; }

    // Null where it has none.
    [[nodiscard]] Spot* spot(const Server& server) {
        for (Spot& one : spots) {
            if (one.server == &server) return &one;
        }
        return nullptr;
    }

    // One that has not confirmed what was wanted by that batch. Null: those that have not got it
    // later, since servers came or went.
    [[nodiscard]] const Spot* late_spot(uint64_t batch) const {
        const auto found = std::ranges::find_if(spots, [batch](const Spot& spot) {
            return spot.wanted && !spot.is_settled() && spot.batch <= batch;
        });
        return found == spots.end() ? nullptr : &*found;
    }

    [[nodiscard]] bool is_placed() const { return std::ranges::any_of(spots, &Spot::wanted); }

    // Every server that is to have it has confirmed, and was not asked for anything since.
    [[nodiscard]] bool is_confirmed() const {
        for (const Spot& one : spots) {
            if (one.wanted && !one.is_settled()) return false;
        }
        return is_placed();
    }
};

// Topics whose Spot wants something else than was told, each once. Those that a client waits for
// and the others have turns: who subscribes to one name does not wait for very many that were left
// or lost, nor do these wait for ever.
class Todo {
  public:
    [[nodiscard]] bool empty() const { return awaited_.empty() && others_.empty(); }

    [[nodiscard]] size_t size() const { return awaited_.size() + others_.size(); }

    [[nodiscard]] std::vector<Topic*> all() const {
        std::vector<Topic*> topics(awaited_.begin(), awaited_.end());
        topics.insert(topics.end(), others_.begin(), others_.end());
        return topics;
    }

    void add(Topic& topic, bool is_wanted) {
        (is_wanted && topic.joinings > 0 ? awaited_ : others_).push_back(&topic);
    }

    [[nodiscard]] Topic& front() { return *next().front(); }

    void pop_front() {
        next().pop_front();
        is_others_turn_ = !is_others_turn_;
    }

    void clear() {
        awaited_.clear();
        others_.clear();
    }

  private:
    [[nodiscard]] std::deque<Topic*>& next() {
        const bool is_others = awaited_.empty() || (is_others_turn_ && !others_.empty());
        return is_others ? others_ : awaited_;
    }

    std::deque<Topic*> awaited_;
    std::deque<Topic*> others_;
    bool is_others_turn_ = false;
};

// To one server.
struct Link {
    struct Asked {
        Topic* topic = nullptr;  // null: PING
        bool subscribes = false;
        uint64_t size = 0;   // bytes
        uint64_t batch = 0;  // in which it was written: it leaves at the end of that one
        Instant at = {};
    };

    Link(ServerConn& its_conn, BlockPool& blocks) : conn(&its_conn), kept(blocks) {}

    void forget_asked() {
        asked.clear();
        asked_size = 0;
    }

    void forget_topics() {
        forget_asked();
        todo.clear();
        refused.clear();
        spots = 0;
        wanted = 0;
    }

    // It is not to be asked for again.
    void take_back(Spot& spot) {
        if (spot.refusal == 0) return;
        refused.erase(spot.refusal);
        spot.refusal = 0;
    }

    ServerConn* conn;
    std::deque<Asked> asked;  // each is confirmed in its turn
    uint64_t asked_size = 0;  // bytes of those
    Instant moved_at = {};    // enough of them was answered, last
    uint64_t moved_size = 0;  // bytes of those that were answered since
    Todo todo;
    std::map<uint64_t, Topic*> refused;  // to be asked for again later, by Spot::refusal
    uint64_t refusals = 0;               // the last of these numbers
    Instant ask_again_at = Instant::never();
    Duration ask_again_after = {};
    Throttle refusals_told{refusals_told_interval};
    bool was_told_refusal = false;  // in the log, and it is not over
    uint64_t spots = 0;             // of all topics
    uint64_t wanted = 0;            // spots
    uint64_t held = 0;              // spots
    Instant heard_at = {};          // a whole message, or enough of one
    uint64_t part_size = 0;         // bytes of one since
    Instant idle_since = {};        // nothing is wanted
    bool is_dirty = false;          // something is to be done at the end of the batch
    bool was_told = false;          // in the log, that it was lost
    Instant tell_again_at = {};     // no other loss before
    bool is_behind = false;         // not all that was lost is subscribed again
    bool is_dropping = false;       // a message for which there is no memory, to its end
    Chain kept;                     // what was received and waits for the next batch
    std::string end;                // why nothing comes behind `kept`; empty: it may
    ListLink<Link> kept_link;
};

// Of one client (Session::subscriber).
struct Subscriber {
    ClientConn* client = nullptr;
    ListLink<Subscriber> heard_link;            // a message for it is to leave
    std::unordered_map<Topic*, size_t> topics;  // its place in Topic::clients
    std::array<uint32_t, topic_kind_count> counts = {};
    std::unique_ptr<Joining> joining;  // it waits for this

    [[nodiscard]] bool is_subscribed() const { return !topics.empty(); }

    // What redis counts in its confirmations.
    [[nodiscard]] uint32_t count(TopicKind kind) const {
        return kind == TopicKind::Shard ? counts[2] : counts[0] + counts[1];
    }
};

// Clients choose the names: nobody can find many that hash alike.
struct KeyedHash {
    SipKey key;

    [[nodiscard]] size_t operator()(std::string_view text) const { return siphash13(key, text); }
};

// Of one pool.
struct Topics {
    using ByName = std::unordered_map<std::string_view, std::unique_ptr<Topic>, KeyedHash>;

    explicit Topics(SipKey key)
        : by_kind{ByName(0, KeyedHash{key}), ByName(0, KeyedHash{key}), ByName(0, KeyedHash{key})} {
    }

    [[nodiscard]] uint64_t count() const {
        return by_kind[0].size() + by_kind[1].size() + by_kind[2].size();
    }

    // There is another one, or its clients have changed.
    void note_clients(Topic& topic) {
        if (topic.kind != TopicKind::Pattern) return;
        if (topic.clients.size() == 1) {
            miscounted.remove(topic);
        } else {
            miscounted.add(topic);
        }
    }

    // Nobody has it any more.
    void forget(Topic& topic) {
        miscounted.remove(topic);
        names_size -= topic.name.size();
        const std::string name = topic.name;  // the map's key goes with it
        by_kind[static_cast<size_t>(topic.kind)].erase(name);
    }

    std::array<ByName, topic_kind_count> by_kind;
    // The patterns that do not have the one client that a server counts (PUBLISH).
    List<Topic, &Topic::miscounted_link> miscounted;
    uint64_t subscriptions = 0;  // of all clients
    uint64_t awaited = 0;        // items of Joinings: they may be more of them
    uint64_t names_size = 0;     // bytes
    bool in_ramps = false;       // some are subscribed where they lived before, too
    bool connects = false;       // a connection for messages was being made (move_times)
};

}  // namespace ringmain::core
