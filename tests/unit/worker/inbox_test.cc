#include "ringmain/worker/inbox.h"

#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>

namespace ringmain::worker {
namespace {

bool is_readable(const Inbox& inbox, int timeout_ms) {
    pollfd wanted = {.fd = inbox.descriptor(), .events = POLLIN, .revents = 0};
    return poll(&wanted, 1, timeout_ms) == 1;
}

TEST_CASE("an inbox wakes its owner once there is a message and rests when all are taken") {
    Inbox inbox;
    CHECK_FALSE(is_readable(inbox, 0));
    inbox.post(Message(Message::Kind::Drain));
    inbox.post(Message(Message::Kind::Stop));
    CHECK(is_readable(inbox, 0));
    const std::vector<Message> messages = inbox.take();
    REQUIRE(messages.size() == 2);
    CHECK(messages[0].kind == Message::Kind::Drain);
    CHECK(messages[1].kind == Message::Kind::Stop);
    CHECK_FALSE(is_readable(inbox, 0));
    CHECK(inbox.take().empty());
}

TEST_CASE("messages of several threads all arrive") {
    Inbox inbox;
    constexpr uint64_t threads = 4;
    constexpr uint64_t each = 1000;
    std::vector<std::thread> posters;
    for (uint64_t i = 0; i < threads; ++i) {
        posters.emplace_back([&inbox, i] {
            for (uint64_t j = 0; j < each; ++j) {
                Message message(Message::Kind::Resolved);
                message.ticket = i * each + j;
                inbox.post(std::move(message));
            }
        });
    }
    std::vector<bool> seen(threads * each);
    size_t count = 0;
    while (count < seen.size()) {
        REQUIRE(is_readable(inbox, 5000));
        for (const Message& message : inbox.take()) {
            CHECK_FALSE(seen[message.ticket]);
            seen[message.ticket] = true;
            count += 1;
        }
    }
    for (std::thread& poster : posters)
        poster.join();
}

}  // namespace
}  // namespace ringmain::worker
