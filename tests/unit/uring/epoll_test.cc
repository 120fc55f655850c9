// What is epoll's alone: descriptors that are watched or not, turns, sends that have to wait. That
// it does the same as io_uring is shown by the tests of rings, which run on both.

#include "src/uring/epoll.h"

#include "tests/unit/uring/rig.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>

#include <poll.h>
#include <sys/uio.h>

namespace ringmain::uring::test {
namespace {

// Sends until the socket is full; the last send waits. How much went.
size_t fill(Rig& rig, const Pair& pair, const std::string& data) {
    size_t sent = 0;
    while (true) {
        rig.ring.send(pair.near.get(), data.data(), static_cast<uint32_t>(data.size()), named(1));
        rig.ring.submit_and_wait(Duration{});
        std::array<Completion, 1> done;
        if (rig.ring.reap(done) == 0) return sent;
        REQUIRE(done[0].result > 0);
        sent += static_cast<size_t>(done[0].result);
    }
}

struct TcpPair {
    Descriptor near;
    Descriptor far;

    TcpPair() {
        const Descriptor listener = listen_anywhere();
        Result<Descriptor> connected = connect_and_wait(local_address(listener.get()).value());
        REQUIRE(connected.ok());
        far = std::move(connected.value());
        near = Descriptor(::accept(listener.get(), nullptr, nullptr));
    }
};

// What one multishot receive brings, until it is that much or nothing comes any more.
std::string receive_all(Rig& rig, Buffers& buffers, size_t size) {
    std::string received;
    while (received.size() < size) {
        const std::vector<Completion> all = rig.wait_for(1);
        if (all.empty()) return received;
        for (const Completion& done : all) {
            REQUIRE(done.has_buffer());
            received += buffers.take(done);
        }
    }
    return received;
}

void write_with_descriptor(const Pair& pair, std::string bytes) {
    iovec piece = {.iov_base = bytes.data(), .iov_len = bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* passed = CMSG_FIRSTHDR(&message);
    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    const int descriptor = pair.far.get();
    std::memcpy(CMSG_DATA(passed), &descriptor, sizeof descriptor);
    REQUIRE(sendmsg(pair.far.get(), &message, 0) == static_cast<ssize_t>(bytes.size()));
}

void drain(const Pair& pair, size_t size) {
    while (size > 0) {
        size -= std::min(size, read_some(pair.far.get()).size());
    }
}

}  // namespace

TEST_CASE("completions that pile up keep their order") {
    CompletionQueue queue(4);
    std::array<Completion, 3> some;
    uint32_t pushed = 0;
    uint32_t taken = 0;
    while (pushed < 1000) {
        for (int i = 0; i < 5; ++i) {
            queue.push({.user_data = named(1, pushed++)});
        }
        const uint32_t count = queue.take(some);
        REQUIRE(count == 3);
        for (const Completion& one : some) {
            REQUIRE(one.user_data.index == taken++);
        }
    }
    while (const uint32_t count = queue.take(some)) {
        for (uint32_t i = 0; i < count; ++i) {
            REQUIRE(some[i].user_data.index == taken++);
        }
    }
    CHECK(taken == pushed);
    CHECK(queue.empty());
}

TEST_CASE("an operation on a known descriptor finds what came while nobody asked") {
    Rig rig(on_epoll);
    const Pair pair;
    Buffers buffers(rig, 4, 8);
    buffers.provide_all();
    rig.ring.receive(pair.near.get(), buffers.ring.group(), {.shots = Shots::One}, named(1));
    pair.write("first");
    CHECK(buffers.take(rig.wait_for_one()) == "first");
    // Its event goes by.
    pair.write("second");
    CHECK(rig.is_quiet());
    CHECK(rig.is_quiet());
    rig.ring.receive(
        pair.near.get(), buffers.ring.group(), {.shots = Shots::One, .poll_first = true}, named(2));
    CHECK(buffers.take(rig.wait_for_one()) == "second");
    // Nothing is there now, and the next event counts.
    rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(3));
    CHECK(rig.is_quiet());
    pair.write("third");
    CHECK(buffers.take(rig.wait_for_one()) == "third");
}

TEST_CASE("a descriptor's number may be another's next") {
    Rig rig(on_epoll);
    Buffers buffers(rig, 4, 8);
    int number = -1;
    for (int i = 0; i < 5; ++i) {
        buffers.provide_all();
        Pair pair;
        if (i == 0) number = pair.near.get();
        REQUIRE(pair.near.get() == number);
        rig.ring.receive(number, buffers.ring.group(), {}, named(1));
        pair.write("hello");
        CHECK(buffers.take(rig.wait_for_one()) == "hello");
        if (i % 2 == 0) {
            rig.ring.cancel(number, named(1), named(2));
            CHECK(rig.wait_for(2).size() == 2);
        } else {
            pair.far.close();
            CHECK(rig.wait_for_one().result == 0);
        }
    }
}

TEST_CASE("the bytes before an end come first, then the end, with one event for both") {
    for (const bool reset : {false, true}) {
        CAPTURE(reset);
        Rig rig(on_epoll);
        Buffers buffers(rig, 16, 8);
        buffers.provide_all();
        TcpPair pair;
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
        CHECK(rig.is_quiet());
        REQUIRE(::send(pair.far.get(), "abc", 3, 0) == 3);
        if (reset) set_abort_on_close(pair.far.get());
        pair.far.close();
        std::string received;
        int32_t last = 1;
        while (last > 0) {
            const std::vector<Completion> all = rig.wait_for(1);
            for (const Completion& done : all) {
                last = done.result;
                if (done.has_buffer()) received += buffers.take(done);
                CHECK(done.more() == (last > 0));
            }
        }
        CHECK((reset || received == "abc"));
        CHECK(last == (reset ? -ECONNRESET : 0));
    }
}

TEST_CASE("the bytes behind an urgent one come without an event of their own") {
    for (const std::string_view backend : both) {
        CAPTURE(backend);
        Rig rig(backend);
        Buffers buffers(rig, 16, 8);
        buffers.provide_all();
        TcpPair pair;
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
        CHECK(rig.is_quiet());
        REQUIRE(::send(pair.far.get(), "ab", 2, 0) == 2);
        REQUIRE(::send(pair.far.get(), "!", 1, MSG_OOB) == 1);
        REQUIRE(::send(pair.far.get(), "cd", 2, 0) == 2);
        CHECK(receive_all(rig, buffers, 4) == "abcd");
    }
}

TEST_CASE("the bytes behind a passed descriptor come without an event of their own") {
    for (const std::string_view backend : both) {
        CAPTURE(backend);
        Rig rig(backend);
        Buffers buffers(rig, 16, 8);
        buffers.provide_all();
        const Pair pair;
        rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(1));
        CHECK(rig.is_quiet());
        write_with_descriptor(pair, "ab");
        pair.write("cd");
        CHECK(receive_all(rig, buffers, 4) == "abcd");
    }
}

TEST_CASE("who has much to be read does not keep the others waiting") {
    Rig rig(on_epoll);
    const Pair busy;
    const Pair other;
    Buffers buffers(rig, 64, 8);
    buffers.provide_all();
    const std::string much(8 * 40, 'm');
    rig.ring.receive(busy.near.get(), buffers.ring.group(), {}, named(1));
    rig.ring.receive(other.near.get(), buffers.ring.group(), {}, named(2));
    busy.write(much);
    other.write("o");
    size_t received = 0;
    size_t before_other = 0;
    while (received < much.size()) {
        for (const Completion& done : rig.wait_for(1)) {
            REQUIRE(done.more());
            const std::string bytes = buffers.take(done);
            if (done.user_data == named(2)) {
                before_other = received;
                CHECK(bytes == "o");
            } else {
                received += bytes.size();
            }
        }
    }
    CHECK(before_other <= 8 * 8);
    CHECK(rig.is_quiet());
}

TEST_CASE("more sockets than buffers take turns, and none of them is told of it") {
    Rig rig(on_epoll);
    Buffers buffers(rig, 4, 64);
    buffers.provide_all();
    std::vector<Pair> pairs(50);
    for (uint32_t i = 0; i < pairs.size(); ++i) {
        rig.ring.receive(pairs[i].near.get(), buffers.ring.group(), {}, named(1, i));
        pairs[i].write("number " + std::to_string(i));
    }
    std::map<uint32_t, std::string> received;
    while (received.size() < pairs.size()) {
        const std::vector<Completion> all = rig.wait_for(1);
        REQUIRE(all.size() <= 4);
        for (const Completion& done : all) {
            REQUIRE(done.more());
            received[done.user_data.index] += buffers.take(done);
        }
        buffers.provide_all();
    }
    for (uint32_t i = 0; i < pairs.size(); ++i) {
        CHECK(received[i] == "number " + std::to_string(i));
    }
}

TEST_CASE("who found no buffer has one before those who always want more") {
    Rig rig(on_epoll);
    Buffers buffers(rig, 4, 64);
    buffers.provide_all();
    std::vector<Pair> pairs(4);  // of which one can take all buffers in each of its turns
    const std::string much(100 * 64, 'm');
    for (uint32_t i = 0; i < pairs.size(); ++i) {
        rig.ring.receive(pairs[i].near.get(), buffers.ring.group(), {}, named(1, i));
        pairs[i].write(much);
    }
    std::map<uint32_t, size_t> received;
    while (received[0] + received[1] + received[2] + received[3] < 32 * 64) {
        for (const Completion& done : rig.wait_for(1)) {
            REQUIRE(done.more());
            received[done.user_data.index] += buffers.take(done).size();
        }
        buffers.provide_all();
    }
    for (uint32_t i = 0; i < pairs.size(); ++i) {
        CHECK(received[i] >= 4 * 64);
    }
}

TEST_CASE("those who found no buffer share what there is, one each") {
    Rig rig(on_epoll);
    Buffers buffers(rig, 4, 64);
    buffers.provide_all();
    std::vector<Pair> pairs(8);  // the last says little
    for (uint32_t i = 0; i < pairs.size(); ++i) {
        rig.ring.receive(pairs[i].near.get(), buffers.ring.group(), {}, named(1, i));
        pairs[i].write(i < 7 ? std::string(100 * 64, 'm') : "o");
    }
    // One has all four. Of the seven that found none four have one each, and then the others.
    std::map<uint32_t, size_t> turns;
    for (int batch = 0; batch < 3; ++batch) {
        const std::vector<Completion> all = rig.wait_for(1);
        REQUIRE(all.size() == 4);
        CHECK_FALSE(rig.ring.has_looked());  // there is more to be had
        for (const Completion& done : all) {
            turns[done.user_data.index] += 1;
            (void)buffers.take(done);
        }
        buffers.provide_all();
    }
    CHECK(turns.size() == pairs.size());
    CHECK(turns[7] == 1);
}

TEST_CASE("a send to a full socket waits for room, and sends of the first piece what fits") {
    Rig rig(on_epoll);
    const Pair pair;
    const std::string data(100'000, 'd');
    const size_t sent = fill(rig, pair, data);
    CHECK(rig.is_quiet());
    drain(pair, sent);
    CHECK(rig.wait_for_one().result > 0);

    fill(rig, pair, data);
    rig.ring.cancel(pair.near.get(), named(1), named(2));
    CHECK(rig.wait_for(2)[0].result == -ECANCELED);
    std::string first = "first ";
    std::string second = "second";
    iovec pieces[] = {{first.data(), first.size()}, {second.data(), second.size()}};
    msghdr message = {};
    message.msg_iov = pieces;
    message.msg_iovlen = 2;
    rig.ring.send_gathered(pair.near.get(), &message, named(3));
    message = {};  // is the caller's again
    CHECK(rig.is_quiet());
    std::string text;
    while (!text.ends_with(first)) {
        text = read_some(pair.far.get());
        rig.ring.submit_and_wait(Duration{});
    }
    CHECK(rig.wait_for_one().result == static_cast<int32_t>(first.size()));
}

TEST_CASE("a send that waits fails when the peer goes") {
    Rig rig(on_epoll);
    Pair pair;
    const std::string data(100'000, 'd');
    fill(rig, pair, data);
    pair.far.close();
    CHECK(rig.wait_for_one().result == -EPIPE);
}

TEST_CASE("what the peer said before it went comes before the send that fails") {
    Rig rig(on_epoll);
    Pair pair;
    Buffers buffers(rig, 4, 64);
    buffers.provide_all();
    fill(rig, pair, std::string(1000, 'x'));
    rig.ring.receive(pair.near.get(), buffers.ring.group(), {}, named(2));
    CHECK(rig.is_quiet());
    pair.write("goodbye");
    pair.far.close();
    rig.ring.submit_and_wait(Duration{});
    std::array<Completion, 4> done;
    const uint32_t count = rig.ring.reap(done);
    REQUIRE(count >= 2);
    CHECK(done[0].user_data.kind == named(2).kind);
    CHECK(buffers.take(done[0]) == "goodbye");
    CHECK(done[count - 1].user_data.kind == named(1).kind);
    CHECK(done[count - 1].result < 0);
}

TEST_CASE("who always has something done still hears of others every other time") {
    Rig rig(on_epoll);
    const Pair pair;
    rig.ring.poll(pair.near.get(), POLLIN, Shots::One, named(1));
    pair.write("x");
    bool heard = false;
    for (uint32_t i = 0; i < 4; ++i) {
        rig.ring.nothing(named(2));
        rig.ring.submit_and_wait(Ring::forever);
        std::array<Completion, 8> batch;
        const uint32_t count = rig.ring.reap(batch);
        heard = heard || std::any_of(batch.begin(), batch.begin() + count, [](const auto& done) {
                    return done.user_data == named(1);
                });
    }
    CHECK(heard);
}

TEST_CASE("a crowd is accepted in turns, each of them once, by two who share the listener") {
    Rig first(on_epoll);
    Rig second(on_epoll);
    const Descriptor listener = listen_anywhere();
    first.ring.accept(listener.get(), Shots::Many, named(1));
    second.ring.accept(listener.get(), Shots::Many, named(2));
    std::vector<Descriptor> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(
            std::move(connect_and_wait(local_address(listener.get()).value()).value()));
    }
    std::vector<Descriptor> accepted;
    for (int idle = 0; idle < 3;) {
        for (Rig* rig : {&first, &second}) {
            const size_t before = accepted.size();
            rig->ring.submit_and_wait(Duration::millis(5));
            std::array<Completion, 512> batch;
            const uint32_t count = rig->ring.reap(batch);
            for (uint32_t i = 0; i < count; ++i) {
                CHECK(batch[i].more());
                REQUIRE(batch[i].result >= 0);
                accepted.emplace_back(batch[i].result);
            }
            CHECK(count <= 64);
            idle = accepted.size() == before ? idle + 1 : 0;
        }
    }
    CHECK(accepted.size() == clients.size());
}

TEST_CASE("a time below a millisecond is not waited for by spinning") {
    Rig rig(on_epoll);
    const uint64_t before = rig.ring.counters().enters;
    for (int i = 0; i < 10; ++i) {
        CHECK(rig.wait_out(Duration{1}) == Wait::TimedOut);
        CHECK(rig.wait_out(Duration{300'000}) == Wait::TimedOut);
    }
    CHECK(rig.ring.counters().enters - before < 40);
}

TEST_CASE("what cannot be watched says so") {
    Rig rig(on_epoll);
    Buffers buffers(rig, 2, 8);
    int number = -1;
    {
        const Pair pair;
        number = pair.near.get();
    }
    rig.ring.receive(number, buffers.ring.group(), {}, named(1));
    CHECK(rig.wait_for_one().result == -EBADF);
    rig.ring.send(number, "x", 1, named(2));
    CHECK(rig.wait_for_one().result == -EBADF);
}

}  // namespace ringmain::uring::test
