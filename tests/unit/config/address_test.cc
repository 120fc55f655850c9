#include "src/config/address.h"

#include <doctest/doctest.h>

namespace ringmain::config {

TEST_CASE("a host and a port") {
    const auto address = parse_address("10.0.0.1:6379");
    REQUIRE(address.ok());
    CHECK(address.value().host == "10.0.0.1");
    CHECK(address.value().port == 6379);
    CHECK(address.value().text() == "10.0.0.1:6379");
    CHECK(parse_address("cache-1.example_x.org:65535").value().port == 65535);
}

TEST_CASE("an IPv6 address stands in brackets") {
    const auto address = parse_address("[::1]:6379");
    REQUIRE(address.ok());
    CHECK(address.value().host == "::1");
    CHECK(address.value().text() == "[::1]:6379");
    for (const char* text : {"[::]:1",
                             "[1::]:1",
                             "[1:2:3:4:5:6:7:8]:1",
                             "[::ffff:10.0.0.1]:1",
                             "[fe80::1%eth0]:1",
                             "[1::2:3]:1"}) {
        CAPTURE(text);
        CHECK(parse_address(text).ok());
    }
    for (const char* text : {"[]:1",
                             "[:]:1",
                             "[:::]:1",
                             "[1:2]:1",
                             "[1::2::3]:1",
                             "[12345::]:1",
                             "[1:2:3:4:5:6:7:8:9]:1",
                             "[g::]:1",
                             "[::1",
                             "[::1]",
                             "[::1]6379",
                             "[fe80::1%]:1",
                             "[1:]:1",
                             "[::10.0.0.256]:1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text).ok());
    }
}

TEST_CASE("an IPv6 address without brackets is refused with the remedy") {
    for (const char* text : {"::1:6379", "fe80::1:6379:1", "1:2:3:4:5:6:7:8:6379"}) {
        CAPTURE(text);
        CHECK(parse_server(text).error().find("[::1]:6379") != std::string::npos);
    }
}

TEST_CASE("colons alone make no IPv6 address") {
    for (const char* text : {"127.0.0.1:6379:1:a", "cache.example:6379:1:a"}) {
        CAPTURE(text);
        const std::string error = parse_server(text).error();
        CHECK(error.starts_with("'1:a' is not a weight"));
        CHECK(error.ends_with("; a name stands behind a blank"));
    }
    CHECK(parse_address("127.0.0.1:1:1:a").error().starts_with("'1:1:a' is not a port"));
}

TEST_CASE("what stands in front of a host is no address, and is not repeated") {
    for (const char* text : {"redis://:topsecret@10.0.0.1:6379",
                             "redis://user:topsecret@10.0.0.1:6379:1 a",
                             "redis://:topsecret 2@10.0.0.1:6379",
                             "rediss://topsecret@10.0.0.1",
                             "redis://:topsecret@[::1]:6379",
                             "user:topsecret@10.0.0.1:6379",
                             ":topsecret@10.0.0.1:6379",
                             "user:topsecret topsecret@10.0.0.1:6379",
                             "topsecret@10.0.0.1:6379:1 a"}) {
        CAPTURE(text);
        for (const std::string& error : {parse_server(text).error(), parse_listen(text).error()}) {
            CAPTURE(error);
            CHECK(error.find("topsecret") == std::string::npos);
            CHECK(error.find("in front; write host:port, or /path; the password of a pool's "
                             "servers is redis_auth") != std::string::npos);
        }
    }
    for (const char* text :
         {"redis://10.0.0.1:6379", "redis://10.0.0.1:6379:1 a", "tcp://[::1]:1", "unix:///run/a"}) {
        CAPTURE(text);
        CHECK(parse_server(text).error() ==
              "an address has no scheme in front; write host:port, or /path");
    }
    CHECK(parse_server("h:1:1 redis://a@b").value().name == "redis://a@b");
    CHECK(parse_server("/run/a://b@c:2").value().address.path == "/run/a://b@c");
}

TEST_CASE("ports are 1 to 65535 and do not wrap") {
    for (const char* text : {"h:0",
                             "h:65536",
                             "h:-1",
                             "h:http",
                             "h:4294973675",
                             "h:",
                             "h",
                             "h:1x",
                             "h: 1",
                             "h:99999999999999999999999"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text).ok());
    }
    CHECK(parse_address("h:4294973675").error().find("4294973675") != std::string::npos);
}

TEST_CASE("a host is a name or an address") {
    for (const char* text : {":6379",
                             "a b:1",
                             "*:1",
                             "127.0.0.256:1",
                             "127.0.1:1",
                             "1.2.3.4.5:1",
                             "h\xc3\xbc:1",
                             "127.0.0.01:1",
                             ""}) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text).ok());
    }
    CHECK_FALSE(parse_address(std::string(254, 'a') + ":1").ok());
    CHECK(parse_address(std::string(253, 'a') + ":1").ok());
}

TEST_CASE("a listening socket's path may have an octal mode") {
    const auto address = parse_listen("/run/a.sock 0660");
    REQUIRE(address.ok());
    CHECK(address.value().path == "/run/a.sock");
    CHECK(address.value().mode == 0660);
    CHECK(parse_listen("/run/a.sock").value().mode == 0);
    CHECK(parse_listen("/run/a.sock 777").value().mode == 0777);
    for (const char* text : {"/run/a.sock 0888",
                             "/run/a.sock abc",
                             "/run/a.sock 1000",
                             "/run/a.sock 0",
                             "/run/a.sock ",
                             "/run/a.sock 077777777777777",
                             "127.0.0.1:1 0660"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_listen(text).ok());
    }
}

TEST_CASE("a path fits into a socket address") {
    CHECK(parse_address("/" + std::string(106, 'a')).ok());
    CHECK_FALSE(parse_address("/" + std::string(107, 'a')).ok());
    CHECK_FALSE(parse_address("/").ok());
    CHECK_FALSE(parse_address("/run/").ok());
    CHECK_FALSE(parse_address(std::string_view("/a\0b", 4)).ok());
}

TEST_CASE("a server in twemproxy's spelling") {
    struct Case {
        const char* text;
        const char* address;
        uint32_t weight;
        const char* name;
    };

    for (const Case& expected :
         {Case{"10.0.0.1:6379:1 cache1", "10.0.0.1:6379", 1, "cache1"},
          Case{"10.0.0.1:6379:7", "10.0.0.1:6379", 7, ""},
          Case{"10.0.0.1:6379", "10.0.0.1:6379", 1, ""},
          Case{"10.0.0.1:6379 cache1", "10.0.0.1:6379", 1, "cache1"},
          Case{"[::1]:6379:2 six", "[::1]:6379", 2, "six"},
          Case{"[::1]:6379", "[::1]:6379", 1, ""},
          Case{"/run/redis/a.sock:1 cache3", "/run/redis/a.sock", 1, "cache3"},
          Case{"/run/redis/a.sock cache3", "/run/redis/a.sock", 1, "cache3"},
          Case{"/run/redis/a.sock", "/run/redis/a.sock", 1, ""},
          Case{"h:1:1000000", "h:1", 1000000, ""}}) {
        CAPTURE(expected.text);
        const auto server = parse_server(expected.text);
        REQUIRE(server.ok());
        CHECK(server.value().address.text() == expected.address);
        CHECK(server.value().weight == expected.weight);
        CHECK(server.value().name == expected.name);
    }
}

TEST_CASE("a server that is not one is refused") {
    for (const char* text : {"",
                             " ",
                             "h",
                             "h:1:0",
                             "h:1:-1",
                             "h:1:1000001",
                             "h:1:4294967297",
                             "h:1:x",
                             "h:1:1:1",
                             "h:1:1 two words",
                             "h:1:1  name",
                             "h:1:1 ",
                             " h:1:1",
                             "h:1:1\tname",
                             "h:1: name",
                             ":6379:1",
                             "/run/a.sock:0",
                             "/run/a:b.sock",
                             "/run/a.sock:1:x",
                             "h:0:1",
                             "h:65536:1",
                             "h:1:1 na\x01me",
                             "[::1:6379:1",
                             "[::1]x:1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_server(text).ok());
    }
    CHECK_FALSE(parse_server("h:1:1 " + std::string(256, 'n')).ok());
    CHECK(parse_server("h:1:1 " + std::string(255, 'n')).ok());
}

TEST_CASE("a place to listen has one spelling") {
    const char* rows[][2] = {{"127.0.0.1:1", "127.0.0.1:1"},
                             {"Cache-1.Example:1", "cache-1.example:1"},
                             {"[::1]:1", "[::1]:1"},
                             {"[0:0:0:0:0:0:0:1]:1", "[::1]:1"},
                             {"[::]:1", "[::]:1"},
                             {"[0::0]:1", "[::]:1"},
                             {"[2001:0DB8::00a0:0:0:1]:1", "[2001:db8::a0:0:0:1]:1"},
                             {"[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1"},
                             {"[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:8]:1"},
                             {"[1:0:3:4:5:6:7:8]:1", "[1:0:3:4:5:6:7:8]:1"},
                             {"[1::]:1", "[1::]:1"},
                             {"[fe80::0:1%eth0]:1", "[fe80::1%eth0]:1"},
                             {"[::ffff:10.1.2.3]:1", "10.1.2.3:1"},
                             {"[64:ff9b::10.1.2.3]:1", "[64:ff9b::a01:203]:1"},
                             {"/run/a.sock", "/run/a.sock"},
                             {"//run/.//a.sock", "/run/a.sock"},
                             {"/run/../a.sock 0600", "/run/../a.sock"},
                             {"/.", "/."}};
    for (const auto& row : rows) {
        const Result<Address> address = parse_listen(row[0]);
        REQUIRE_MESSAGE(address.ok(), row[0]);
        CHECK(address.value().text() == row[1]);
    }
    // A server's address is a part of its name, and that of its place.
    CHECK(parse_server("/run//a.sock:1").value().address.path == "/run//a.sock");
}

}  // namespace ringmain::config
