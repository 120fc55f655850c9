// What pools listen on, with real sockets on the loopback interface.

#include "src/worker/listeners.h"

#include "ringmain/uring/socket.h"
#include "tests/files.h"

#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

using ringmain::test::Folder;
using uring::Descriptor;
using uring::SocketAddress;

config::Pool tcp_pool(std::string name, std::string host, uint16_t port) {
    config::Pool pool;
    pool.name = std::move(name);
    pool.listen.host = std::move(host);
    pool.listen.port = port;
    return pool;
}

config::Pool path_pool(std::string path, uint32_t mode = 0) {
    config::Pool pool;
    pool.name = "a";
    pool.listen.path = std::move(path);
    pool.listen.mode = mode;
    return pool;
}

config::Config config_of(std::vector<config::Pool> pools) {
    config::Config config;
    config.pools = std::move(pools);
    return config;
}

void must_change(Listeners& listeners,
                 const config::Config& config,
                 const NamedAddresses& found = {}) {
    const Status status = listeners.change_to(config, found);
    REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error()));
}

// A port of 127.0.0.1 that nobody else is given before this process ends: the socket that has it
// never listens, and with both options a listener may bind beside it.
uint16_t free_port() {
    static std::vector<Descriptor> held;
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(socket.is_open());
    const int on = 1;
    REQUIRE(setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    REQUIRE(setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    const SocketAddress any = *SocketAddress::numeric("127.0.0.1", 0);
    REQUIRE(bind(socket.get(), any.get(), any.length) == 0);
    const uint16_t port = uring::local_address(socket.get()).value().port();
    held.push_back(std::move(socket));
    return port;
}

bool accepts_at(const SocketAddress& address) {
    return uring::connect_and_wait(address).ok();
}

bool accepts_at(const char* host, uint16_t port) {
    return accepts_at(*SocketAddress::numeric(host, port));
}

bool accepts_at(const std::string& path) {
    return accepts_at(SocketAddress::path(path).value());
}

uint32_t mode_of(const std::string& path) {
    struct stat file = {};
    REQUIRE(stat(path.c_str(), &file) == 0);
    return file.st_mode & 0777U;
}

bool has_keepalive(int socket) {
    int value = 0;
    socklen_t size = sizeof value;
    REQUIRE(getsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &value, &size) == 0);
    return value != 0;
}

// Of a listener, the kernel has its backlog here.
uint32_t backlog_of(int socket) {
    tcp_info info = {};
    socklen_t size = sizeof info;
    REQUIRE(getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    return info.tcpi_sacked;
}

}  // namespace

TEST_CASE("the file of a unix socket goes at the end") {
    const Folder folder;
    const std::string path = folder.file("a.sock");
    {
        Listeners listeners(1);
        must_change(listeners, config_of({path_pool(path)}));
        CHECK(accepts_at(path));
    }
    CHECK(access(path.c_str(), F_OK) != 0);
}

TEST_CASE("a successor that has taken over the path of a unix socket keeps it") {
    const Folder folder;
    const std::string path = folder.file("a.sock");
    Listeners successor(1);
    {
        Listeners draining(1);
        must_change(draining, config_of({path_pool(path)}));
        draining.shut();
        must_change(successor, config_of({path_pool(path)}));
    }
    CHECK(accepts_at(path));
}

TEST_CASE("a port that stays gets the backlog and the keepalive of the new configuration") {
    for (const uint32_t workers : {1U, 2U}) {
        CAPTURE(workers);
        Listeners listeners(workers);
        config::Pool pool = tcp_pool("a", "127.0.0.1", free_port());
        pool.backlog = 100;
        must_change(listeners, config_of({pool}));
        const std::vector<Listener> before = listeners.of_worker(workers - 1);
        CHECK(backlog_of(before[0].socket) == 100);
        CHECK(has_keepalive(before[0].socket));

        pool.backlog = 77;
        pool.tcp_keepalive = false;
        must_change(listeners, config_of({pool}));
        CHECK(listeners.of_worker(workers - 1)[0].socket == before[0].socket);
        CHECK(backlog_of(before[0].socket) == 77);
        CHECK_FALSE(has_keepalive(before[0].socket));
        CHECK(accepts_at("127.0.0.1", pool.listen.port));
    }
}

TEST_CASE("a unix socket that stays gets the mode of the new configuration") {
    const Folder folder;
    const std::string path = folder.file("a.sock");
    Listeners listeners(1);
    must_change(listeners, config_of({path_pool(path, 0660)}));
    CHECK(mode_of(path) == 0660);
    must_change(listeners, config_of({path_pool(path, 0600)}));
    CHECK(mode_of(path) == 0600);
    const mode_t mask = umask(027);
    must_change(listeners, config_of({path_pool(path)}));
    umask(mask);
    CHECK(mode_of(path) == 0750);

    // What somebody has changed by hand stays while the configuration says the same.
    REQUIRE(chmod(path.c_str(), 0640) == 0);
    must_change(listeners, config_of({path_pool(path)}));
    CHECK(mode_of(path) == 0640);
}

TEST_CASE("a change that fails leaves the mode, the backlog and the keepalive as they were") {
    const Folder folder;
    const std::string path = folder.file("a.sock");
    Listeners listeners(1);
    config::Pool pool = tcp_pool("b", "127.0.0.1", free_port());
    pool.backlog = 100;
    must_change(listeners, config_of({path_pool(path, 0660), pool}));
    const int tcp = listeners.of_worker(0)[1].socket;
    uint32_t by_hand = 0640;
    SUBCASE("some may come in") {}
    SUBCASE("nobody may") {
        by_hand = 0;
    }
    REQUIRE(chmod(path.c_str(), by_hand) == 0);

    const Result<Descriptor> taken = uring::listen_tcp({.host = "127.0.0.1", .port = 0});
    const uint16_t port = uring::local_address(taken.value().get()).value().port();
    config::Pool changed = pool;
    changed.backlog = 77;
    changed.tcp_keepalive = false;
    const config::Config refused =
        config_of({path_pool(path, 0600), changed, tcp_pool("c", "127.0.0.1", port)});
    CHECK(listeners.change_to(refused).error().starts_with("pool 'c': "));
    CHECK(mode_of(path) == by_hand);
    CHECK(backlog_of(tcp) == 100);
    CHECK(has_keepalive(tcp));

    // What was not changed is changed the next time.
    must_change(listeners, config_of({path_pool(path, 0600), changed}));
    CHECK(mode_of(path) == 0600);
    CHECK(backlog_of(tcp) == 77);
}

TEST_CASE("a mode that cannot be set names the pool and the owner, and the others stay") {
    if (geteuid() != 0) return;  // who could give the file away
    const Folder folder;
    const std::string a = folder.file("a.sock");
    const std::string b = folder.file("b.sock");
    config::Pool second = path_pool(b, 0600);
    second.name = "b";
    Listeners listeners(1);
    must_change(listeners, config_of({path_pool(a, 0600), second}));
    constexpr uid_t nobody = 65534;
    REQUIRE(chmod(folder.file("").c_str(), 0777) == 0);
    REQUIRE(chown(a.c_str(), nobody, nobody) == 0);
    second.listen.mode = 0660;
    REQUIRE(seteuid(nobody) == 0);
    const Status status = listeners.change_to(config_of({path_pool(a, 0660), second}));
    REQUIRE(seteuid(0) == 0);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error() ==
          "pool 'b': the mode of " + b +
              " cannot be set: Operation not permitted (EPERM): it belongs to the user 0 by now, "
              "and ringmain is 65534: give it back (chown), or remove it, and a reload makes it "
              "anew");
    CHECK(mode_of(a) == 0600);
}

TEST_CASE("a unix socket whose file somebody has removed is there again after a reload") {
    const Folder folder;
    const std::string path = folder.file("a.sock");
    const SocketAddress address = SocketAddress::path(path).value();
    Listeners listeners(1);
    must_change(listeners, config_of({path_pool(path, 0660)}));
    const int first = listeners.of_worker(0)[0].socket;
    REQUIRE(unlink(path.c_str()) == 0);
    CHECK_FALSE(accepts_at(address));
    must_change(listeners, config_of({path_pool(path, 0600)}));
    CHECK(mode_of(path) == 0600);
    CHECK(accepts_at(address));
    CHECK(listeners.of_worker(0)[0].socket != first);  // which workers may still be using
    listeners.close_unwanted();
    CHECK(accepts_at(address));
}

TEST_CASE("a unix socket in whose place is another file is told of until that is gone") {
    const Folder folder;
    const std::string path = folder.file("a.sock");
    Listeners listeners(1);
    const config::Config config = config_of({path_pool(path), tcp_pool("b", "127.0.0.1", 0)});
    must_change(listeners, config);
    CHECK(listeners.trouble_of(0).empty());
    CHECK(listeners.trouble_of(1).empty());
    REQUIRE(unlink(path.c_str()) == 0);
    std::ofstream(path) << "x";
    must_change(listeners, config_of({path_pool(path, 0660), tcp_pool("b", "127.0.0.1", 0)}));
    CHECK(listeners.trouble_of(0).starts_with("no client comes in at " + path + ": "));
    CHECK(mode_of(path) != 0660);
    REQUIRE(unlink(path.c_str()) == 0);
    must_change(listeners, config);
    CHECK(listeners.trouble_of(0).empty());
    CHECK(accepts_at(path));
}

TEST_CASE("a name that is known already is not looked up, nor one that is listened on") {
    Listeners listeners(2);
    const uint16_t port = free_port();
    const config::Config config = config_of(
        {tcp_pool("a", "no-such-host.invalid", port), tcp_pool("b", "127.0.0.1", free_port())});
    const std::vector<NameSearch::Question> names = listeners.unknown_names(config);
    REQUIRE(names.size() == 1);
    CHECK(names[0].asker == "pool 'a'");
    CHECK(names[0].host == "no-such-host.invalid");
    must_change(listeners, config, {{names[0].host, *SocketAddress::numeric("127.0.0.1", port)}});
    CHECK(accepts_at("127.0.0.1", port));
    CHECK(listeners.unknown_names(config).empty());
    must_change(listeners, config);
}

TEST_CASE("a port that the statistics have is named") {
    Listeners listeners(1);
    config::Config config = config_of({tcp_pool("a", "127.0.0.1", free_port())});
    must_change(listeners, config);
    const Result<Descriptor> taken = uring::listen_tcp({.host = "127.0.0.1", .port = 0});
    REQUIRE(taken.ok());
    const uint16_t port = uring::local_address(taken.value().get()).value().port();
    config.pools.push_back(tcp_pool("b", "127.0.0.1", port));
    config.admin.listen.host = "127.0.0.1";
    config.admin.listen.port = port;
    const Status status = listeners.change_to(config);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().ends_with(
        "; this ringmain itself listens there, as [admin] has it, which is fixed at start: its "
        "change needs a restart"));
}

TEST_CASE("a port moves to every interface and back") {
    for (const uint32_t workers : {1U, 2U}) {
        CAPTURE(workers);
        Listeners listeners(workers);
        const uint16_t port = free_port();
        must_change(listeners, config_of({tcp_pool("a", "127.0.0.1", port)}));
        CHECK_FALSE(accepts_at("127.0.0.2", port));
        must_change(listeners, config_of({tcp_pool("a", "0.0.0.0", port)}));
        CHECK(accepts_at("127.0.0.1", port));
        listeners.close_unwanted();
        CHECK(accepts_at("127.0.0.1", port));
        CHECK(accepts_at("127.0.0.2", port));
        must_change(listeners, config_of({tcp_pool("a", "127.0.0.1", port)}));
        listeners.close_unwanted();
        CHECK(accepts_at("127.0.0.1", port));
        CHECK_FALSE(accepts_at("127.0.0.2", port));
    }
}

TEST_CASE("two places of one file that get in each other's way are named") {
    Listeners listeners(1);
    const uint16_t port = free_port();
    const config::Config both =
        config_of({tcp_pool("a", "0.0.0.0", port), tcp_pool("b", "127.0.0.1", port)});
    const Status status = listeners.change_to(both);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().starts_with("pool 'b': 127.0.0.1:"));
    CHECK(status.error().ends_with("; this ringmain itself listens on 0.0.0.0:" +
                                   std::to_string(port)));
    CHECK_FALSE(accepts_at("127.0.0.1", port));
}

TEST_CASE("a file that is ours by another way to it is no other process's") {
    const Folder folder;
    const std::string way = folder.file("way");
    REQUIRE(symlink(folder.file(".").c_str(), way.c_str()) == 0);
    Listeners listeners(1);
    must_change(listeners, config_of({path_pool(folder.file("a.sock"))}));
    const Status status = listeners.change_to(config_of({path_pool(way + "/a.sock")}));
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().ends_with("; this ringmain itself listens on " + folder.file("a.sock")));
    CHECK(listeners.trouble_of(0).empty());
    CHECK(unlink(way.c_str()) == 0);
}

TEST_CASE("a place says what a name stands for") {
    const Folder folder;
    Listeners listeners(1);
    const uint16_t port = free_port();
    const std::string number = std::to_string(port);
    config::Config config = config_of({tcp_pool("a", "127.0.0.1", port)});
    config.pools.push_back(path_pool(folder.file("a.sock")));
    must_change(listeners, config);
    CHECK(listeners.place_of(0) == "127.0.0.1:" + number);
    CHECK(listeners.place_of(1) == folder.file("a.sock"));
    must_change(listeners, config_of({tcp_pool("a", "localhost", port)}));
    const std::string place = listeners.place_of(0);
    CAPTURE(place);
    CHECK((place == "localhost:" + number + " (127.0.0.1:" + number + ")" ||
           place == "localhost:" + number + " ([::1]:" + number + ")"));
}

// By another program of the same user.
bool can_be_shared(uint16_t port) {
    const uring::Descriptor other(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    uring::set_reuse_port(other.get());
    const auto address = uring::SocketAddress::numeric("127.0.0.1", port);
    return bind(other.get(), address->get(), address->length) == 0;
}

TEST_CASE("a port that would make room for another stays ours alone when the reload fails") {
    Listeners listeners(1);
    const uint16_t port = free_port();
    must_change(listeners, config_of({tcp_pool("a", "127.0.0.1", port)}));
    CHECK_FALSE(can_be_shared(port));
    const auto taken = uring::listen_tcp({.host = "127.0.0.1", .port = 0});
    const uint16_t other = uring::local_address(taken.value().get()).value().port();
    const Status changed = listeners.change_to(
        config_of({tcp_pool("a", "0.0.0.0", port), tcp_pool("b", "127.0.0.1", other)}));
    CHECK_FALSE(changed.ok());
    CHECK_FALSE(can_be_shared(port));
}

TEST_CASE("that an address is not this machine's has nothing to do with other listeners") {
    Listeners listeners(1);
    const uint16_t port = free_port();
    must_change(listeners, config_of({tcp_pool("a", "127.0.0.1", port)}));
    const Status status = listeners.change_to(
        config_of({tcp_pool("a", "127.0.0.1", port), tcp_pool("b", "192.0.2.1", port)}));
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().find("itself listens") == std::string::npos);
}

TEST_CASE("a place is new whose address nobody has listened on, whatever the mode of its file") {
    const config::Config running =
        config_of({tcp_pool("a", "127.0.0.1", 1), path_pool("/run/a.sock", 0600)});
    const config::Config next = config_of({path_pool("/run/a.sock", 0660),
                                           tcp_pool("b", "127.0.0.1", 2),
                                           tcp_pool("c", "127.0.0.1", 1),
                                           tcp_pool("d", "127.0.0.2", 1)});
    CHECK(Listeners::new_places(running, next) == std::vector<uint32_t>{1, 3});
    CHECK(Listeners::new_places(next, next).empty());
}

}  // namespace ringmain::worker
