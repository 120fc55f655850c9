// Subscribers and publishers in any order, over servers that come and go: what a subscriber hears
// is its channels' messages, whole, in the order in which a server published them, none twice; and
// when all is well again it hears every one. (A PUBLISH that was given up may run behind later
// ones.)

#include "tests/unit/core/world.h"

#include <array>
#include <map>
#include <set>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

constexpr std::array channels = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"};

struct Hearer {
    Channel* channel = nullptr;
    bool resp3 = false;
    std::map<std::string, size_t> heard;     // by channel and server: how far in its log
    std::map<std::string, uint64_t> counts;  // by channel
};

// One array or push of bulks and integers, or an error line, off the front. Empty: not all there.
std::vector<std::string> take_words(std::string& bytes) {
    size_t at = bytes.find("\r\n");
    if (at == std::string::npos) return {};
    if (bytes[0] == '-' || bytes[0] == '+') {
        const std::string line = bytes.substr(0, at);
        bytes.erase(0, at + 2);
        return {line};
    }
    const int64_t count = std::stoll(bytes.substr(1, at - 1));
    at += 2;
    std::vector<std::string> words;
    for (int64_t i = 0; i < count; ++i) {
        const size_t end = bytes.find("\r\n", at);
        if (end == std::string::npos) return {};
        const std::string head = bytes.substr(at + 1, end - at - 1);
        if (bytes[at] == ':') {
            words.push_back(head);
            at = end + 2;
            continue;
        }
        const auto size = static_cast<size_t>(std::stoll(head));
        if (bytes.size() < end + 2 + size + 2) return {};
        words.push_back(bytes.substr(end + 2, size));
        at = end + 2 + size + 2;
    }
    bytes.erase(0, at);
    return words;
}

class RandomStory {
  public:
    RandomStory(uint64_t seed, config::Pool pool)
        : world_(std::move(pool), {.seed = seed, .cut = seed % 2 == 0}), prng_(seed) {
        for (size_t i = 0; i < hearers_.size(); ++i) {
            hearers_[i].channel = &world_.client();
            hearers_[i].resp3 = i % 2 == 1;
            if (i % 2 == 1) world_.ask(*hearers_[i].channel, resp({"HELLO", "3"}));
        }
        publisher_ = &world_.client();
    }

    void live(uint32_t steps) {
        for (uint32_t i = 0; i < steps; ++i) {
            act();
            if (prng_.below(8) == 0) fail_somewhere();
            world_.loop().advance(Duration::millis(static_cast<int64_t>(prng_.below(30))));
            world_.step(60);
            listen();
        }
    }

    void heal() {
        for (uint32_t server = 0; server < 3; ++server) {
            world_.server(server).mood = Mood::Up;
        }
        world_.pass(6000);
        listen();
        World::heard(*publisher_);
    }

    // Everybody on every channel hears every message.
    void check_all_is_heard() {
        for (Hearer& hearer : hearers_) {
            std::vector<std::string> request = {"SUBSCRIBE"};
            request.insert(request.end(), channels.begin(), channels.end());
            World::say(*hearer.channel, resp(request));
        }
        world_.pass(100);
        listen();
        for (Hearer& hearer : hearers_) {
            hearer.counts.clear();
        }
        for (int round = 0; round < 3; ++round) {
            for (const char* channel : channels) {
                const std::string all = ":" + std::to_string(hearers_.size()) + "\r\n";
                CHECK(world_.ask(*publisher_, publish(channel)) == all);
            }
        }
        listen();
        for (Hearer& hearer : hearers_) {
            for (const char* channel : channels) {
                CHECK(hearer.counts[channel] == 3);
            }
        }
    }

    [[nodiscard]] uint64_t messages() const { return messages_; }

  private:
    std::string publish(const std::string& channel) {
        published_ += 1;
        const std::string filling(prng_.below(4) == 0 ? prng_.below(5000) : 0, 'x');
        return resp({"PUBLISH", channel, std::to_string(published_) + " " + filling});
    }

    void act() {
        const std::string channel = channels[prng_.below(channels.size())];
        Hearer& hearer = hearers_[prng_.below(hearers_.size())];
        switch (prng_.below(6)) {
            case 0:
                World::say(*hearer.channel, resp({"SUBSCRIBE", channel}));
                break;
            case 1:
                World::say(*hearer.channel, resp({"UNSUBSCRIBE", channel}));
                break;
            default:
                World::say(*publisher_, publish(channel));
        }
    }

    void fail_somewhere() {
        const auto index = static_cast<uint32_t>(prng_.below(3));
        FakeServer& server = world_.server(index);
        Channel* link = world_.subscription(index);
        switch (prng_.below(7)) {
            case 0:
                server.mood = Mood::Mute;
                break;
            case 1:
                server.mood = Mood::Refusing;
                break;
            case 2:
                if (link != nullptr) link->inbound_end = true;
                break;
            case 3:
                if (link != nullptr)
                    link->inbound += "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\ny\r\n";
                break;
            default:
                server.mood = Mood::Up;
        }
    }

    // Which server ran which PUBLISH, and when among its own.
    void read_logs() {
        for (uint32_t server = 0; server < 3; ++server) {
            const std::vector<std::string>& log = world_.server(server).redis.log;
            for (size_t& at = read_[server]; at < log.size(); ++at) {
                if (!log[at].starts_with("PUBLISH ")) continue;
                const size_t number = log[at].find(' ', 8) + 1;
                ran_[std::stoll(log[at].substr(number))] = {server, at + 1};
            }
        }
    }

    void listen() {
        read_logs();
        for (Hearer& hearer : hearers_) {
            REQUIRE_FALSE(hearer.channel->closed);
            std::string& bytes = hearer.channel->arrived;
            while (true) {
                const bool is_push = bytes.starts_with(">");
                if (bytes.starts_with("*") || is_push) CHECK(is_push == hearer.resp3);
                const std::vector<std::string> words = take_words(bytes);
                if (words.empty()) break;
                hear(hearer, words);
            }
        }
    }

    void hear(Hearer& hearer, const std::vector<std::string>& words) {
        if (words.size() == 1) {
            CHECK(words[0].starts_with("-ERR ringmain: "));
            return;
        }
        REQUIRE(words.size() == 3);
        const std::string& channel = words[1];
        if (words[0] == "unsubscribe") subscribed_[&hearer].erase(channel);
        if (words[0] == "subscribe") subscribed_[&hearer].insert(channel);
        if (words[0] != "message") {
            CHECK(std::stoull(words[2]) == subscribed_[&hearer].size());
            return;
        }
        messages_ += 1;
        CHECK(subscribed_[&hearer].contains(channel));
        const int64_t number = std::stoll(words[2]);
        REQUIRE(ran_.contains(number));
        size_t& last = hearer.heard[channel + " " + std::to_string(ran_[number].server)];
        CHECK(ran_[number].place > last);
        last = ran_[number].place;
        CHECK(words[2].find_first_not_of("x", words[2].find(' ') + 1) == std::string::npos);
        hearer.counts[channel] += 1;
    }

    World world_;
    Prng prng_;
    std::array<Hearer, 6> hearers_;
    std::map<const Hearer*, std::set<std::string>> subscribed_;
    Channel* publisher_ = nullptr;
    int64_t published_ = 0;

    struct Ran {
        uint32_t server = 0;
        size_t place = 0;  // in its log, from 1
    };

    std::map<int64_t, Ran> ran_;  // by number
    std::array<size_t, 3> read_ = {};
    uint64_t messages_ = 0;
};

}  // namespace

TEST_CASE("whatever fails, subscribers hear their channels in order, and all of them again") {
    uint64_t messages = 0;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        config::Pool pool = redis_pool(3);
        pool.auto_eject_hosts = seed % 4 == 3;
        pool.server_failure_limit = 2;
        pool.server_retry_timeout_ms = 500;
        RandomStory story(seed, pool);
        story.live(400);
        story.heal();
        story.check_all_is_heard();
        messages += story.messages();
    }
    CHECK(messages > 5000);
}

}  // namespace ringmain::test
