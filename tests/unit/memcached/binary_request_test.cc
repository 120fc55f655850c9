// Binary requests in text.

#include "ringmain/memcached/binary_forward.h"
#include "ringmain/memcached/forward.h"
#include "tests/unit/memcached/arena.h"
#include "tests/unit/memcached/binary_packets.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

using test::Arena;
using test::count_extras;
using test::number;
using test::packet;
using test::set_extras;

const RequestLimits limits;

// What the text parser makes of a text must be what `frame` says of it.
void check_frame(const RequestFrame& frame, const std::string& text) {
    RequestParser parser(limits);
    const Fed fed = parser.feed(text);
    REQUIRE(fed.status == ParseStatus::Complete);
    REQUIRE(fed.consumed == text.size());
    const RequestFrame& read = parser.frame();
    CHECK(frame.verb == read.verb);
    CHECK(frame.size == read.size);
    CHECK(frame.line.size == read.line.size);
    CHECK(frame.key_count == read.key_count);
    CHECK(frame.keys[0].offset == read.keys[0].offset);
    CHECK(frame.keys[0].size == read.keys[0].size);
    CHECK(frame.argument.offset == read.argument.offset);
    CHECK(frame.argument.size == read.argument.size);
    CHECK(frame.data.offset == read.data.offset);
    CHECK(frame.data.size == read.data.size);
    CHECK(frame.base64_key == read.base64_key);
    CHECK(frame.is_canonical == read.is_canonical);
    CHECK(!read.noreply);
    CHECK(!read.quiet);
}

std::string rewritten(const std::string& bytes, size_t piece_size) {
    Arena arena(1200);
    BinaryParser parser(limits);
    REQUIRE(parser.feed(bytes).status == ParseStatus::Complete);
    const Chain source = arena.spread(bytes, piece_size);
    Chain target(arena.pool);
    RequestFrame request;
    switch (rewrite_request(parser.frame(), Bytes(source), target, request)) {
        case Rewritten::KeyTooLong:
            return "key too long";
        case Rewritten::UnknownStat:
            return "unknown stat";
        case Rewritten::NoMemory:
            return "no memory";
        case Rewritten::Yes:
            break;
    }
    std::string text = target.to_string();
    check_frame(request, text);
    if (request.key_count > 0) {
        std::string scratch;
        const ByteRange key = parser.frame().key;
        CHECK(placed_key(request, Bytes(target), scratch) == bytes.substr(key.offset, key.size));
    }
    return text;
}

// From bytes in one block and from bytes in many.
std::string text_of_request(const std::string& bytes) {
    const std::string text = rewritten(bytes, block_size);
    CHECK(rewritten(bytes, 1) == text);
    CHECK(rewritten(bytes, 25) == text);
    return text;
}

std::string text_of_request(const test::Asked& asked) {
    return text_of_request(packet(asked));
}

TEST_CASE("binary: reads are gets and gats, so that they share lines") {
    for (const int opcode : {0x00, 0x09, 0x0C, 0x0D}) {
        CHECK(text_of_request({.opcode = static_cast<uint8_t>(opcode), .key = "key"}) ==
              "gets key\r\n");
    }
    for (const int opcode : {0x1D, 0x1E, 0x23, 0x24}) {
        CHECK(text_of_request({.opcode = static_cast<uint8_t>(opcode),
                               .key = "key",
                               .extras = number(300, 4)}) == "gats 300 key\r\n");
    }
    CHECK(text_of_request({.opcode = 0x1C, .key = "key", .extras = number(0, 4)}) ==
          "gats 0 key\r\n");
}

TEST_CASE("binary: writes are meta commands") {
    for (const int opcode : {0x01, 0x11}) {
        CHECK(text_of_request({.opcode = static_cast<uint8_t>(opcode),
                               .key = "key",
                               .value = "a\r\nb",
                               .extras = set_extras(0xFFFFFFFF, 60)}) ==
              "ms key 4 c F4294967295 T60\r\na\r\nb\r\n");
    }
    CHECK(text_of_request({.opcode = 0x02, .key = "k", .value = "v", .extras = set_extras(1, 2)}) ==
          "ms k 1 c F1 T2 ME\r\nv\r\n");
    CHECK(text_of_request({.opcode = 0x13, .key = "k", .value = "v", .extras = set_extras(1, 2)}) ==
          "ms k 1 c F1 T2 MR\r\nv\r\n");
    CHECK(text_of_request({.opcode = 0x01, .key = "k", .extras = set_extras()}) ==
          "ms k 0 c F0 T0\r\n\r\n");
    CHECK(text_of_request({.opcode = 0x0E, .key = "k", .value = "v"}) == "ms k 1 c MA\r\nv\r\n");
    CHECK(text_of_request({.opcode = 0x1A, .key = "k", .value = "v"}) == "ms k 1 c MP\r\nv\r\n");
    CHECK(text_of_request({.opcode = 0x14, .key = "k"}) == "md k\r\n");
    CHECK(text_of_request({.opcode = 0x05, .key = "k", .extras = count_extras(5, 10, 0)}) ==
          "ma k v c D5 MI N0 J10\r\n");
    CHECK(text_of_request({.opcode = 0x16,
                           .key = "k",
                           .extras = count_extras(UINT64_MAX, 10, binary_no_creation)}) ==
          "ma k v c D18446744073709551615 MD\r\n");
}

TEST_CASE("binary: a cas is compared whatever the command") {
    for (const int opcode : {0x01, 0x02, 0x03}) {
        CHECK(text_of_request({.opcode = static_cast<uint8_t>(opcode),
                               .key = "k",
                               .value = "v",
                               .extras = set_extras(),
                               .cas = UINT64_MAX}) ==
              "ms k 1 c F0 T0 C18446744073709551615\r\nv\r\n");
    }
    CHECK(text_of_request({.opcode = 0x0E, .key = "k", .value = "v", .cas = 7}) ==
          "ms k 1 c MA C7\r\nv\r\n");
    CHECK(text_of_request({.opcode = 0x04, .key = "k", .cas = 7}) == "md k C7\r\n");
    CHECK(
        text_of_request({.opcode = 0x05, .key = "k", .extras = count_extras(1, 2, 3), .cas = 7}) ==
        "ma k v c D1 MI N3 J2 C7\r\n");
}

TEST_CASE("binary: a time beyond 31 bits becomes the last that text can say") {
    CHECK(text_of_request({.opcode = 0x1D, .key = "k", .extras = number(0x80000000, 4)}) ==
          "gats 2147483647 k\r\n");
    CHECK(text_of_request({.opcode = 0x01, .key = "k", .extras = set_extras(0, 0xFFFFFFFF)}) ==
          "ms k 0 c F0 T2147483647\r\n\r\n");
    CHECK(text_of_request({.opcode = 0x05, .key = "k", .extras = count_extras(1, 0, 0xFFFFFFFE)}) ==
          "ma k v c D1 MI N2147483647 J0\r\n");
}

TEST_CASE("binary: a key that text cannot hold goes in base64") {
    const std::string odd = "a b";
    CHECK(text_of_request({.opcode = 0x00, .key = odd}) == "mg YSBi b f c v\r\n");
    CHECK(text_of_request({.opcode = 0x24, .key = odd, .extras = number(9, 4)}) ==
          "mg YSBi b f c v T9\r\n");
    CHECK(text_of_request({.opcode = 0x1C, .key = odd, .extras = number(9, 4)}) ==
          "mg YSBi b f c T9\r\n");
    CHECK(text_of_request({.opcode = 0x01, .key = odd, .value = "v", .extras = set_extras()}) ==
          "ms YSBi 1 b c F0 T0\r\nv\r\n");
    CHECK(text_of_request({.opcode = 0x04, .key = std::string("\0", 1)}) == "md AA== b\r\n");
    CHECK(text_of_request({.opcode = 0x05, .key = "\r\n", .extras = count_extras(1, 2, 3)}) ==
          "ma DQo= b v c D1 MI N3 J2\r\n");
    // These text holds.
    CHECK(text_of_request({.opcode = 0x00, .key = "\x80\xFF"}) == "gets \x80\xFF\r\n");
    CHECK(text_of_request({.opcode = 0x00, .key = std::string(250, 'k')}) ==
          "gets " + std::string(250, 'k') + "\r\n");
    // Whatever the bytes and the size, it is the same key for the server (checked in rewritten()).
    for (size_t size = 1; size <= 186; ++size) {
        std::string key(size, ' ');
        for (size_t i = 1; i < size; ++i) {
            key[i] = static_cast<char>(i * 37);
        }
        CHECK(
            rewritten(packet({.opcode = 0x00, .key = key}), block_size).ends_with(" b f c v\r\n"));
    }
    CHECK(text_of_request({.opcode = 0x00, .key = std::string(187, ' ')}) == "key too long");
    CHECK(text_of_request({.opcode = 0x00, .key = std::string(249, 'k') + "\n"}) == "key too long");
}

TEST_CASE("binary: commands without a key") {
    CHECK(text_of_request({.opcode = 0x08}) == "flush_all\r\n");
    CHECK(text_of_request({.opcode = 0x18, .extras = number(10, 4)}) == "flush_all 10\r\n");
    CHECK(text_of_request({.opcode = 0x1B, .extras = number(2, 4)}) == "verbosity 2\r\n");
    CHECK(text_of_request({.opcode = 0x0A}) == "mn\r\n");
    CHECK(text_of_request({.opcode = 0x0B}) == "version\r\n");
    CHECK(text_of_request({.opcode = 0x10}) == "stats\r\n");
    CHECK(text_of_request({.opcode = 0x10, .key = "reset"}) == "stats reset\r\n");
    CHECK(text_of_request({.opcode = 0x10, .key = "resetx y"}) == "stats reset\r\n");
    CHECK(text_of_request({.opcode = 0x10, .key = "detail on"}) == "stats detail on\r\n");
    CHECK(text_of_request({.opcode = 0x10, .key = "detail off"}) == "stats detail off\r\n");
    CHECK(text_of_request({.opcode = 0x10, .key = "detail dump"}) == "stats detail dump\r\n");
    CHECK(text_of_request({.opcode = 0x10, .key = "detail dumpx"}) == "stats detail dump\r\n");
    CHECK(text_of_request({.opcode = 0x10, .key = "detail x"}) == "unknown stat");
    CHECK(text_of_request({.opcode = 0x10, .key = "detail  on"}) == "unknown stat");
    CHECK(text_of_request({.opcode = 0x10, .key = "items x"}) == "unknown stat");
    CHECK(text_of_request({.opcode = 0x10, .key = " reset"}) == "unknown stat");
    CHECK(text_of_request({.opcode = 0x10, .key = "reset\r\nflush_all"}) == "stats reset\r\n");
    CHECK(text_of_request({.opcode = 0x10, .key = "items\r\nflush_all"}) == "unknown stat");
}

TEST_CASE("binary: a large value is shared, and without memory nothing is sent") {
    const std::string bytes = packet(
        {.opcode = 0x01, .key = "k", .value = std::string(100'000, 'v'), .extras = set_extras()});
    CHECK(rewritten(bytes, block_size) ==
          "ms k 100000 c F0 T0\r\n" + std::string(100'000, 'v') + "\r\n");

    Arena arena(8);
    BinaryParser parser(limits);
    REQUIRE(parser.feed(bytes).status == ParseStatus::Complete);
    const Chain source = arena.spread(bytes, block_size);
    const uint32_t before = arena.pool.in_use();
    {
        Chain target(arena.pool);
        RequestFrame request;
        REQUIRE(rewrite_request(parser.frame(), Bytes(source), target, request) ==
                Rewritten::NoMemory);
    }
    CHECK(arena.pool.in_use() == before);
}

}  // namespace
}  // namespace ringmain::memcached
