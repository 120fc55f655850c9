// Lists: elements are pushed, and taken by talkers that wait for them.

#include "tests/sim/talker.h"
#include "tests/unit/core/wire.h"

namespace ringmain::sim {

using test::resp;

using Kind = Expected::Kind;

// For an element of one of a few lists, which may live on several servers.
std::string Talker::speak_wait(Prng& prng) {
    Expected& expected = expect(Kind::Wait, {});
    const bool takes_left = prng.below(2) == 0;
    const uint64_t kind = prng.below(4);
    const uint64_t first = prng.below(lists);
    std::vector<std::string> request;
    for (uint64_t i = 0; i == 0 || (i < lists && prng.below(3) == 0); ++i) {
        const std::string key = "s:kL" + std::to_string((first + i) % lists) + suffix();
        expected.uses.push_back({.key = key});
        request.push_back(key);
    }
    if (kind < 2) {
        request.insert(request.begin(), takes_left ? "BLPOP" : "BRPOP");
        request.emplace_back("0.02");
    } else {
        const std::string count = std::to_string(request.size());
        std::vector<std::string> head = {"BLMPOP", "0.02", count};
        if (kind == 3) head = {"LMPOP", count};
        request.insert(request.begin(), head.begin(), head.end());
        request.emplace_back(takes_left ? "LEFT" : "RIGHT");
        expected.takes_some = kind == 3;
    }
    expected.waits = true;
    is_waiting_ = true;
    expected.turns = expected.uses.size() == 1 ? 1 : 2 * expected.uses.size() + 2;
    expected.silent = static_cast<uint32_t>(2 + expected.turns);  // leases may take their time
    return resp(request);
}

std::string Talker::speak_push(Prng& prng) {
    Expected& expected = expect(Kind::Push, {});
    const Use use = {.key = "s:kL" + std::to_string(prng.below(lists)) + suffix()};
    expected.uses = {use};
    const std::string element = new_value(use, expected);
    return resp({prng.below(3) == 0 ? "LPUSH" : "RPUSH", use.key, element});
}

std::string Talker::speak_last(Prng& prng, Instant now) {
    now_ = now;
    const bool may_wait = truth_->waits && !memcached_ && authenticated_ && !listens_;
    if (!may_wait || !expected_.empty() || truth_->directory.is_random()) return {};
    const Use watched = {.key = "s:k" + std::to_string(prng.below(8)) + suffix()};
    const std::vector<uint32_t> home = truth_->directory.servers_of(watched.key, now, now);
    std::string text;
    if (prng.below(4) != 0) {
        text += resp({"WATCH", watched.key});
        expect_word("+OK\r\n", {watched});
    }
    // Of a list on the same server, if there is one.
    Expected& expected = expect(Kind::Wait, {});
    Use list;
    for (uint64_t i = 0; i < lists; ++i) {
        list = {.key = "s:kL" + std::to_string(i) + suffix()};
        if (truth_->directory.servers_of(list.key, now, now) == home) break;
    }
    expected.uses = {list};
    expected.waits = true;
    expected.silent = 3;
    text += resp({"BLPOP", list.key, prng.below(2) == 0 ? "0" : "0.02"});
    for (uint64_t more = prng.below(5); more > 0; --more) {
        text += prng.below(2) == 0 ? speak_get(prng) : speak_set(prng);
    }
    return text;
}

std::string Talker::miss_last() const {
    if (expected_.empty()) return {};
    if (!expected_.front().waits) return "waits for what is not a command that waits";
    for (const Expected& one : expected_) {
        for (const Tag tag : one.writes) {
            if (truth_->ledger.write(tag).ran == Instant::never()) continue;
            return "write " + std::to_string(tag) + " was done behind a command without an answer";
        }
    }
    const auto taken = truth_->taken.find(number_);
    if (taken == truth_->taken.end() || !truth_->calm) return {};
    return "element " + std::to_string(taken->second) + " was taken and is lost";
}

// What a server has taken out of a list for this talker is not lost and nobody else's.
std::string Talker::judge_wait(const Expected& expected,
                               std::string_view answer,
                               const std::vector<Value>& values) {
    const auto taken = truth_->taken.find(number_);
    const Tag tag = taken == truth_->taken.end() ? 0 : taken->second;
    if (taken != truth_->taken.end()) truth_->taken.erase(taken);
    if (answer == "*-1\r\n" || answer == "_\r\n") {
        return tag == 0 ? "" : "element " + std::to_string(tag) + " was taken and is lost";
    }
    if (answer[0] != '*' || values.size() != 2) return "the answer is no element";
    const Tag heard = tag_of(values[0].text, values[1].text);
    if (heard == 0) return "no element of " + values[0].text;
    if (heard == tag) return {};
    if (expected.takes_some && truth_->taken_by_some.erase(heard) == 1) return {};
    return "element " + std::to_string(heard) + " was not taken for this client, but " +
           std::to_string(tag);
}

}  // namespace ringmain::sim
