#include "ringmain/worker/resolver.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>

namespace ringmain::worker {
namespace {

Message answer_of(Inbox& inbox) {
    pollfd wanted = {.fd = inbox.descriptor(), .events = POLLIN, .revents = 0};
    REQUIRE(poll(&wanted, 1, 20000) == 1);
    std::vector<Message> messages = inbox.take();
    REQUIRE(messages.size() == 1);
    return std::move(messages.front());
}

TEST_CASE("a name is looked up on another thread, and the answer carries the ticket") {
    Inbox inbox;
    Resolver resolver;
    resolver.ask("localhost", 6379, 7, inbox);
    const Message answer = answer_of(inbox);
    CHECK(answer.kind == Message::Kind::Resolved);
    CHECK(answer.ticket == 7);
    REQUIRE_FALSE(answer.addresses.empty());
    CHECK(answer.addresses[0].port() == 6379);
}

TEST_CASE("a name that does not exist is answered with the reason") {
    Inbox inbox;
    Resolver resolver;
    resolver.ask("no-such-host.invalid", 6379, 8, inbox);
    const Message answer = answer_of(inbox);
    CHECK(answer.ticket == 8);
    CHECK(answer.addresses.empty());
    CHECK(answer.error.find("no-such-host.invalid") != std::string::npos);
}

TEST_CASE("a resolver with questions left ends") {
    Inbox inbox;
    {
        Resolver resolver;
        for (uint64_t i = 0; i < 10; ++i)
            resolver.ask("localhost", 1, i, inbox);
    }
    CHECK(inbox.take().size() <= 10);
}

}  // namespace
}  // namespace ringmain::worker
