// The ports of the control thread, on a ring of the test's own and real sockets.

#include "src/worker/port.h"

#include "ringmain/stats/json.h"
#include "tests/files.h"
#include "tests/unit/stats/sample.h"
#include "tests/unit/uring/rig.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

using stats::test::contains;
using uring::Descriptor;

constexpr Instant start = {1'000'000'000'000};

config::Address at_port(uint16_t port) {
    config::Address address;
    address.host = "127.0.0.1";
    address.port = port;
    return address;
}

class Reader {
  public:
    explicit Reader(const uring::SocketAddress& address) {
        Result<Descriptor> socket = uring::connect_and_wait(address);
        REQUIRE_MESSAGE(socket.ok(), socket.error());
        socket_ = std::move(socket.value());
    }

    void say(std::string_view text) const {
        REQUIRE(send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(text.size()));
    }

    // What is there, without waiting. ended() tells about the end.
    const std::string& read() {
        char bytes[65536];
        ssize_t size = 0;
        while ((size = recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
            text_.append(bytes, static_cast<size_t>(size));
        }
        ended_ = ended_ || size == 0 || (size < 0 && errno == ECONNRESET);
        return text_;
    }

    bool ended() {
        read();
        return ended_;
    }

    void forget() { text_.clear(); }

    void hang_up() { socket_.close(); }

    [[nodiscard]] int descriptor() const { return socket_.get(); }

  private:
    Descriptor socket_;
    std::string text_;
    bool ended_ = false;
};

struct Rig {
    stats::Snapshot snapshot = stats::test::sample();
    stats::SlowLog slow_log{8};
    stats::PageSources sources = {
        .snapshot = &snapshot, .slow_log = &slow_log, .config = "[proxy]\n"};
    std::vector<uring::Completion> batch = std::vector<uring::Completion>(64);
    uring::test::Rig kernel;  // closed before the port goes
    uint32_t places = 8;
    std::unique_ptr<Port> port;
    Instant now = start;

    explicit Rig(Port::Speech speech, const config::Address& address = at_port(0))
        : port(std::make_unique<Port>(kernel.ring, sources, speech, 8, places)) {
        const Status opened = port->open(address);
        REQUIRE_MESSAGE(opened.ok(), opened.error());
    }

    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;

    ~Rig() { kernel.ring.close(); }

    [[nodiscard]] uring::SocketAddress address() const {
        return *uring::SocketAddress::numeric("127.0.0.1", port->tcp_port());
    }

    // Whether something came within the time.
    bool round(Duration wait) {
        kernel.ring.submit_and_wait(wait);
        const uint32_t count = kernel.ring.reap(batch);
        for (uint32_t i = 0; i < count; ++i) {
            REQUIRE(port->owns(batch[i]));
            port->on_completion(batch[i], now);
        }
        return count > 0;
    }

    // Until it holds, or nothing has come for seconds.
    template <class Condition>
    bool run_until(const Condition& condition) {
        for (int idle = 0; idle < 200; idle += round(Duration::millis(20)) ? 0 : 1) {
            if (condition()) return true;
        }
        return condition();
    }

    // Until nothing comes any more.
    void settle() {
        while (round(Duration::millis(50))) {
        }
    }

    bool run_until_connections(uint32_t count) {
        return run_until([&] { return port->connections() == count; });
    }
};

constexpr std::string_view get_health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

bool has_answer(Reader& reader) {
    return reader.read().ends_with("\r\n\r\nok\n");
}

}  // namespace

TEST_CASE("the statistics port writes its line to whoever connects, and closes") {
    Rig rig(Port::Speech::Json);
    Reader reader(rig.address());
    REQUIRE(rig.run_until([&] { return reader.ended(); }));
    CHECK(reader.read() == stats::to_json(rig.snapshot, stats::JsonScope::Pools));
    reader.hang_up();
    CHECK(rig.run_until_connections(0));
}

TEST_CASE("a request to the statistics port, as curl sends it, does not cost the answer") {
    Rig rig(Port::Speech::Json);
    Reader reader(rig.address());
    reader.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(rig.run_until([&] { return reader.ended(); }));
    CHECK(reader.read() == stats::to_json(rig.snapshot, stats::JsonScope::Pools));
}

TEST_CASE("a newer snapshot is what the next reader gets") {
    Rig rig(Port::Speech::Json);
    stats::Snapshot newer = rig.snapshot;
    newer.process.version = "newer";
    rig.sources.snapshot = &newer;
    rig.sources.edition += 1;
    Reader reader(rig.address());
    REQUIRE(rig.run_until([&] { return reader.ended(); }));
    CHECK(contains(reader.read(), "\"version\":\"newer\""));
}

TEST_CASE("requests on one connection are answered one after the other") {
    Rig rig(Port::Speech::Http);
    Reader reader(rig.address());
    reader.say("GET /heal");
    rig.settle();
    reader.say("thz HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(rig.run_until([&] { return has_answer(reader); }));
    CHECK(reader.read().starts_with("HTTP/1.1 200 OK\r\n"));

    // Two at once, the second in part, and its end later.
    reader.forget();
    reader.say("GET /config HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HT");
    REQUIRE(rig.run_until([&] { return contains(reader.read(), "[proxy]\n"); }));
    reader.say("TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    REQUIRE(rig.run_until([&] { return reader.ended(); }));
    CHECK(has_answer(reader));
    reader.hang_up();
    CHECK(rig.run_until_connections(0));
}

TEST_CASE("many requests at once, more than a buffer holds, are all answered in order") {
    Rig rig(Port::Speech::Http);
    Reader reader(rig.address());
    std::string text;
    constexpr size_t count = 300;
    for (size_t i = 0; i < count; ++i) {
        text += get_health;
    }
    reader.say(text + "GET /nowhere HTTP/1.0\r\n\r\n");
    REQUIRE(rig.run_until([&] { return reader.ended(); }));
    size_t answers = 0;
    for (size_t at = reader.read().find("200 OK"); at != std::string::npos;
         at = reader.read().find("200 OK", at + 1)) {
        answers += 1;
    }
    CHECK(answers == count);
    CHECK(contains(reader.read(), "404 Not Found"));
}

TEST_CASE("what is no HTTP is refused, and the refusal arrives") {
    Rig rig(Port::Speech::Http);
    Reader reader(rig.address());
    reader.say("*1\r\n$4\r\nPING\r\n" + std::string(10'000, 'x'));
    REQUIRE(rig.run_until([&] { return reader.ended(); }));
    CHECK(reader.read().starts_with("HTTP/1.1 400 Bad Request\r\n"));
}

TEST_CASE("a reader who does not read costs nobody else, and goes when its time is up") {
    Rig rig(Port::Speech::Http);
    // More than the socket buffers hold.
    const stats::PoolSnapshot pool = rig.snapshot.pools[0];
    rig.snapshot.pools.resize(3000, pool);
    Reader slow(rig.address());
    slow.say("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(rig.run_until_connections(1));
    Reader quick(rig.address());
    quick.say(get_health);
    REQUIRE(rig.run_until([&] { return has_answer(quick); }));
    quick.hang_up();
    REQUIRE(rig.run_until_connections(1));

    CHECK(rig.port->next_deadline() == start + Port::write_limit);
    rig.port->on_time(start + Port::write_limit);
    CHECK(rig.run_until_connections(0));
    CHECK(rig.port->next_deadline() == Instant::never());
}

TEST_CASE("who says nothing, or not all, goes when its time is up") {
    Rig rig(Port::Speech::Http);
    Reader silent(rig.address());
    Reader hesitant(rig.address());
    REQUIRE(rig.run_until_connections(2));
    rig.now = start + Duration::millis(4'000);
    hesitant.say("GET / HT");
    rig.settle();
    rig.port->on_time(start + Port::read_limit + Duration{-1});
    CHECK(rig.port->connections() == 2);
    // Every byte does not buy new time.
    rig.port->on_time(start + Port::read_limit);
    CHECK(rig.run_until_connections(0));
    CHECK(silent.ended());
    CHECK(hesitant.ended());
}

TEST_CASE("between two requests a reader may be silent for longer") {
    Rig rig(Port::Speech::Http);
    Reader reader(rig.address());
    reader.say(get_health);
    REQUIRE(rig.run_until([&] { return has_answer(reader); }));
    rig.settle();
    CHECK(rig.port->next_deadline() == start + Port::idle_limit);
    rig.port->on_time(start + Port::idle_limit);
    CHECK(rig.run_until_connections(0));
}

TEST_CASE("who resets the connection is forgotten at once") {
    Rig rig(Port::Speech::Http);
    {
        const Reader reader(rig.address());
        REQUIRE(rig.run_until_connections(1));
        uring::set_abort_on_close(reader.descriptor());
    }
    CHECK(rig.run_until_connections(0));
}

TEST_CASE("a crowd of idle readers does not keep the next one out") {
    Rig rig(Port::Speech::Http);
    std::vector<std::unique_ptr<Reader>> crowd;
    for (uint32_t i = 0; i < 2 * rig.places; ++i) {
        crowd.push_back(std::make_unique<Reader>(rig.address()));
        rig.now = rig.now + Duration::millis(1);
        crowd.back()->say(get_health);
        REQUIRE(rig.run_until([&] { return has_answer(*crowd.back()); }));
        CHECK(rig.port->connections() <= rig.places);
    }
    CHECK(crowd.front()->ended());
    CHECK_FALSE(crowd.back()->ended());
    crowd.clear();
    CHECK(rig.run_until_connections(0));
}

TEST_CASE("on a path the socket has its mode, and is gone with the port") {
    const ringmain::test::Folder folder;
    const std::string path = folder.file("port");
    {
        config::Address address;
        address.path = path;
        address.mode = 0600;
        Rig rig(Port::Speech::Json, address);
        CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::mask) ==
              (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
        Reader reader(uring::SocketAddress::path(path).value());
        REQUIRE(rig.run_until([&] { return reader.ended(); }));
        CHECK(reader.read().ends_with("}\n"));
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a port that is taken says so") {
    const Rig first(Port::Speech::Json);
    uring::test::Rig kernel;
    Port second(kernel.ring, first.sources, Port::Speech::Json, 8);
    const Status opened = second.open(at_port(first.port->tcp_port()));
    REQUIRE_FALSE(opened.ok());
    CHECK(contains(opened.error(), std::to_string(first.port->tcp_port())));
}

}  // namespace ringmain::worker
