#include "ringmain/memcached/binary_parser.h"

#include "tests/unit/memcached/binary_packets.h"
#include "tests/unit/memcached/story.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

using test::Asked;
using test::count_extras;
using test::number;
using test::packet;
using test::set_extras;

std::string describe_packet(const BinaryFrame& frame, std::string_view bytes) {
    CHECK(frame.opaque == Asked().opaque);
    std::string text = test::hex(number(frame.opcode, 1));
    if (frame.refusal != BinaryStatus::Success) {
        text += " s" + test::hex(number(static_cast<uint64_t>(frame.refusal), 1));
        return frame.hang_up ? text + " close" : text;
    }
    text += "(" + std::string(test::cut_out(bytes, frame.key)) + ")";
    if (frame.extras.size > 0) text += "x" + test::hex(test::cut_out(bytes, frame.extras));
    if (frame.value.size > 0) text += "=" + std::string(test::cut_out(bytes, frame.value));
    if (frame.cas > 0) text += " cas" + std::to_string(frame.cas);
    if (frame.meaning.quiet) text += " quiet";
    if (frame.meaning.with_key) text += " with key";
    return text;
}

std::string story(const std::string& bytes, const RequestLimits& limits = {}) {
    return test::story_by(BinaryParser(limits), describe_packet, bytes);
}

TEST_CASE("binary: requests are cut out of a stream, however it is cut") {
    const std::string get = packet({.opcode = 0x00, .key = "a"});
    CHECK(story(get + packet({.opcode = 0x0D, .key = std::string("k\0\r\n", 4)}) +
                packet({.opcode = 0x11,
                        .key = "b",
                        .value = "hello",
                        .extras = set_extras(7, 9),
                        .cas = 3}) +
                packet({.opcode = 0x0A})) ==
          "00(a) | 0d(" + std::string("k\0\r\n", 4) +
              ") quiet with key | 11(b)x0000000700000009=hello cas3 quiet | 0a()");
    CHECK(story(get + get.substr(0, 10)) == "00(a) | ...");
    CHECK(story(packet({.opcode = 0x01, .key = "a", .value = "12345", .extras = set_extras()})
                    .substr(0, 36)) == "...");
}

TEST_CASE("binary: every opcode has one shape, and others end the connection") {
    const RequestLimits limits;
    const std::string four = number(1, 4);

    struct Shape {
        std::initializer_list<int> opcodes;
        std::initializer_list<size_t> extras;  // sizes
        bool has_key;
        bool may_have_value;
    };

    const std::initializer_list<Shape> shapes = {
        {{0x00, 0x09, 0x0C, 0x0D, 0x04, 0x14}, {0}, true, false},
        {{0x01, 0x02, 0x03, 0x11, 0x12, 0x13}, {8}, true, true},
        {{0x0E, 0x0F, 0x19, 0x1A}, {0}, true, true},
        {{0x05, 0x06, 0x15, 0x16}, {20}, true, false},
        {{0x1C, 0x1D, 0x1E, 0x23, 0x24}, {4}, true, false},
        {{0x07, 0x17, 0x0A, 0x0B}, {0}, false, false},
        {{0x08, 0x18}, {0, 4}, false, false},
    };
    // Each with and without a key and a value, with extras of each size that any has.
    const auto check = [&limits](const Shape& shape, int opcode, size_t extras, unsigned parts) {
        const bool has_key = (parts & 1U) != 0;
        const bool has_value = (parts & 2U) != 0;
        const std::string bytes = packet({.opcode = static_cast<uint8_t>(opcode),
                                          .key = has_key ? "a" : "",
                                          .value = has_value ? "v" : "",
                                          .extras = std::string(extras, 'x')});
        const bool has_extras =
            std::find(shape.extras.begin(), shape.extras.end(), extras) != shape.extras.end();
        const bool is_right =
            has_extras && has_key == shape.has_key && (!has_value || shape.may_have_value);
        CAPTURE(opcode);
        CAPTURE(extras);
        CAPTURE(parts);
        BinaryParser parser(limits);
        const Fed fed = parser.feed(bytes);
        REQUIRE(fed.status == ParseStatus::Complete);
        CHECK((parser.frame().refusal == BinaryStatus::Success) == is_right);
        CHECK(parser.frame().hang_up != is_right);
        CHECK(fed.consumed == (is_right ? bytes.size() : 24));
    };
    for (const Shape& shape : shapes) {
        for (const int opcode : shape.opcodes) {
            for (const size_t extras : {0U, 4U, 8U, 12U, 20U}) {
                for (const unsigned parts : {0U, 1U, 2U, 3U}) {
                    check(shape, opcode, extras, parts);
                }
            }
        }
    }
    CHECK(story(packet({.opcode = 0x00})) == "00 s04 close");
    CHECK(story(packet({.opcode = 0x10, .key = "reset"})) == "10(reset)");
    CHECK(story(packet({.opcode = 0x10})) == "10()");
    CHECK(story(packet({.opcode = 0x10, .extras = four}).substr(0, 24)) == "10 s04 close");
    CHECK(story(packet({.opcode = 0x1B, .extras = four})) == "1b()x00000001");
}

TEST_CASE("binary: what is not served is skipped, and the next request is taken") {
    const std::string noop = packet({.opcode = 0x0A});
    for (const int opcode : {0x1F, 0x25, 0x30, 0x3B, 0x7F, 0xFF}) {
        const auto byte = static_cast<uint8_t>(opcode);
        CHECK(story(packet({.opcode = byte, .key = "kk", .value = "vv", .extras = "1234"}) +
                    noop) == test::hex(number(byte, 1)) + " s81 | 0a()");
    }
    CHECK(story(packet({.opcode = 0x20}) + noop) == "20 s81 | 0a()");
    CHECK(story(packet({.opcode = 0x20, .key = "a"}) + noop) == "20 s04 close | closed: ");
    CHECK(story(packet({.opcode = 0x21, .key = "PLAIN", .value = "x"}) + noop) == "21 s81 | 0a()");
    CHECK(story(packet({.opcode = 0x22}) + noop) == "22 s04 close | 0a()");
    CHECK(story(packet({.opcode = 0x1B}) + noop) == "1b s81 | 0a()");
}

TEST_CASE("binary: sizes that do not fit end the connection") {
    CHECK(story(packet({.opcode = 0x00, .key = "abc", .key_size = 4}).substr(0, 24)) ==
          "00 s81 close");
    CHECK(story(packet({.opcode = 0x00, .key = "abc", .extras_size = 1}).substr(0, 24)) ==
          "00 s81 close");
    CHECK(story(packet({.opcode = 0x01, .extras_size = 8, .body_size = 7})) == "01 s81 close");
    CHECK(story(packet({.opcode = 0x00, .key = "abc", .body_size = 0xFFFFFFFF}).substr(0, 24)) ==
          "00 s04 close");
    CHECK(story(packet({.opcode = 0x00, .key = std::string(250, 'k')})) ==
          "00(" + std::string(250, 'k') + ")");
    CHECK(story(packet({.opcode = 0x00, .key = std::string(251, 'k')}).substr(0, 24)) ==
          "00 s04 close");
    CHECK(story(packet({.opcode = 0x7F, .key = std::string(65535, 'k')}).substr(0, 24)) ==
          "7f s04 close");
}

TEST_CASE("binary: another magic ends it without a word") {
    CHECK(story(packet({.magic = 0x81})) == "closed: ");
    CHECK(story(packet({.opcode = 0x0A}) + "get a\r\n") == "0a() | closed: ");
    CHECK(story(packet({.opcode = 0x0A}) + packet({.opcode = 0x0A, .magic = 0})) ==
          "0a() | closed: ");
}

TEST_CASE("binary: a value beyond the limit is skipped, not kept") {
    const RequestLimits limits = {.value_size_max = 10};
    const auto set = [](size_t size) {
        return packet(
            {.opcode = 0x01, .key = "a", .value = std::string(size, 'v'), .extras = set_extras()});
    };
    CHECK(story(set(10) + set(11) + set(1), limits) ==
          "01(a)x0000000000000000=vvvvvvvvvv | 01 s03 | 01(a)x0000000000000000=v");

    BinaryParser parser(limits);
    const std::string large =
        packet({.opcode = 0x01, .key = "a", .extras = set_extras(), .body_size = 0xFFFFFFFF});
    CHECK(parser.feed(large).status == ParseStatus::NeedMore);
    CHECK(parser.discarding());
    CHECK(parser.bytes_missing() == 0xFFFFFFFF - 9);
    CHECK(parser.frame().size == uint64_t{24} + 0xFFFFFFFF);

    BinaryParser other(limits);
    CHECK(other.feed(set(10).substr(0, 30)).status == ParseStatus::NeedMore);
    CHECK(!other.discarding());
    CHECK(other.bytes_missing() == 24 + 9 + 10 - 30);
}

TEST_CASE("binary: the text parser tells its first byte from others") {
    const RequestLimits limits;
    RequestParser parser(limits);
    CHECK(parser.feed(packet({.opcode = 0x0A})).status == ParseStatus::Error);
    CHECK(parser.begins_binary());
    RequestParser other(limits);
    REQUIRE(other.feed("version\r\n").status == ParseStatus::Complete);
    other.next();
    REQUIRE(other.feed(packet({.opcode = 0x0A})).status == ParseStatus::Complete);  // its '\n'
    CHECK(other.frame().verb == Verb::Invalid);
    CHECK(!other.begins_binary());
}

}  // namespace
}  // namespace ringmain::memcached
