// tests/sim/server.h - a redis or memcached that works, or does not.

#pragma once

#include "ringmain/base/prng.h"
#include "ringmain/base/time.h"
#include "tests/sim/link.h"
#include "tests/sim/scenario.h"
#include "tests/sim/talker.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::sim {

// A command whose keys may live on several servers, or one that such a command becomes.
[[nodiscard]] bool is_step(const std::vector<std::string>& arguments);
// Of these the one that reads a value.
[[nodiscard]] bool is_fetch(const std::vector<std::string>& arguments);

class Server {
  public:
    Server(uint32_t index, const Scenario& scenario, Truth& truth);

    // Reads what arrived on the link and answers. Returns what it was asked and should not have
    // been.
    [[nodiscard]] std::string serve(Link& link, Instant now, Prng& prng);

    [[nodiscard]] bool stands_still(Instant now) const { return now < still_until; }

    [[nodiscard]] bool takes_connections(Instant now) const { return now >= refuses_until; }

    [[nodiscard]] bool is_reachable(Instant now) const { return now >= vanished_until; }

    // Those who have waited for an element long enough get none.
    void end_waits(Instant now, Prng& prng);
    [[nodiscard]] Instant next_end() const;

    // The proxy has ended its side of the connection, and all that it has said was looked at: who
    // waits there does so no longer, and gets no answer.
    void end_link(Link& link, Instant now);

    // The connection is gone.
    void forget(Link& link);

    // The connection is there.
    void greet(Link& link, Instant now);

    // The proxy has a subscription to it on this connection.
    [[nodiscard]] bool is_subscribed(const Link& link, const std::string& topic) const;

    // Everything is as it should be again, from now on.
    void heal();
    // Comes back without its data, or with those that it once had.
    void lose_data(Instant now, Prng& prng);
    void remember();

    // In its name.
    [[nodiscard]] uint32_t index() const { return index_; }

    // Of its pool.
    [[nodiscard]] Truth& truth() const { return *truth_; }

    [[nodiscard]] uint64_t requests() const { return requests_; }

    // Lines that carried keys of several clients.
    [[nodiscard]] uint64_t shared_lines() const { return shared_lines_; }

    [[nodiscard]] uint64_t transactions() const { return transactions_; }

    [[nodiscard]] uint64_t messages() const { return messages_; }

    // A well-formed answer, for nobody.
    [[nodiscard]] std::string_view some_answer() const;

    // Until when it has which trouble.
    Instant still_until = {};
    Instant crawls_until = {};
    Duration crawl_max = {};
    Instant refuses_until = {};
    Instant vanished_until = {};
    Instant loads_until = {};
    Instant greets_until = {};
    // Its next answer is one of these, once.
    bool cuts = false;
    bool swallows = false;
    bool leaves_out = false;
    bool lies_malformed = false;
    bool lies_shape = false;
    bool lies_key = false;
    bool pushes = false;

    test::FakeRedis redis;
    test::FakeMemcached memcached;

  private:
    [[nodiscard]] bool take(Link& link);
    void refuse_beginning(Link& link, Instant now, Prng& prng);
    [[nodiscard]] std::string check_redis(Link& link);
    [[nodiscard]] std::string check_memcached(Instant now) const;
    [[nodiscard]] std::string check_database(const std::string& database) const;
    [[nodiscard]] std::string check_key(std::string_view key, Instant from, Instant to) const;
    [[nodiscard]] std::string answer_redis(Link& link, Instant now, Prng& prng);
    [[nodiscard]] std::string execute(Link& link, Instant now);
    [[nodiscard]] std::map<std::string, std::string> removed_by(
        const std::vector<std::vector<std::string>>& requests) const;
    // server_lists.cc
    [[nodiscard]] std::string answer_push(Link& link, Instant now, Prng& prng);
    [[nodiscard]] std::string answer_pop(Link& link);

    // Positions of arguments.
    struct KeySpan {
        size_t first;
        size_t end;
    };

    [[nodiscard]] KeySpan popped_keys() const;
    [[nodiscard]] std::string answer_pops(Link& link, Instant now);
    [[nodiscard]] static std::string popped(const std::string& key,
                                            const std::string& element,
                                            bool counts);
    [[nodiscard]] std::string pop(const std::string& key, bool from_right, const Link& link);
    void feed_waiting(const std::string& key, Instant now, Prng& prng);
    // server_steps.cc
    [[nodiscard]] std::vector<std::string> step_keys() const;
    [[nodiscard]] std::string answer_step(Link& link, Instant now);
    [[nodiscard]] std::string answer_fetch(const Link& link);
    [[nodiscard]] std::string answer_carry(Instant now);
    [[nodiscard]] std::string run_carried(const std::vector<std::string>& words, Instant now);
    [[nodiscard]] std::string run_union(const std::vector<std::string>& words, Instant now);
    [[nodiscard]] std::optional<std::string> value_of(const std::string& key) const;
    void put_value(const std::string& key, const std::string& value, Instant now);
    void take_value(const std::string& key, Instant now);
    void note_value(const std::string& key, std::string_view value);
    void note_taken(const std::string& key, std::string_view value);
    [[nodiscard]] std::string answer_add(Link& link, Instant now);
    [[nodiscard]] std::string execute_removal(Link& link, Instant now);
    [[nodiscard]] std::string answer_move(Instant now);
    bool add_member(const std::string& key, const std::string& member, Instant now);
    bool remove_member(const std::string& key, const std::string& member, Instant now);
    void forget_elements();
    // server_messages.cc
    void note_subscription(Link& link);
    [[nodiscard]] std::string check_hearers(const std::string& channel) const;
    [[nodiscard]] std::string answer_publish(Link& link, Instant now, Prng& prng);
    void send_message(Link& link, const Link::Message& message, std::string text, Instant at);
    [[nodiscard]] std::string answer_memcached(Link& link, Instant now);
    [[nodiscard]] std::string note_set(Link& link,
                                       std::string_view key,
                                       std::string_view value,
                                       Instant now);
    void send(Link& link, std::string answer, Instant now, Prng& prng);
    [[nodiscard]] static bool may_leave_out(const Link& link);
    static void put(Link& link, std::string bytes, Instant at);
    void spoil(std::string& answer, Prng& prng);
    void spoil_shape(std::string& answer, Prng& prng);

    struct Waiting {
        Link* link;
        std::vector<std::string> keys;
        bool from_right;
        bool counts;  // BLMPOP
        Instant until;
    };

    uint32_t index_;
    const Scenario* scenario_;
    Truth* truth_;
    bool is_redis_;
    uint64_t requests_ = 0;
    uint64_t shared_lines_ = 0;
    uint64_t transactions_ = 0;
    std::string wrong_;
    std::vector<std::string> arguments_;  // of the request at hand
    test::FakeMemcached::Request request_;
    std::map<std::string, std::string> old_data_;
    std::map<std::string, std::deque<std::string>> lists_;
    std::map<std::string, std::set<std::string>> sets_;
    std::map<std::string, std::string> foreign_;  // dumps, by their names, while a script runs
    std::deque<Waiting> waiting_;                 // whoever has waited longest first
    std::vector<Link*> subscribers_;              // in the order in which they came
    uint64_t messages_ = 0;                       // sent
};

}  // namespace ringmain::sim
