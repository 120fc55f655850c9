#include "ringmain/uring/socket_address.h"

#include <cerrno>

#include <doctest/doctest.h>
#include <sys/resource.h>

namespace ringmain::uring {

TEST_CASE("numeric addresses are read without a look-up, and written as people write them") {
    const auto text_of = [](std::string_view host) {
        const std::optional<SocketAddress> address = SocketAddress::numeric(host, 22121);
        return address.has_value() ? address->text() : "none";
    };
    CHECK(text_of("127.0.0.1") == "127.0.0.1:22121");
    CHECK(text_of("0.0.0.0") == "0.0.0.0:22121");
    CHECK(text_of("::1") == "[::1]:22121");
    CHECK(text_of("[::1]") == "[::1]:22121");
    CHECK(text_of("2001:DB8::7") == "[2001:db8::7]:22121");
    CHECK(text_of("fe80::1%1") == "[fe80::1%1]:22121");
    CHECK(text_of("fe80::1%lo") == "[fe80::1%1]:22121");
}

TEST_CASE("what is not a numeric address is not taken for one") {
    for (const std::string_view host : {"",
                                        "localhost",
                                        "127.0.0",
                                        "127.0.0.1.1",
                                        "256.0.0.1",
                                        "1",
                                        "0x7f.1",
                                        "[127.0.0.1]",
                                        "[]",
                                        "[",
                                        "::1]",
                                        "::1%",
                                        "::1%no-such-interface",
                                        "127.0.0.1 ",
                                        "1:2"}) {
        CAPTURE(host);
        CHECK_FALSE(SocketAddress::numeric(host, 1).has_value());
    }
}

TEST_CASE("the port survives the change of byte order") {
    CHECK(SocketAddress::numeric("127.0.0.1", 1)->port() == 1);
    CHECK(SocketAddress::numeric("::1", 65535)->port() == 65535);
    CHECK(SocketAddress::path("/run/a.sock").value().port() == 0);
}

TEST_CASE("a path fits, or the error says how long it may be") {
    const std::string longest(107, 'p');
    const Result<SocketAddress> fits = SocketAddress::path(longest);
    REQUIRE(fits.ok());
    CHECK(fits.value().is_path());
    CHECK(fits.value().text() == longest);
    const Result<SocketAddress> beyond = SocketAddress::path(longest + "p");
    REQUIRE_FALSE(beyond.ok());
    CHECK(beyond.error().find("107") != std::string::npos);
    CHECK_FALSE(SocketAddress::path("").ok());
}

TEST_CASE("addresses are equal when host and port are") {
    CHECK(*SocketAddress::numeric("10.0.0.1", 1) == *SocketAddress::numeric("10.0.0.1", 1));
    CHECK_FALSE(*SocketAddress::numeric("10.0.0.1", 1) == *SocketAddress::numeric("10.0.0.1", 2));
    CHECK_FALSE(*SocketAddress::numeric("10.0.0.1", 1) == *SocketAddress::numeric("10.0.0.2", 1));
    CHECK_FALSE(*SocketAddress::numeric("0.0.0.0", 1) == *SocketAddress::numeric("::", 1));
}

TEST_CASE("resolving a numeric host gives that address alone") {
    const Result<std::vector<SocketAddress>> found = resolve("127.0.0.1", 6379);
    REQUIRE(found.ok());
    REQUIRE(found.value().size() == 1);
    CHECK(found.value().front().text() == "127.0.0.1:6379");
}

TEST_CASE("resolving a name gives addresses with the port") {
    const Result<std::vector<SocketAddress>> found = resolve("localhost", 6379);
    REQUIRE_MESSAGE(found.ok(), found.error());
    for (const SocketAddress& address : found.value()) {
        CAPTURE(address.text());
        CHECK(address.port() == 6379);
        CHECK((address.text() == "127.0.0.1:6379" || address.text() == "[::1]:6379"));
    }
}

TEST_CASE("a name that cannot be resolved is named in the error") {
    // A label of 64 bytes is not a name: no server is asked.
    const std::string name = std::string(64, 'x') + ".invalid";
    const Result<std::vector<SocketAddress>> found = resolve(name, 6379);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error_number() == 0);
    CHECK(found.error().find(name) != std::string::npos);
    CHECK(found.error().find("resolv.conf") != std::string::npos);
}

TEST_CASE("a look-up that fails for want of a descriptor says so, whatever it says of the name") {
    rlimit before = {};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const Result<std::vector<SocketAddress>> found = resolve("localhost", 6379);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error_number() == EMFILE);
}

}  // namespace ringmain::uring
