// perf/micro/replay.h - the whole proxy of one worker without I/O, fed with the same traffic again
// and again.
//
// One round is what a busy worker does for one client: a batch with all its requests, a batch with
// as many responses. Servers answer in the first round; what they said is kept and comes back in
// all others, so that a round costs nothing but the proxy. One thread.

#pragma once

#include "ringmain/buffer/block_pool.h"
#include "ringmain/config/config.h"
#include "ringmain/core/counters.h"
#include "ringmain/core/proxy.h"
#include "ringmain/core/shared.h"
#include "tests/unit/core/fake_server.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::perf {

class Replay {
  public:
    Replay(config::Protocol protocol, size_t server_count);
    ~Replay();

    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;

    // On every server, before the first round.
    void put(const std::string& key, const std::string& value);

    // The same requests each time. What the client gets in the first round it must get in all.
    void round(std::string_view requests);

    // Of the first round: what the client got.
    [[nodiscard]] const std::string& responses() const { return responses_; }

  private:
    // By the driver's name for the connection.
    struct Peer {
        core::ServerConn* conn = nullptr;
        test::Session session;
        std::string answers;
    };

    void begin();
    void connect_new();
    void send_requests();
    void send(core::ServerConn& conn);
    void answer_requests();
    void take_responses();
    template <class Take>
    void feed(std::string_view bytes, Take take);

    config::Config config_;
    core::Shared shared_;
    core::Counters counters_;
    const core::Counters* all_counters_[1] = {&counters_};
    std::unique_ptr<char[]> arena_;
    BlockPool blocks_;
    core::Proxy proxy_;
    core::ClientConn* client_ = nullptr;
    Instant now_ = {1'000'000'000};
    bool is_recorded_ = false;
    std::vector<Peer> peers_;
    std::vector<Peer*> asked_;  // in this round
    test::FakeRedis redis_;
    test::FakeMemcached memcached_;
    std::string responses_;
};

}  // namespace ringmain::perf
