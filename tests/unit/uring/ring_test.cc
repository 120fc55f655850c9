#include "ringmain/uring/ring.h"

#include "ringmain/uring/clock.h"
#include "tests/files.h"
#include "tests/unit/uring/rig.h"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace ringmain::uring::test {
namespace {

using ringmain::test::Folder;

SocketAddress address_of(const Descriptor& socket) {
    const Result<SocketAddress> address = local_address(socket.get());
    REQUIRE(address.ok());
    return address.value();
}

Descriptor connect_to(const SocketAddress& address) {
    Result<Descriptor> connected = connect_and_wait(address);
    REQUIRE_MESSAGE(connected.ok(), connected.error());
    return std::move(connected.value());
}

}  // namespace

TEST_CASE("a completion carries the user data of its operation") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset);
        const UserData data = {.kind = 200, .generation = 0xABCDEF, .index = 0x89ABCDEF};
        rig.ring.nothing(data);
        const Completion done = rig.wait_for_one();
        CHECK(done.user_data == data);
        CHECK(done.result == 0);
        CHECK_FALSE(done.more());
        CHECK(rig.ring.counters().submitted == 1);
        CHECK(rig.ring.counters().completed == 1);
        if (preset != on_epoll) CHECK(rig.ring.counters().enters == 1);
    }
}

TEST_CASE("waiting ends with the timeout") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset);
        CHECK(rig.wait_out(Duration{}) == Wait::TimedOut);
        CHECK(rig.wait_out(Duration::millis(2)) == Wait::TimedOut);
        // Also when something was handed over that takes longer.
        const Pair pair;
        rig.ring.poll(pair.near.get(), POLLIN, Shots::One, named(1));
        CHECK(rig.wait_out(Duration::millis(2)) == Wait::TimedOut);
        pair.write("x");
        CHECK(rig.wait_out(Ring::forever) == Wait::Ready);
        CHECK(rig.wait_for_one().result == POLLIN);
    }
}

TEST_CASE("what is ready already is not waited for, and costs no system call") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        rig.ring.nothing(named(1));
        rig.ring.nothing(named(2));
        REQUIRE(rig.ring.submit_and_wait(Ring::forever) == Wait::Ready);
        std::array<Completion, 1> one;
        REQUIRE(rig.ring.reap(one) == 1);
        CHECK(one[0].user_data == named(1));
        const uint64_t enters = rig.ring.counters().enters;
        CHECK(rig.ring.submit_and_wait(Ring::forever) == Wait::Ready);
        // On epoll the sockets are looked at every other time.
        if (preset != on_epoll) CHECK(rig.ring.counters().enters == enters);
        if (preset != on_epoll) CHECK_FALSE(rig.ring.has_looked());
        REQUIRE(rig.ring.reap(one) == 1);
        CHECK(one[0].user_data == named(2));
        CHECK(rig.ring.submit_and_wait(Duration{}) == Wait::TimedOut);
        CHECK(rig.ring.has_looked());
    }
}

// A kernel may complete only some of what has arrived in one call.
TEST_CASE("that all has been looked for is not said before all that has arrived is there") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset, {.submission_entries = 128, .completion_entries = 512});
        std::array<Pair, 100> pairs;
        for (const Pair& pair : pairs) {
            rig.ring.poll(pair.near.get(), POLLIN, Shots::One, named(1));
        }
        CHECK(rig.ring.submit_and_wait(Duration{}) == Wait::TimedOut);
        CHECK(rig.ring.has_looked());
        for (const Pair& pair : pairs) {
            pair.write("x");
        }
        std::array<Completion, 200> batch;
        uint32_t found = 0;
        for (bool knows_all = false; !knows_all;) {
            const bool is_ready = rig.ring.submit_and_wait(Duration{}) == Wait::Ready;
            found += rig.ring.reap(batch);
            knows_all = rig.ring.has_looked() && !rig.ring.has_more();
            CHECK((is_ready || knows_all));
        }
        CHECK(found == pairs.size());
        CHECK(rig.is_quiet());
    }
}

TEST_CASE("connections are accepted one after the other") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset);
        const Descriptor listener = listen_anywhere();
        const bool many = rig.has(Feature::MultishotAccept);
        rig.ring.accept(listener.get(), Shots::Many, named(1));
        rig.ring.submit();
        for (int i = 0; i < 3; ++i) {
            const Descriptor client = connect_to(address_of(listener));
            const Completion done = rig.wait_for_one();
            REQUIRE(done.result >= 0);
            const Descriptor accepted(done.result);
            CHECK(done.more() == many);
            CHECK(peer_address(accepted.get()).value() == address_of(client));
            if (!done.more()) rig.ring.accept(listener.get(), Shots::Many, named(1));
        }
    }
}

TEST_CASE("a single accept ends after one connection") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Descriptor listener = listen_anywhere();
        rig.ring.accept(listener.get(), Shots::One, named(1));
        rig.ring.submit();
        const Descriptor client = connect_to(address_of(listener));
        const Completion done = rig.wait_for_one();
        CHECK_FALSE(done.more());
        const Descriptor accepted(done.result);
        const Descriptor second = connect_to(address_of(listener));
        CHECK(rig.is_quiet());
    }
}

TEST_CASE("connecting succeeds, or says why not") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        Descriptor listener = listen_anywhere();
        const SocketAddress address = address_of(listener);
        Descriptor socket = std::move(socket_for(address).value());
        rig.ring.connect(socket.get(), address, named(1));
        CHECK(rig.wait_for_one().result == 0);
        CHECK(peer_text(socket.get()) == address.text());

        listener.close();
        socket = std::move(socket_for(address).value());
        rig.ring.connect(socket.get(), address, named(2));
        CHECK(rig.wait_for_one().result == -ECONNREFUSED);
    }
}

TEST_CASE("connecting to a path does not wait for room among those to be accepted") {
    const Folder folder;
    const std::string path = folder.file("server.sock");
    const SocketAddress address = SocketAddress::path(path).value();
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Descriptor listener = std::move(listen_unix({.path = path, .backlog = 0}).value());
        const Descriptor first = std::move(connect_and_wait(address).value());
        const Descriptor second = std::move(socket_for(address).value());
        const int flags = fcntl(second.get(), F_GETFL);
        rig.ring.connect(second.get(), address, named(1));
        const Completion done = rig.wait_for_one();
        CHECK(done.user_data == named(1));
        CHECK(done.result == -EAGAIN);
        const Descriptor accepted(accept_waiting(listener.get()));
        rig.ring.connect(second.get(), address, named(2));
        CHECK(rig.wait_for_one().result == 0);
        if (rig.ring.epoll() == nullptr) CHECK(fcntl(second.get(), F_GETFL) == flags);
        CHECK(rig.ring.counters().submitted == rig.ring.counters().completed);
        unlink(path.c_str());
    }
}

TEST_CASE("a send says how much it sent") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        rig.ring.send(pair.near.get(), "hello", 5, named(1));
        CHECK(rig.wait_for_one().result == 5);
        CHECK(read_some(pair.far.get()) == "hello");
    }
}

TEST_CASE("a gathered send sends its pieces in order") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        std::string first = "one ";
        std::string second = "two ";
        std::string third = "three";
        iovec pieces[] = {{first.data(), first.size()},
                          {second.data(), second.size()},
                          {third.data(), third.size()}};
        msghdr message = {};
        message.msg_iov = pieces;
        message.msg_iovlen = 3;
        rig.ring.send_gathered(pair.near.get(), &message, named(1));
        CHECK(rig.wait_for_one().result == 13);
        CHECK(read_some(pair.far.get()) == "one two three");
    }
}

TEST_CASE("a send to a peer that is gone fails, and raises no signal") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        Pair pair;
        pair.far.close();
        rig.ring.send(pair.near.get(), "x", 1, named(1));
        CHECK(rig.wait_for_one().result == -EPIPE);
    }
}

TEST_CASE("a send that does not fit sends what fits") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        const std::string large(8 * 1024 * 1024, 'x');
        rig.ring.send(pair.near.get(), large.data(), static_cast<uint32_t>(large.size()), named(1));
        const Completion done = rig.wait_for_one();
        CHECK(done.result > 0);
        CHECK(done.result < static_cast<int32_t>(large.size()));
    }
}

TEST_CASE("cancelling ends the operation and no other, and answers for itself") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        const Pair other;
        rig.ring.poll(pair.near.get(), POLLIN, Shots::One, named(1));
        rig.ring.poll(other.near.get(), POLLIN, Shots::One, named(4));
        rig.ring.submit();
        rig.ring.cancel(pair.near.get(), named(1), named(2));
        int32_t cancelled = 0;
        int32_t answer = 1;
        for (const Completion& done : rig.wait_for(2)) {
            if (done.user_data == named(1)) cancelled = done.result;
            if (done.user_data == named(2)) answer = done.result;
        }
        CHECK(cancelled == -ECANCELED);
        CHECK(answer == 0);

        rig.ring.cancel(pair.near.get(), named(1), named(3));
        CHECK(rig.wait_for_one().result == -ENOENT);
        other.write("x");
        CHECK(rig.wait_for_one().user_data == named(4));
    }
}

TEST_CASE("an eventfd wakes the ring as often as it is written") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Descriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        REQUIRE(event.is_open());
        rig.ring.poll(event.get(), POLLIN, Shots::Many, named(1));
        rig.ring.submit();
        for (uint64_t value = 1; value <= 3; ++value) {
            CHECK(rig.is_quiet());
            REQUIRE(write(event.get(), &value, 8) == 8);
            CHECK(rig.wait_for_one().more());
            // Taken every other time only.
            uint64_t read_value = 0;
            if (value != 2) CHECK(read(event.get(), &read_value, 8) == 8);
        }
    }
}

TEST_CASE("bytes are received into memory of the caller's, once") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        Pair pair;
        std::string memory(8, '.');
        for (const std::string_view text : {"one", "two"}) {
            rig.ring.receive_into(pair.near.get(), memory.data(), 8, named(1));
            CHECK(rig.is_quiet());
            pair.write(text);
            const Completion done = rig.wait_for_one();
            CHECK(done.result == 3);
            CHECK_FALSE(done.more());
            CHECK(memory.substr(0, 3) == text);
        }
        pair.write("three");
        CHECK(rig.is_quiet());
        rig.ring.receive_into(pair.near.get(), memory.data(), 4, named(2));
        CHECK(rig.wait_for_one().result == 4);
        pair.far.close();
        rig.ring.receive_into(pair.near.get(), memory.data(), 4, named(3));
        CHECK(rig.wait_for_one().result == 1);
        rig.ring.receive_into(pair.near.get(), memory.data(), 4, named(4));
        CHECK(rig.wait_for_one().result == 0);
    }
}

TEST_CASE("a poll with many shots goes on") {
    for (const std::string_view preset : both) {
        CAPTURE(preset);
        Rig rig(preset);
        const Pair pair;
        rig.ring.poll(pair.near.get(), POLLIN, Shots::Many, named(1));
        rig.ring.submit();
        for (int i = 0; i < 2; ++i) {
            pair.write("x");
            const Completion done = rig.wait_for_one();
            CHECK((done.result & POLLIN) != 0);
            CHECK(done.more());
            read_some(pair.near.get());
        }
    }
}

TEST_CASE("closing a ring makes its port free at once") {
    for (const std::string_view preset : everywhere) {
        CAPTURE(preset);
        Descriptor listener = listen_anywhere();
        const SocketAddress address = address_of(listener);
        Rig rig(preset);
        Buffers buffers(rig, 4, 64);
        buffers.provide_all();
        // A receive armed, an accept armed: both hold on to the port.
        rig.ring.accept(listener.get(), Shots::Many, named(1));
        rig.ring.submit();
        const Descriptor client = connect_to(address);
        const Completion done = rig.wait_for_one();
        Descriptor accepted(done.result);
        rig.ring.receive(accepted.get(), buffers.ring.group(), {}, named(2));
        if (!done.more()) rig.ring.accept(listener.get(), Shots::Many, named(3));
        rig.ring.submit();

        buffers.ring.close();
        rig.ring.close();
        CHECK_FALSE(rig.ring.is_open());
        accepted.close();
        listener.close();
        const Status again = port_is_free({.host = "127.0.0.1", .port = address.port()});
        CHECK_MESSAGE(again.ok(), (again.ok() ? "" : again.error()));
    }
}

TEST_CASE("a closed ring can be opened again") {
    Rig rig;
    rig.ring.nothing(named(1));
    rig.ring.close();
    REQUIRE(rig.ring
                .open({.submission_entries = 8,
                       .completion_entries = 16,
                       .features = features_without("none")})
                .ok());
    rig.ring.nothing(named(2));
    CHECK(rig.wait_for_one().user_data == named(2));
}

TEST_CASE("a ring that cannot be made says why") {
    Ring ring;
    const Status opened = ring.open({.submission_entries = 0});
    REQUIRE_FALSE(opened.ok());
    CHECK(contains(opened.error(), "a ring of 0 entries cannot be made: io_uring_setup: "));
    CHECK(contains(opened.error(), "EINVAL"));
    CHECK(contains(opened.error(), "Fix: use Linux 5.19"));
    CHECK_FALSE(ring.is_open());
}

}  // namespace ringmain::uring::test
