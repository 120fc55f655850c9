// perf/lab/script.h - what the load generator sends, and what has to come back, byte for byte.
//
// All requests are laid out in one piece of memory in the order in which they are sent, and all
// right answers in another: to send a batch is to send a range, to check answers is to compare
// ranges. Nothing is formatted while the load runs.
//
// Every key has a value of its own, so that another key's value is a wrong answer. Keys are
// "key:0000000000" to "key:<keys - 1>"; the verb `set` (or `mset`) puts the values there first.
//
// One answer is not told in advance: to a memcached `get` of several keys a proxy may give the
// values in any order. Script::check_unordered() judges such an answer when it is complete.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::lab {

enum class Protocol : uint8_t { Redis, Memcached };

// Mixed: nine gets and a set. Mget and Mset take keys_per_request keys that follow each other.
enum class Verb : uint8_t { Get, Set, Mget, Mset, Mixed };

struct ScriptOptions {
    Protocol protocol = Protocol::Redis;
    Verb verb = Verb::Get;
    uint32_t keys = 10000;
    uint32_t keys_per_request = 1;
    uint32_t value_size = 64;
    uint32_t requests_min = 1;  // there are at least so many before they repeat
};

// Pieces of text one behind the other.
class Pieces {
  public:
    void add(std::string_view text) {
        bytes_ += text;
        ends_.push_back(bytes_.size());
    }

    [[nodiscard]] uint32_t count() const { return static_cast<uint32_t>(ends_.size()); }

    [[nodiscard]] uint64_t begin(uint32_t index) const { return index == 0 ? 0 : ends_[index - 1]; }

    [[nodiscard]] uint64_t end(uint32_t index) const { return ends_[index]; }

    [[nodiscard]] std::string_view bytes() const { return bytes_; }

  private:
    std::string bytes_;
    std::vector<uint64_t> ends_;
};

class Script {
  public:
    static constexpr uint64_t size_max = uint64_t{1} << 30;  // of requests and answers together

    // Stops the program where the options make no sense.
    explicit Script(const ScriptOptions& options);

    [[nodiscard]] const Pieces& requests() const { return requests_; }

    [[nodiscard]] const Pieces& answers() const { return answers_; }

    [[nodiscard]] uint32_t count() const { return requests_.count(); }

    [[nodiscard]] bool unordered() const { return unordered_; }

    // Whether `answer`, of the right length, is one to request `index`.
    [[nodiscard]] bool check_unordered(uint32_t index, std::string_view answer) const;

  private:
    void add_redis(Verb verb, uint32_t request);
    void add_memcached(Verb verb, uint32_t request);

    [[nodiscard]] uint32_t key_of(uint32_t request, uint32_t place) const {
        return static_cast<uint32_t>((uint64_t{request} * options_.keys_per_request + place) %
                                     options_.keys);
    }

    ScriptOptions options_;
    bool unordered_ = false;
    Pieces requests_;
    Pieces answers_;
};

// Prints the reason on standard error and ends the program.
[[noreturn]] void stop(const std::string& text);

}  // namespace ringmain::lab
