// tests/sim/talker.h - what a client says, and whether what it hears is true.
//
// A talker has keys of its own ("c3:k5") and shares others ("s:k5"). Of its own keys it knows the
// value, so the answer is known to the letter before it comes, until something happens that makes
// it doubtful: a write that was answered by an error, a server that lost its data or its place.
// From then on the key is retired, and for its last answers, as for shared keys, the ledger says
// what may be true. An answer that is an error must have a fault behind it. Keys of a database
// other than the pool's say so in their name ("c3:k5@1"), and a server that is asked for one in
// another database says so.
//
// Lists are shared ("s:kL1"). An element that a server takes out of one for a talker that waits is
// what that talker hears, or it hears an error. Some talkers are subscribed to channels ("m:1") and
// patterns; the news of their worker say what they must hear (news.h).
//
// Where passwords change, some log in as a user that reloads take away and bring back: from then on
// they hear -NOAUTH until they have logged in anew, and nothing else.

#pragma once

#include "ringmain/base/prng.h"
#include "ringmain/base/time.h"
#include "tests/sim/answers.h"
#include "tests/sim/directory.h"
#include "tests/sim/elements.h"
#include "tests/sim/ledger.h"
#include "tests/sim/news.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmain::sim {

// Whom a worker lets in, by the configuration that it has.
struct Doorkeeper {
    std::string password;
    std::string before;  // the password until then
    bool has_user = false;
    Instant changed_at = {};
    Instant user_gone_at = {};
};

// What a talker needs to know about the world; outlives it.
struct Truth {
    const config::Pool* pool;
    uint32_t index;  // of the pool
    Ledger ledger;
    Directory directory;
    std::vector<uint32_t> faults;     // by server, as bits
    uint32_t common_faults = 0;       // of the process
    uint64_t flushes = 0;             // flush_all, run by servers
    std::vector<Instant> flushed_at;  // by server: the last one
    bool calm = true;                 // nothing fails: no error at all
    bool selects = false;             // clients ask for other databases
    bool waits = false;               // and for commands that wait
    bool lingers = false;             // very often
    bool publishes = false;           // and messages are published
    bool carries = false;             // and for writes over several servers
    Elements elements;
    bool changes_auth = false;      // reloads change passwords and users
    std::vector<Doorkeeper> doors;  // by worker
    std::map<uint64_t, Tag> taken;  // by talker: the element that its command has got
    std::set<Tag> taken_by_some;    // elements that LMPOP has got
    uint64_t elements_taken = 0;
    News news;
    // How many clients of a worker have heard that they are subscribed, and want to be.
    std::map<std::pair<uint32_t, std::string>, uint32_t> listening;
    uint64_t news_heard = 0;
    bool is_ending = false;                // the proxy is being stopped: nothing waits any more
    Instant calm_from = Instant::never();  // what is asked later has no error

    Truth(const config::Pool& options, uint32_t pool_index, bool has_large)
        : pool(&options),
          index(pool_index),
          ledger(options.servers.size(), has_large),
          directory(options),
          faults(options.servers.size(), 0),
          flushed_at(options.servers.size()) {}
};

// A key in a request.
struct Use {
    std::string key;
    int32_t own = -1;  // the number of the talker's own key
};

// What behind '@' says in which database the key is; empty: in the pool's.
[[nodiscard]] inline std::string_view database_of(std::string_view key) {
    return key.substr(std::min(key.find('@'), key.size() - 1) + 1);
}

// How long a command that waits does so.
inline constexpr Duration wait_span = Duration::millis(20);

struct Expected {
    enum class Kind : uint8_t {
        Local,   // made by the proxy: no server can spoil it
        Values,  // one per key, or those that there are
        Word,    // +OK, STORED ...
        Count,   // of keys
        Number,
        Stats,  // of all servers, added up
        Flush,  // of all servers
        Keys,   // of this client, from all servers
        Auth,   // whether it is let in
        Wait,   // an element of a list, or none
        Push,   // how many elements there are now
        Topic,  // the confirmation that a topic is subscribed to, or is not any more
        Step,   // of a command that may be done in steps
    };

    Kind kind = Kind::Local;
    bool known = false;  // to the letter, as long as its keys are not doubtful
    bool removes = false;
    std::string exact = {};
    std::string name = {};  // of the topic, or of the command
    std::vector<std::string_view> words = {};
    std::vector<Use> uses = {};
    std::vector<bool> present = {};  // Keys: whether each of `uses` is there
    std::vector<Tag> writes = {};    // one per key
    Instant asked = {};
    bool watched = false;   // EXEC, that finds out whether the key was written since
    bool replaces = false;  // Step: whatever is there
    Tag member = 0;         // Step: that is moved
    bool waits = false;
    bool takes_some = false;  // Wait: LMPOP, of which it is not known whose an element is
    size_t turns = 1;         // Wait: questions to servers, most of them short
    size_t news = 0;          // Topic: of it, when that was asked
    uint32_t rest = 0;        // Topic: how many more there are in the command
    int32_t selects = -1;     // the place of the database that it asks for
    uint32_t silent = 0;      // requests without an answer between the one before and this
};

class Talker {
  public:
    Talker(uint64_t number, Truth& truth);
    ~Talker();
    Talker(const Talker&) = delete;
    Talker& operator=(const Talker&) = delete;

    // The proxy's name for this client, for HELLO. To be told before the first request.
    void set_id(uint64_t id, uint32_t worker) {
        id_ = id;
        worker_ = worker;
    }

    // A request; what it is answered is remembered. Empty: it has nothing to say before it has
    // heard the last answer.
    [[nodiscard]] std::string speak(Prng& prng, Instant now);

    // The last that it says, and then it ends its side of the connection: keys that it watches, a
    // command that waits, and behind that others. Empty: it has no such thing to say.
    [[nodiscard]] std::string speak_last(Prng& prng, Instant now);

    // The connection has ended with answers still to come. Says what is wrong with that: only who
    // would have to wait is left there, and nothing behind is done.
    [[nodiscard]] std::string miss_last() const;

    // Takes whole answers off `heard`; returns what is wrong with the first that is wrong.
    [[nodiscard]] std::string listen(std::string& heard, Instant now);

    // The server's data are not what they were: nothing is known of the keys that it has or had.
    void doubt(uint32_t server, Instant now);
    void doubt_all();

    // What it has asked that server until then may get the answer to another's request.
    void mislead(uint32_t server, Instant until) { misled_.insert_or_assign(server, until); }

    // No more of that from now on.
    void end_misleading(uint32_t server, Instant now);

    [[nodiscard]] size_t waiting() const { return expected_.size(); }

    // Its user is gone, and with it perhaps the connection.
    [[nodiscard]] bool may_be_cut_off() const;

    // It must have heard all news of its topics up to then; says what it has not.
    [[nodiscard]] std::string miss(Instant until);

    // It leaves.
    void stop_listening();
    // The last request that it was given to say has no end.
    void cut_last();

    // The channels and patterns that it is subscribed to, and has not asked to leave.
    [[nodiscard]] std::vector<std::string> topics() const;

    // The oldest request without an answer; there must be one.
    [[nodiscard]] const Expected& oldest() const { return expected_.front(); }

    struct Heard {
        uint64_t answers = 0;
        uint64_t known = 0;  // compared to the letter
        uint64_t errors = 0;
        uint64_t misled = 0;  // wrong, and to another's request
    };

    [[nodiscard]] const Heard& heard() const { return heard_; }

  private:
    struct OwnKey {
        std::string name;
        std::optional<std::string> value;
        int64_t counter = 0;
        bool doubtful = false;
    };

    // What it has heard of a topic that it is subscribed to.
    struct Topic {
        size_t next = 0;       // of the news
        bool wanted = true;    // it has not asked for the end
        size_t free_from = 0;  // those before may have come before it was subscribed
    };

    static constexpr size_t slots = 10;
    static constexpr uint64_t lists = 4;
    static constexpr uint64_t channels = 5;
    static constexpr uint64_t carried_values = 5;
    static constexpr uint64_t carried_sets = 3;
    // Besides the pool's own.
    static constexpr std::array<uint32_t, 2> databases = {1, 5};

    // --- speaking
    [[nodiscard]] Expected& expect(Expected::Kind kind, std::string exact);
    [[nodiscard]] std::string suffix() const;
    [[nodiscard]] std::vector<Use> some_keys(Prng& prng, size_t count);
    [[nodiscard]] int32_t own_key(size_t slot);
    [[nodiscard]] std::string new_value(const Use& use, Expected& expected);
    [[nodiscard]] bool has_value(const Use& use) const;
    [[nodiscard]] bool all_known(const std::vector<Use>& uses) const;
    [[nodiscard]] std::string got(const Use& use) const;
    [[nodiscard]] std::string speak_resp(Prng& prng);
    [[nodiscard]] std::string speak_get(Prng& prng);
    [[nodiscard]] std::string speak_set(Prng& prng);
    [[nodiscard]] std::string speak_multi(Prng& prng, std::string_view name);
    [[nodiscard]] std::string speak_count(Prng& prng, std::string_view name, bool removes);
    [[nodiscard]] std::string speak_increment(Prng& prng);
    [[nodiscard]] std::string speak_transaction(Prng& prng);
    void expect_word(std::string word, const std::vector<Use>& uses);
    [[nodiscard]] std::string speak_keys();
    [[nodiscard]] std::string speak_locally(Prng& prng);
    [[nodiscard]] std::string speak_select(Prng& prng);
    [[nodiscard]] std::string speak_auth(Prng& prng);
    [[nodiscard]] std::string speak_wait(Prng& prng);
    [[nodiscard]] std::string speak_push(Prng& prng);
    [[nodiscard]] std::string speak_publish(Prng& prng);
    [[nodiscard]] std::string speak_topic(Prng& prng);
    [[nodiscard]] std::string speak_as_hearer(Prng& prng);
    [[nodiscard]] std::string hello(bool resp3);
    // talker_steps.cc
    [[nodiscard]] std::string shared_key(char kind, uint64_t number) const;
    [[nodiscard]] Expected& expect_step(std::string_view name, std::vector<Use> uses);
    [[nodiscard]] std::string speak_step(Prng& prng);
    [[nodiscard]] std::string speak_rename(Prng& prng, bool own);
    void foresee_rename(Expected& expected);
    [[nodiscard]] std::string speak_value(Prng& prng);
    [[nodiscard]] std::string speak_add(Prng& prng);
    [[nodiscard]] std::string speak_move(Prng& prng);
    [[nodiscard]] std::string speak_union(Prng& prng);
    [[nodiscard]] std::string speak_memcached(Prng& prng);
    [[nodiscard]] std::string speak_to_all(Prng& prng);
    [[nodiscard]] std::string speak_memcached_get(Prng& prng);
    [[nodiscard]] std::string speak_meta_get(Prng& prng);
    [[nodiscard]] std::string speak_memcached_store(Prng& prng, bool meta);
    [[nodiscard]] std::string speak_memcached_delete(Prng& prng, bool meta);

    // --- listening
    [[nodiscard]] std::string judge(const Expected& next,
                                    std::string_view answer,
                                    const std::vector<Value>& values,
                                    Instant now);
    [[nodiscard]] std::string judge_error(const Expected& next,
                                          std::string_view answer,
                                          Instant now);
    [[nodiscard]] std::string judge_values(const Expected& next,
                                           std::string_view answer,
                                           const std::vector<Value>& values,
                                           Instant now);
    [[nodiscard]] std::string judge_keys(const Expected& next,
                                         std::string_view answer,
                                         const std::vector<Value>& values) const;
    [[nodiscard]] std::string judge_count(const Expected& next,
                                          std::string_view answer,
                                          Instant now);
    [[nodiscard]] std::string judge_auth(const Expected& next,
                                         std::string_view answer,
                                         Instant now);
    [[nodiscard]] bool is_shut_out(const Expected& next,
                                   std::string_view answer,
                                   std::string* wrong);
    [[nodiscard]] std::string judge_wait(const Expected& expected,
                                         std::string_view answer,
                                         const std::vector<Value>& values);
    [[nodiscard]] std::string judge_step(const Expected& next,
                                         std::string_view answer,
                                         Instant now);
    [[nodiscard]] std::string judge_rename(const Expected& next,
                                           std::string_view answer,
                                           Instant now);
    [[nodiscard]] std::string judge_move(const Expected& next,
                                         std::string_view answer,
                                         Instant now);

    // Of those that may have had the key.
    template <class Fits>
    [[nodiscard]] bool any_server(std::string_view key, Ledger::Span span, Fits fits) {
        const std::vector<uint32_t>& servers =
            truth_->directory.servers_of(key, span.from, span.to);
        return std::ranges::any_of(servers, fits);
    }

    [[nodiscard]] std::string judge_topic(const Expected& next,
                                          std::string_view answer,
                                          const std::vector<Value>& values);
    [[nodiscard]] bool is_message(std::string_view answer, const std::vector<Value>& values) const;
    void stop_listening(const std::string& name, Topic& topic);
    [[nodiscard]] static bool is_of_all(std::string_view answer);
    [[nodiscard]] std::string hear_message(const std::vector<Value>& values);
    [[nodiscard]] std::string judge_flush(const Expected& next, std::string_view answer) const;
    [[nodiscard]] bool may_hold(std::string_view key, Tag tag, const Expected& next, Instant now);
    [[nodiscard]] std::string acknowledge(const Expected& next);
    [[nodiscard]] bool is_explained(uint32_t reasons, int32_t named, uint32_t server) const;
    [[nodiscard]] bool is_lie(const Expected& next, Instant now);
    [[nodiscard]] bool may_be_misled(const Expected& next, Instant now);
    void doubt(const Expected& expected);

    uint64_t number_;
    Truth* truth_;
    bool memcached_;
    uint64_t id_ = 0;
    uint32_t worker_ = 0;
    bool listens_ = false;  // to messages
    std::map<std::string, Topic> topics_;
    Instant now_ = {};
    bool resp3_ = false;
    bool authenticated_ = false;
    bool wants_user_ = false;  // to be one
    bool is_user_ = false;
    bool is_logging_in_ = false;
    bool is_waiting_ = false;  // one at a time, so that it is known whose an element is
    Instant login_asked_ = {};
    Instant login_heard_ = {};
    std::deque<OwnKey> keys_;
    // Of the pool's own database, then of `databases`.
    std::array<std::array<int32_t, slots>, databases.size() + 1> slots_ = {};
    size_t place_ = 0;           // in which it is
    bool is_selecting_ = false;  // until it is answered, nobody knows in which
    std::deque<Expected> expected_;
    uint32_t silent_ = 0;  // since the last one

    struct Acknowledged {
        uint32_t server;
        Instant ran;
    };

    std::map<std::string, Acknowledged, std::less<>> acknowledged_;
    std::map<uint32_t, Instant> misled_;  // by servers, until when
    Heard heard_;
};

}  // namespace ringmain::sim
