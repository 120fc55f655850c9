// tests/unit/core/talker.h - a client that says random things and knows what it should hear.
//
// Each has keys of its own, so what it hears depends on nobody else: "<key>=<writer's counter>...".
// While nothing fails, every byte is known in advance. While servers fail, an answer may be an
// error instead, and a write may or may not have happened; but a value is always one of its key,
// and each request has one answer, in its turn.

#pragma once

#include "ringmain/base/prng.h"

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::test {

struct Expected {
    enum class Kind : uint8_t {
        Exact,  // made by the proxy: no server can spoil it
        Values,
        Word,   // +OK, STORED ...
        Count,  // of keys
        Number,
    };

    Kind kind = Kind::Exact;
    std::string exact;
    std::vector<std::string> keys = {};
};

class Talker {
  public:
    Talker(std::string name, uint64_t client_id, bool memcached)
        : name_(std::move(name)), id_(client_id), memcached_(memcached) {}

    // A request; what it is answered is remembered.
    [[nodiscard]] std::string speak(Prng& prng);

    // Takes whole answers off `heard`; returns what is wrong with the first that is wrong.
    [[nodiscard]] std::string listen(std::string& heard, bool calm);

    [[nodiscard]] size_t waiting() const { return expected_.size(); }

  private:
    [[nodiscard]] std::string speak_resp(Prng& prng);
    [[nodiscard]] std::string speak_memcached(Prng& prng);
    [[nodiscard]] std::string hello(bool resp3);
    [[nodiscard]] std::string some_key(Prng& prng) const;
    [[nodiscard]] std::string new_value(const std::string& key, Prng& prng);
    [[nodiscard]] std::string got(const std::string& key) const;
    void expect(Expected::Kind kind, std::string exact, std::vector<std::string> keys = {});

    std::string name_;
    uint64_t id_;
    bool memcached_;
    bool resp3_ = false;
    uint64_t writes_ = 0;
    std::map<std::string, std::string> values_;
    int64_t counter_ = 0;
    std::deque<Expected> expected_;
};

}  // namespace ringmain::test
