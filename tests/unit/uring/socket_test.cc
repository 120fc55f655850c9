#include "ringmain/uring/socket.h"

#include "tests/files.h"
#include "tests/unit/uring/rig.h"

#include <cerrno>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace ringmain::uring::test {
namespace {

using ringmain::test::Folder;

Descriptor listening(const TcpListen& options) {
    Result<Descriptor> listener = listen_tcp(options);
    REQUIRE_MESSAGE(listener.ok(), listener.error());
    return std::move(listener.value());
}

uint16_t port_of(const Descriptor& socket) {
    return local_address(socket.get()).value().port();
}

int option_of(int socket, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(getsockopt(socket, level, option, &value, &size) == 0);
    return value;
}

std::string error_of(const Result<Descriptor>& result) {
    REQUIRE_FALSE(result.ok());
    return result.error();
}

}  // namespace

TEST_CASE("a listener has a port, blocks, does not delay, and is not inherited by programs") {
    const Descriptor listener = listening({.host = "127.0.0.1", .port = 0});
    CHECK(port_of(listener) > 0);
    CHECK((fcntl(listener.get(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK((fcntl(listener.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(option_of(listener.get(), IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(option_of(listener.get(), SOL_SOCKET, SO_REUSEADDR) == 1);
    CHECK(option_of(listener.get(), SOL_SOCKET, SO_REUSEPORT) == 0);
}

TEST_CASE("no host means every address") {
    for (const std::string_view host : {"", "*"}) {
        const Descriptor listener = listening({.host = std::string(host), .port = 0});
        CHECK(local_address(listener.get()).value().text() ==
              "0.0.0.0:" + std::to_string(port_of(listener)));
    }
}

TEST_CASE("the wildcard of IPv6 takes IPv4, too, and has its port alone") {
    Result<Descriptor> listener = listen_tcp({.host = "::", .port = 0});
    if (!listener.ok()) return;  // a machine without IPv6
    CHECK(option_of(listener.value().get(), IPPROTO_IPV6, IPV6_V6ONLY) == 0);
    const uint16_t port = port_of(listener.value());
    const std::string error = error_of(listen_tcp({.host = "127.0.0.1", .port = port}));
    CHECK(contains(error, "127.0.0.1:" + std::to_string(port) + " is in use"));
}

TEST_CASE("a name can be listened on") {
    const Descriptor listener = listening({.host = "localhost", .port = 0});
    CHECK(port_of(listener) > 0);
}

TEST_CASE("a name is looked up once for several listeners") {
    const auto host_of = [](std::string_view host) {
        return with_address({.host = std::string(host), .port = 7}).value().host;
    };
    CHECK(host_of("localhost") != "localhost");
    CHECK(host_of("") == "0.0.0.0");
    CHECK(host_of("127.0.0.1") == "127.0.0.1");
    CHECK(host_of(host_of("::1")) == "[::1]");
    CHECK(with_address({.host = "127.0.0.1", .port = 7}).value().port == 7);
    CHECK_FALSE(with_address({.host = "no such host", .port = 7}).ok());
}

TEST_CASE("a port in use is an error that names the port and the remedy") {
    const Descriptor listener = listening({.host = "127.0.0.1", .port = 0});
    const uint16_t port = port_of(listener);
    const std::string error = error_of(listen_tcp({.host = "127.0.0.1", .port = port}));
    CHECK(contains(error, "127.0.0.1:" + std::to_string(port) + " is in use"));
    CHECK(contains(error, "ss -ltnxp"));
    CHECK_FALSE(port_is_free({.host = "127.0.0.1", .port = port}).ok());
}

TEST_CASE("listeners of several workers share a port, and a second process is still noticed") {
    const Descriptor first = listening({.host = "127.0.0.1", .port = 0, .reuse_port = true});
    const TcpListen same = {.host = "127.0.0.1", .port = port_of(first), .reuse_port = true};
    const Descriptor second = listening(same);
    CHECK(port_of(second) == port_of(first));
    CHECK_FALSE(port_is_free(same).ok());
}

TEST_CASE("an address that this machine does not have is an error that says so") {
    const std::string error = error_of(listen_tcp({.host = "192.0.2.1", .port = 0}));
    CHECK(contains(error, "192.0.2.1:0 is not an address of this machine"));
}

TEST_CASE("without descriptors the error tells how to get more") {
    rlimit before = {};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const Result<Descriptor> socket = socket_for(*SocketAddress::numeric("127.0.0.1", 1));
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(contains(error_of(socket), "LimitNOFILE"));
}

TEST_CASE("connecting sets no delay; a refusal names the address") {
    Descriptor listener = listening({.host = "127.0.0.1", .port = 0});
    const SocketAddress address = local_address(listener.get()).value();
    const Result<Descriptor> client = connect_and_wait(address);
    REQUIRE(client.ok());
    CHECK(option_of(client.value().get(), IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(peer_text(client.value().get()) == address.text());

    listener.close();
    const std::string error = error_of(connect_and_wait(address));
    CHECK(contains(error, address.text()));
    CHECK(contains(error, "ECONNREFUSED"));
}

TEST_CASE("a peer that is gone without a word is noticed in minutes, by who accepted it, too") {
    const Descriptor listener = listening({.host = "127.0.0.1", .port = 0});
    set_keepalive(listener.get());
    const SocketAddress address = local_address(listener.get()).value();
    const Result<Descriptor> client = connect_and_wait(address);
    REQUIRE(client.ok());
    const Descriptor accepted(accept_waiting(listener.get()));
    set_keepalive(client.value().get());
    for (const int socket : {client.value().get(), accepted.get()}) {
        CHECK(option_of(socket, SOL_SOCKET, SO_KEEPALIVE) == 1);
        const int silent_s = option_of(socket, IPPROTO_TCP, TCP_KEEPIDLE);
        const int each_s = option_of(socket, IPPROTO_TCP, TCP_KEEPINTVL);
        CHECK(silent_s + each_s * option_of(socket, IPPROTO_TCP, TCP_KEEPCNT) == 120);
    }
}

TEST_CASE("what waits in the backlog can be taken out without waiting") {
    const Descriptor listener = listening({.host = "127.0.0.1", .port = 0});
    CHECK(accept_waiting(listener.get()) == -EAGAIN);
    const Result<Descriptor> client = connect_and_wait(local_address(listener.get()).value());
    REQUIRE(client.ok());
    const Descriptor accepted(accept_waiting(listener.get()));
    REQUIRE(accepted.is_open());
    // Rings want it blocking, whatever the listener is.
    CHECK((fcntl(accepted.get(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK(option_of(accepted.get(), IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(accept_waiting(listener.get()) == -EAGAIN);
}

TEST_CASE("what has arrived and is unread can be told") {
    const Descriptor listener = listening({.host = "127.0.0.1", .port = 0});
    const Result<Descriptor> client = connect_and_wait(local_address(listener.get()).value());
    REQUIRE(client.ok());
    const Descriptor accepted(accept_waiting(listener.get()));
    CHECK(unread_bytes(accepted.get()) == 0);
    REQUIRE(send(client.value().get(), "12345", 5, 0) == 5);
    CHECK(unread_bytes(accepted.get()) == 5);
    char text[3] = {};
    REQUIRE(recv(accepted.get(), text, sizeof text, 0) == 3);
    CHECK(unread_bytes(accepted.get()) == 2);
    CHECK(unread_bytes(-1) == 0);
}

TEST_CASE("what is unread goes on behind a byte that is urgent, which is not among it") {
    const Descriptor listener = listening({.host = "127.0.0.1", .port = 0});
    const Result<Descriptor> client = connect_and_wait(local_address(listener.get()).value());
    REQUIRE(client.ok());
    const Descriptor accepted(accept_waiting(listener.get()));
    REQUIRE(send(client.value().get(), "123", 3, 0) == 3);
    REQUIRE(send(client.value().get(), "!", 1, MSG_OOB) == 1);
    CHECK(unread_bytes(accepted.get()) == 3);
    REQUIRE(send(client.value().get(), "45678", 5, 0) == 5);
    CHECK(unread_bytes(accepted.get()) == 8);
    char text[16] = {};
    REQUIRE(recv(accepted.get(), text, sizeof text, 0) == 3);
    CHECK(unread_bytes(accepted.get()) == 5);
    REQUIRE(recv(accepted.get(), text, sizeof text, 0) == 5);
    CHECK(unread_bytes(accepted.get()) == 0);
}

TEST_CASE("an urgent byte of a unix socket is not unread, received from or not") {
    for (const bool is_received_from : {false, true}) {
        CAPTURE(is_received_from);
        int ends[2] = {-1, -1};
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        const Descriptor one(ends[0]);
        const Descriptor other(ends[1]);
        REQUIRE(send(one.get(), "!", 1, MSG_OOB) == 1);
        char text[16] = {};
        if (is_received_from) {
            CHECK(recv(other.get(), text, sizeof text, MSG_DONTWAIT) == -1);
        }
        CHECK(unread_bytes(other.get()) == 0);
        if (is_received_from) continue;
        REQUIRE(send(one.get(), "12", 2, 0) == 2);
        CHECK(unread_bytes(other.get()) == 2);
    }
}

TEST_CASE("an aborted connection is reset") {
    const Descriptor listener = listening({.host = "127.0.0.1", .port = 0});
    const Result<Descriptor> client = connect_and_wait(local_address(listener.get()).value());
    REQUIRE(client.ok());
    Descriptor accepted(accept_waiting(listener.get()));
    set_abort_on_close(accepted.get());
    accepted.close();
    char byte = 0;
    CHECK(recv(client.value().get(), &byte, 1, 0) == -1);
    CHECK(errno == ECONNRESET);
}

TEST_CASE("a unix listener has the mode it was given") {
    const Folder folder;
    const Result<Descriptor> listener =
        listen_unix({.path = folder.file("proxy.sock"), .mode = 0640});
    REQUIRE_MESSAGE(listener.ok(), listener.error());
    struct stat file = {};
    REQUIRE(stat(folder.file("proxy.sock").c_str(), &file) == 0);
    CHECK(S_ISSOCK(file.st_mode));
    CHECK((file.st_mode & 0777U) == 0640);

    const Result<Descriptor> client =
        connect_and_wait(SocketAddress::path(folder.file("proxy.sock")).value());
    REQUIRE(client.ok());
    const Descriptor accepted(accept_waiting(listener.value().get()));
    CHECK(peer_text(accepted.get()) == "?:0");
    CHECK(peer_text(client.value().get()) == "?:0");
    CHECK(local_address(listener.value().get()).value().text() == folder.file("proxy.sock"));
}

TEST_CASE("the socket file of a process that is gone is replaced") {
    const Folder folder;
    REQUIRE(listen_unix({.path = folder.file("proxy.sock")}).ok());  // and closed at once
    REQUIRE(access(folder.file("proxy.sock").c_str(), F_OK) == 0);
    const Result<Descriptor> again = listen_unix({.path = folder.file("proxy.sock")});
    REQUIRE_MESSAGE(again.ok(), again.error());
    CHECK(connect_and_wait(SocketAddress::path(folder.file("proxy.sock")).value()).ok());
}

TEST_CASE("a socket file that somebody answers on is left alone") {
    const Folder folder;
    const Result<Descriptor> first = listen_unix({.path = folder.file("proxy.sock"), .backlog = 0});
    REQUIRE(first.ok());
    for (int i = 0; i < 3; ++i) {  // in the end with a full backlog
        const std::string error = error_of(listen_unix({.path = folder.file("proxy.sock")}));
        CHECK(contains(error,
                       folder.file("proxy.sock") + " is in use: another process listens there"));
        CHECK(contains(error, "ss -lxp"));
        CHECK_FALSE(contains(error, "port"));
    }
    CHECK(access(folder.file("proxy.sock").c_str(), F_OK) == 0);
}

TEST_CASE("a file that is not a socket is left alone") {
    const Folder folder;
    const Descriptor file(
        open(folder.file("proxy.sock").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    REQUIRE(file.is_open());
    CHECK(contains(error_of(listen_unix({.path = folder.file("proxy.sock")})), "is not a socket"));
    CHECK(access(folder.file("proxy.sock").c_str(), F_OK) == 0);
}

TEST_CASE("a symbolic link is not followed") {
    const Folder folder;
    REQUIRE(symlink("/dev/null", folder.file("proxy.sock").c_str()) == 0);
    CHECK(contains(error_of(listen_unix({.path = folder.file("proxy.sock")})), "is not a socket"));
}

TEST_CASE("a folder that does not exist is an error that says so") {
    const Folder folder;
    const std::string error = error_of(listen_unix({.path = folder.file("none/a.sock")}));
    CHECK(contains(error, "folder does not exist"));
}

TEST_CASE("without a protocol there is no way to an address") {
    CHECK(has_way_to(*SocketAddress::numeric("127.0.0.1", 1)));
    CHECK(has_way_to(SocketAddress::path("/no/such.sock").value()));
    SocketAddress foreign = *SocketAddress::numeric("127.0.0.1", 1);
    foreign.storage.ss_family = AF_MAX;
    CHECK_FALSE(has_way_to(foreign));
}

TEST_CASE("an errno has its text and its name") {
    CHECK(error_text(ECONNREFUSED) == "Connection refused (ECONNREFUSED)");
    CHECK(error_text(-ECONNREFUSED) == "Connection refused (ECONNREFUSED)");
    CHECK(error_text(99999) == "error 99999");
}

}  // namespace ringmain::uring::test
