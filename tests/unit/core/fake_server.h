// tests/unit/core/fake_server.h - a small redis and a small memcached: a map that speaks.
//
// Written from the protocols' descriptions and not with the proxy's own parsers: what both sides
// misread in the same way would not be noticed.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::test {

// What a server knows of one connection.
struct Session {
    bool authenticated = false;
    bool resp3 = false;
    std::string database = "0";
    bool in_transaction = false;
    bool aborted = false;
    std::vector<std::vector<std::string>> queued;
    std::map<std::string, uint64_t> watched;  // by key: how often it had been changed
    // By the word that subscribes to them: "subscribe", "psubscribe", "ssubscribe".
    std::map<std::string, std::set<std::string>, std::less<>> topics;
    std::string messages;  // to be sent to it, behind what it has been answered
};

class FakeRedis {
  public:
    // Takes whole requests off the front of `bytes` and appends what it answers.
    void serve(std::string& bytes, std::string& answers, Session& session);

    // The same in two steps: one request off the front (false: it is not all there), its answer.
    [[nodiscard]] static bool take(std::string& bytes, std::vector<std::string>& arguments);
    [[nodiscard]] std::string answer(const std::vector<std::string>& arguments, Session& session);

    std::map<std::string, std::string> values;
    std::vector<std::string> log;  // "GET a", in the order of arrival
    // Answers by a command's name, or by it and its first argument, before all else.
    std::map<std::string, std::string> canned;
    std::string user = "default";  // that has the password
    std::string password;
    bool knows_resp3 = true;
    bool has_databases = true;
    bool separates_databases = false;  // a key of database 3 is "3/key" in `values`
    bool knows_transactions = true;

    // Who watches the key will run nothing.
    void touch(const std::string& key) { changes_[key] += 1; }

    // Sessions that are subscribed; whoever owns one takes it out with its connection.
    std::set<Session*> subscribers;

  private:
    [[nodiscard]] std::string answer_transaction(const std::vector<std::string>& arguments,
                                                 Session& session);
    [[nodiscard]] std::string subscribe(const std::vector<std::string>& arguments,
                                        std::string word,
                                        Session& session);
    [[nodiscard]] int64_t publish(const std::string& channel, const std::string& payload) const;
    [[nodiscard]] std::string execute(Session& session);
    [[nodiscard]] std::string run(std::vector<std::string> arguments, const Session& session);
    [[nodiscard]] std::string answer_key(const std::vector<std::string>& arguments,
                                         const Session& session);
    [[nodiscard]] std::string bulk(const std::string& key, const Session& session) const;

    std::map<std::string, uint64_t> changes_;  // by key
};

class FakeMemcached {
  public:
    struct Request {
        std::string line;
        std::vector<std::string> words;  // of the line
        std::string data;                // of the block behind it
    };

    void serve(std::string& bytes, std::string& answers);

    // The same in two steps, as above.
    [[nodiscard]] bool take(std::string& bytes, Request& request) const;
    [[nodiscard]] std::string answer(const Request& request);

    // As before 1.6.10: the data behind `ms` are commands.
    void grow_old();

    [[nodiscard]] bool runs_data() const { return !takes_meta_set_; }

    std::map<std::string, std::string> values;
    std::map<std::string, std::string> canned;  // answers by command name, before all else
    std::vector<std::string> log;               // command lines

  private:
    [[nodiscard]] size_t length_index(const std::string& verb) const;
    [[nodiscard]] std::string answer_line(const std::vector<std::string>& words);
    [[nodiscard]] std::string update(const std::vector<std::string>& words, std::string_view data);
    [[nodiscard]] std::string get(const std::vector<std::string>& words);
    [[nodiscard]] std::string count(const std::vector<std::string>& words);
    [[nodiscard]] std::string meta_get(const std::vector<std::string>& words);

    bool takes_meta_set_ = true;
};

}  // namespace ringmain::test
