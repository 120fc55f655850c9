#include "ringmain/worker/resolver.h"

#include <atomic>
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
    REQUIRE(resolver.ask("localhost", 6379, 7, inbox).ok());
    const Message answer = answer_of(inbox);
    CHECK(answer.kind == Message::Kind::Resolved);
    CHECK(answer.ticket == 7);
    REQUIRE_FALSE(answer.addresses.empty());
    CHECK(answer.addresses[0].port() == 6379);
}

TEST_CASE("a name that does not exist is answered with the reason") {
    Inbox inbox;
    Resolver resolver;
    REQUIRE(resolver.ask("no-such-host.invalid", 6379, 8, inbox).ok());
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
            REQUIRE(resolver.ask("localhost", 1, i, inbox).ok());
    }
    CHECK(inbox.take().size() <= 10);
}

// Threads that can be made; the rest cannot.
int threads_left = 0;

Result<Thread> start_if_left(Thread::Main main, void* argument) {
    if (threads_left == 0) return Error{"no thread can be made"};
    threads_left -= 1;
    return Thread::start(main, argument);
}

TEST_CASE("one thread answers all questions where there is no other") {
    threads_left = 1;
    Inbox inbox;
    Resolver resolver(start_if_left);
    constexpr size_t count = 20;
    for (uint64_t i = 0; i < count; ++i) {
        REQUIRE(resolver.ask("localhost", 1, i, inbox).ok());
    }
    std::vector<uint64_t> tickets;
    while (tickets.size() < count) {
        pollfd wanted = {.fd = inbox.descriptor(), .events = POLLIN, .revents = 0};
        REQUIRE(poll(&wanted, 1, 20000) == 1);
        for (const Message& message : inbox.take()) {
            tickets.push_back(message.ticket);
        }
    }
    for (uint64_t i = 0; i < count; ++i) {
        CHECK(tickets[i] == i);
    }
}

// The one thread begins when all have asked.
std::atomic<bool> gate_is_open = false;
std::atomic<Thread::Main> behind_gate = nullptr;

void* wait_at_gate(void* argument) {
    gate_is_open.wait(false);
    return behind_gate.load()(argument);
}

Result<Thread> start_at_gate(Thread::Main main, void* argument) {
    behind_gate = main;
    return start_if_left(wait_at_gate, argument);
}

TEST_CASE("who asks for a name that is being asked for gets the same answer") {
    threads_left = 1;
    Inbox first;
    Inbox second;
    Resolver resolver(start_at_gate);
    constexpr uint64_t count = 100;
    for (uint64_t i = 0; i < count; ++i) {
        REQUIRE(resolver.ask("localhost", 1, i, i % 2 == 0 ? first : second).ok());
        REQUIRE(resolver.ask("localhost", 2, count + i, first).ok());
    }
    gate_is_open = true;
    gate_is_open.notify_all();
    uint64_t answers = 0;
    uint64_t of_second_port = 0;
    while (answers < 2 * count) {
        for (Inbox* inbox : {&first, &second}) {
            pollfd wanted = {.fd = inbox->descriptor(), .events = POLLIN, .revents = 0};
            if (poll(&wanted, 1, answers == 0 ? 20000 : 1000) != 1) continue;
            for (const Message& message : inbox->take()) {
                REQUIRE_FALSE(message.addresses.empty());
                CHECK(message.addresses[0].port() == (message.ticket < count ? 1 : 2));
                CHECK((inbox == &second) == (message.ticket < count && message.ticket % 2 == 1));
                // One look-up of each: asked in turn, they are not answered in turn.
                if (message.ticket >= count) of_second_port += 1;
                if (inbox == &first && message.ticket < count) CHECK(of_second_port == 0);
                answers += 1;
            }
        }
    }
}

// All threads but the last begin when the gate is open: they hang, until then.
constexpr uint64_t names = 10;
std::atomic<uint64_t> begun = 0;
std::atomic<uint64_t> ended = 0;

void* hang_unless_last(void* argument) {
    if (++begun < names) gate_is_open.wait(false);
    void* result = behind_gate.load()(argument);
    ended += 1;
    return result;
}

Result<Thread> start_hanging(Thread::Main main, void* argument) {
    behind_gate = main;
    return Thread::start(hang_unless_last, argument);
}

TEST_CASE("threads that hang hold up no other, and those that are too many end") {
    gate_is_open = false;
    begun = 0;
    ended = 0;
    Inbox inbox;
    Resolver resolver(start_hanging);
    for (uint64_t i = 0; i < names; ++i) {
        REQUIRE(resolver.ask("localhost", static_cast<uint16_t>(i + 1), i, inbox).ok());
    }
    for (uint64_t answers = 0; answers < names;) {
        pollfd wanted = {.fd = inbox.descriptor(), .events = POLLIN, .revents = 0};
        REQUIRE(poll(&wanted, 1, 20000) == 1);
        answers += inbox.take().size();
    }
    CHECK(ended <= 1);
    gate_is_open = true;
    gate_is_open.notify_all();
    // Each looks after it has answered whether it is one too many: those that come first are not.
    for (uint64_t i = 0; ended < names - Resolver::threads_kept && i < 1000; ++i) {
        REQUIRE(resolver.ask("localhost", 1, i, inbox).ok());
        while (inbox.take().empty()) {
            pollfd wanted = {.fd = inbox.descriptor(), .events = POLLIN, .revents = 0};
            REQUIRE(poll(&wanted, 1, 20000) == 1);
        }
    }
    CHECK(ended >= names - Resolver::threads_kept);
}

// Threads of the cases before may still begin.
std::atomic<bool> slow_gate_is_open = false;
std::atomic<uint64_t> slow_begun = 0;

// Of names that begin with "s" nothing is heard before the gate is open.
Result<std::vector<uring::SocketAddress>> look_up_slowly(const std::string& host, uint16_t port) {
    if (host.starts_with('s')) {
        slow_begun += 1;
        slow_gate_is_open.wait(false);
        return Error{"nobody knows it"};
    }
    return std::vector{*uring::SocketAddress::numeric("10.0.0.1", port)};
}

TEST_CASE("a name that was found before waits for none of those that nobody knows") {
    slow_gate_is_open = false;
    slow_begun = 0;
    Inbox slow;
    Inbox inbox;
    Resolver resolver(&Thread::start, look_up_slowly);
    REQUIRE(resolver.ask("known", 1, 1, inbox).ok());
    CHECK(answer_of(inbox).ticket == 1);
    constexpr uint32_t many = 3 * Resolver::threads_max;
    for (uint32_t i = 0; i < many; ++i) {
        REQUIRE(resolver.ask("s" + std::to_string(i), 1, i, slow).ok());
    }
    for (uint64_t ticket = 2; ticket < 50; ++ticket) {
        REQUIRE(resolver.ask("known", 1, ticket, inbox).ok());
        CHECK(answer_of(inbox).ticket == ticket);
    }
    CHECK(slow_begun <= Resolver::threads_max - Resolver::threads_for_known);
    CHECK(slow.take().empty());
    slow_gate_is_open = true;
    slow_gate_is_open.notify_all();
    for (size_t answers = 0; answers < many;) {
        pollfd wanted = {.fd = slow.descriptor(), .events = POLLIN, .revents = 0};
        REQUIRE(poll(&wanted, 1, 20000) == 1);
        answers += slow.take().size();
    }
    CHECK(slow_begun == many);
}

TEST_CASE("without a thread a question is refused with the reason, until one can be made") {
    threads_left = 0;
    Inbox inbox;
    Resolver resolver(start_if_left);
    const Status asked = resolver.ask("localhost", 1, 1, inbox);
    REQUIRE_FALSE(asked.ok());
    CHECK(asked.error() == "no thread can be made");
    threads_left = 1;
    REQUIRE(resolver.ask("localhost", 1, 2, inbox).ok());
    CHECK(answer_of(inbox).ticket == 2);
}

}  // namespace
}  // namespace ringmain::worker
