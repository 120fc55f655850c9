// tests/unit/core/stage.h - a command that is done in steps, and servers whose answers a test says.
//
//   Stage stage;
//   stage.begin({"RENAME", stage.a[0], stage.a[1]});
//   stage.answer({0, true, "MULTI DISCARD WATCH EVAL", watched + dump("x")});

#pragma once

#include "tests/unit/core/world.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

[[nodiscard]] inline config::Pool emulating_pool(uint32_t servers) {
    config::Pool pool = redis_pool(servers);
    pool.cross_server_writes = config::CrossServerWrites::Emulate;
    return pool;
}

using Words = std::vector<std::string>;

// What a server is asked, and what it says.
struct Question {
    uint32_t server = 0;
    bool leased = false;  // on a connection of the client's own
    std::string names;    // of the commands, "MULTI EXEC"
    std::string answer;
};

// Of one command: the questions of each step, and what the client gets in the end.
struct Story {
    Words request;
    std::vector<std::vector<Question>> steps;
    std::string answer;
};

// The value of a key that expires then, as it comes from its server.
[[nodiscard]] inline std::string dump(const std::string& value, int64_t expires_at = -1) {
    return "*2\r\n:" + std::to_string(expires_at) + "\r\n" + bulk(value);
}

inline const std::string no_dump = "*2\r\n:-2\r\n$-1\r\n";
inline const std::string watched = "+OK\r\n+OK\r\n+OK\r\n";  // MULTI, DISCARD, WATCH
inline const std::string removed = "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n";
inline const std::string changed = "+OK\r\n+QUEUED\r\n*-1\r\n";

class Stage {
  public:
    explicit Stage(config::Pool pool = emulating_pool(3), bool resp3 = false)
        : world(std::move(pool)), client(&world.client()), resp3_(resp3) {
        for (uint32_t i = 0; i < 3; ++i) {
            a[i] = world.key_on(i, 0);
            b[i] = world.key_on(i, 1);
        }
    }

    [[nodiscard]] core::Pool& pool() { return *world.proxy().pools()[0]; }

    // The connection on which something was asked.
    Channel& asked(const Question& question) {
        std::vector<Channel*> channels;
        if (question.leased) {
            channels = world.leases(question.server);
        } else {
            channels.push_back(world.link(question.server, resp3_));
        }
        for (Channel* channel : channels) {
            if (channel != nullptr && !channel->arrived.empty()) return *channel;
        }
        FAIL("server " << question.server << " was not asked: " << question.names);
        std::abort();
    }

    // Takes what a server was asked.
    Channel& expect(const Question& question) {
        Channel& channel = asked(question);
        std::string names;
        Words request;
        while (FakeRedis::take(channel.arrived, request)) {
            names += (names.empty() ? "" : " ") + request[0];
            words = request;
        }
        CHECK(names == question.names);
        return channel;
    }

    void answer(const Question& question) {
        Channel& channel = expect(question);
        CHECK(World::heard(*client).empty());
        channel.inbound += question.answer;
        world.settle();
    }

    void begin(const Words& request) {
        for (uint32_t i = 0; i < world.pool().servers.size(); ++i) {
            world.server(i).mood = Mood::Mute;
        }
        CHECK(world.ask(*client, resp(request)).empty());
    }

    // The first `count` steps; of each the last question is answered first.
    void play(const Story& story, size_t count) {
        begin(story.request);
        for (size_t i = 0; i < count; ++i) {
            const auto& questions = story.steps[i];
            for (size_t j = questions.size(); j-- > 0;) {
                answer(questions[j]);
            }
        }
    }

    // How many leases were asked to watch nothing any more, and have said so.
    int answer_unwatch() {
        int count = 0;
        for (uint32_t i = 0; i < pool().servers.size(); ++i) {
            for (Channel* channel : world.leases(i)) {
                if (channel->arrived != resp({"UNWATCH"})) continue;
                channel->arrived.clear();
                channel->inbound += "+OK\r\n";
                count += 1;
            }
        }
        world.settle();
        return count;
    }

    // Whether all is as it was, and the client goes on.
    void check_clean() {
        CHECK(World::heard(*client).empty());
        answer_unwatch();
        CHECK(world.ask(*client, resp({"PING"})) == "+PONG\r\n");
        CHECK(world.proxy().is_idle());
        CHECK(pool().counters->leases.get() == 0);
        CHECK(pool().counters->clients_waiting.get() == 0);
    }

    World world;
    Channel* client;
    std::string a[3];  // a key of each server
    std::string b[3];
    Words words;  // of the last request that a server got

  private:
    bool resp3_;
};

}  // namespace ringmain::test
