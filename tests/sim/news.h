// tests/sim/news.h - which messages reached which worker: what its clients must have heard.
//
// A server sends a message of a topic once to each worker that is subscribed there. From the batch
// in which the worker receives it on, it is one of the worker's news of that topic; a client that
// is subscribed hears them all, once, in this order, and nothing else.

#pragma once

#include "tests/sim/ledger.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ringmain::sim {

class News {
  public:
    struct Item {
        Tag tag;
        bool certain;  // false: it may be lost, since topics or servers were moving
        Instant at;
    };

    // `topic`: the name of a channel or pattern; no channel has a pattern's name.
    void bring(uint32_t worker, const std::string& topic, Item item) {
        items_[{worker, topic}].push_back(item);
        count_ += 1;
    }

    [[nodiscard]] const std::vector<Item>& of(uint32_t worker, const std::string& topic) {
        return items_[{worker, topic}];
    }

    [[nodiscard]] uint64_t count() const { return count_; }

  private:
    std::map<std::pair<uint32_t, std::string>, std::vector<Item>> items_;
    uint64_t count_ = 0;
};

}  // namespace ringmain::sim
