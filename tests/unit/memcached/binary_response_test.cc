// Text responses in binary.

#include "ringmain/memcached/binary_forward.h"
#include "tests/unit/memcached/arena.h"
#include "tests/unit/memcached/binary_packets.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

using test::Arena;
using test::number;

BinaryWaiting waiting_of(uint8_t opcode) {
    return {.opcode = opcode,
            .meaning = meaning_of(opcode),
            .refusal = BinaryStatus::Success,
            .opaque = test::Asked().opaque,
            .key = meaning_of(opcode).with_key ? "key" : ""};
}

std::string written(const BinaryWaiting& waiting,
                    const std::string& head,
                    std::string_view tail,
                    size_t piece_size) {
    Arena arena(5100);  // a block for each byte of the longest
    const Chain source = arena.spread(head, piece_size);
    const Bytes bytes(source);
    Chain target(arena.pool);
    REQUIRE(write_response(waiting, head.empty() ? nullptr : &bytes, tail, target, nullptr));
    return target.to_string();
}

// As bytes in one block, and in many.
std::string answer(const BinaryWaiting& waiting,
                   const std::string& head,
                   std::string_view tail = {}) {
    const std::string packets = written(waiting, head, tail, block_size);
    CHECK(written(waiting, head, tail, 1) == packets);
    CHECK(written(waiting, head, tail, 7) == packets);
    return test::responses_in(packets);
}

std::string answer(uint8_t opcode, const std::string& head, std::string_view tail = {}) {
    return answer(waiting_of(opcode), head, tail);
}

TEST_CASE("binary: a hit has flags, cas and the value, and the key where it is wanted") {
    const std::string value = "VALUE key 7 5 99\r\na\r\nbc\r\nEND\r\n";
    CHECK(answer(0x00, value) == "00 s00 x00000007 va\r\nbc c99");
    CHECK(answer(0x09, value) == "09 s00 x00000007 va\r\nbc c99");
    CHECK(answer(0x0C, value) == "0c s00 x00000007 kkey va\r\nbc c99");
    CHECK(answer(0x0D, value) == "0d s00 x00000007 kkey va\r\nbc c99");
    CHECK(answer(0x1D, value) == "1d s00 x00000007 va\r\nbc c99");
    CHECK(answer(0x24, value) == "24 s00 x00000007 kkey va\r\nbc c99");
    // Of a line that several share the end may be another piece, or none of this one.
    CHECK(answer(0x00, "VALUE key 7 5 99\r\na\r\nbc\r\n", "END\r\n") ==
          "00 s00 x00000007 va\r\nbc c99");
    CHECK(answer(0x00, "VALUE key 4294967295 0 18446744073709551615\r\n\r\nEND\r\n") ==
          "00 s00 xffffffff c18446744073709551615");
    // A server may be built to keep flags of 64 bits.
    CHECK(answer(0x00, "VALUE key 4294967301 2\r\nhi\r\nEND\r\n") == "00 s00 x00000005 vhi");
    CHECK(answer(0x0C, "VA 2 f4294967301 c2\r\nhi\r\n") == "0c s00 x00000005 kkey vhi c2");
    // Of a key in base64.
    CHECK(answer(0x0C, "VA 2 f1 c2\r\nhi\r\n") == "0c s00 x00000001 kkey vhi c2");
    CHECK(answer(0x00, "VA 2 f1 c2 W\r\nhi\r\n") == "00 s00 x00000001 vhi c2");
    CHECK(answer(0x1C, "HD f1 c2\r\n") == "1c s00 x00000001 c2");
    CHECK(answer(0x1C, "VALUE key 1 2 3\r\nhi\r\nEND\r\n") == "1c s00 x00000001 c3");

    const std::string large(100'000, 'v');
    CHECK(written(waiting_of(0x00), "VALUE key 0 100000 1\r\n" + large + "\r\nEND\r\n", {}, 16000)
              .ends_with(number(0, 4) + large));
}

TEST_CASE("binary: who asked for a value is not told of one that is not there") {
    for (const char* done : {"HD f1 c2\r\n", "HD\r\n", "OK\r\n", "MN\r\n", "VERSION 1\r\n"}) {
        CHECK(answer(0x00, done) == "00 s84 vringmain: not a response to this");
        CHECK(answer(0x1D, done) == "1d s84 vringmain: not a response to this");
    }
}

TEST_CASE("binary: a miss is told, silent, or told with the key") {
    for (const char* miss : {"END\r\n", "EN\r\n"}) {
        CHECK(answer(0x00, miss) == "00 s01 vNot found");
        CHECK(answer(0x00, "", miss) == "00 s01 vNot found");
        CHECK(answer(0x09, miss).empty());
        CHECK(answer(0x0C, miss) == "0c s01 kkey");
        CHECK(answer(0x0D, miss).empty());
        CHECK(answer(0x1D, miss) == "1d s01 vNot found");
        CHECK(answer(0x1E, miss).empty());
        CHECK(answer(0x23, miss) == "23 s01 kkey");
        CHECK(answer(0x24, "", miss).empty());
        CHECK(answer(0x1C, miss) == "1c s01 vNot found");
    }
}

TEST_CASE("binary: writes are answered by status, quiet ones when they fail") {
    CHECK(answer(0x01, "HD c5\r\n") == "01 s00 c5");
    CHECK(answer(0x01, "HD\r\n") == "01 s00");
    CHECK(answer(0x11, "HD c5\r\n").empty());
    CHECK(answer(0x01, "EX c0\r\n") == "01 s02 vData exists for key.");
    CHECK(answer(0x11, "EX c0\r\n") == "11 s02 vData exists for key.");
    CHECK(answer(0x01, "NF c0\r\n") == "01 s01 vNot found");
    CHECK(answer(0x02, "NS c0\r\n") == "02 s02 vData exists for key.");
    CHECK(answer(0x12, "NS c0\r\n") == "12 s02 vData exists for key.");
    CHECK(answer(0x03, "NS c0\r\n") == "03 s01 vNot found");
    CHECK(answer(0x13, "NS c0\r\n") == "13 s01 vNot found");
    CHECK(answer(0x0E, "NS c0\r\n") == "0e s05 vNot stored.");
    CHECK(answer(0x1A, "NS c0\r\n") == "1a s05 vNot stored.");
    CHECK(answer(0x0F, "EX c0\r\n") == "0f s02 vData exists for key.");
    CHECK(answer(0x19, "HD c6\r\n").empty());
    CHECK(answer(0x04, "HD\r\n") == "04 s00");
    CHECK(answer(0x14, "HD\r\n").empty());
    CHECK(answer(0x14, "NF\r\n") == "14 s01 vNot found");
    CHECK(answer(0x04, "EX\r\n") == "04 s02 vData exists for key.");
}

TEST_CASE("binary: numbers have eight bytes") {
    CHECK(answer(0x05, "VA 2 c9\r\n10\r\n") == "05 s00 v" + number(10, 8) + " c9");
    CHECK(answer(0x06, "VA 20 c9\r\n18446744073709551615\r\n") ==
          "06 s00 v" + std::string(8, '\xFF') + " c9");
    CHECK(answer(0x15, "VA 2 c9\r\n10\r\n").empty());
    CHECK(answer(0x05, "NF\r\n") == "05 s01 vNot found");
    CHECK(answer(0x16, "NF\r\n") == "16 s01 vNot found");
    CHECK(answer(0x05, "EX\r\n") == "05 s02 vData exists for key.");
    const std::string no_number =
        "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
    CHECK(answer(0x05, no_number) == "05 s06 vNon-numeric server-side value for incr or decr");
    CHECK(answer(0x15, no_number) == "15 s06 vNon-numeric server-side value for incr or decr");
    CHECK(answer(0x05, "VA 2 c9\r\nxx\r\n") == "05 s84 vringmain: no number");
}

TEST_CASE("binary: the rest") {
    CHECK(answer(0x08, "OK\r\n") == "08 s00");
    CHECK(answer(0x18, "OK\r\n").empty());
    CHECK(answer(0x1B, "OK\r\n") == "1b s00");
    CHECK(answer(0x0A, "", "MN\r\n") == "0a s00");
    CHECK(answer(0x0B, "", "VERSION 1.6.18\r\n") == "0b s00 v1.6.18");
    CHECK(answer(0x07, "", "OK\r\n") == "07 s00");
    CHECK(answer(0x17, "", "OK\r\n").empty());
    CHECK(answer(0x00, "").empty());
    CHECK(answer(0x10, "STAT pid 5\r\nSTAT a b c\r\nSTAT empty \r\nSTAT bare\r\nEND\r\n") ==
          "10 s00 kpid v5 | 10 s00 ka vb c | 10 s00 kempty | 10 s00 kbare | 10 s00");
    // What has no name would be the end of the list.
    CHECK(answer(0x10, "STAT pid 5\r\nSTAT \r\nSTAT  x\r\nSTAT a b\r\nEND\r\n") ==
          "10 s00 kpid v5 | 10 s00 ka vb | 10 s00");
    CHECK(answer(0x10, "", "STAT pid 5\r\nEND\r\n") == "10 s00 kpid v5 | 10 s00");
    CHECK(answer(0x10, "RESET\r\n") == "10 s00");
    CHECK(answer(0x10, "END\r\n") == "10 s00");
}

TEST_CASE("binary: errors have a status and their text") {
    for (const uint8_t opcode : {uint8_t{0x00}, uint8_t{0x09}, uint8_t{0x0D}}) {
        const std::string begin = test::hex(number(opcode, 1));
        CHECK(answer(opcode, "", "SERVER_ERROR ringmain: server a refused the connection\r\n") ==
              begin + " s86 vringmain: server a refused the connection");
        CHECK(answer(opcode, "SERVER_ERROR out of memory reading request\r\n") ==
              begin + " s82 vOut of memory");
        CHECK(answer(opcode, "SERVER_ERROR something else\r\n") == begin + " s84 vsomething else");
        CHECK(answer(opcode, "ERROR\r\n") ==
              begin +
                  " s81 vringmain: the server does not know the command that this is sent as; "
                  "meta commands need memcached 1.6");
    }
    CHECK(answer(0x11, "SERVER_ERROR out of memory storing object\r\n") == "11 s82 vOut of memory");
    CHECK(answer(0x01, "SERVER_ERROR object too large for cache\r\n") == "01 s03 vToo large.");
    CHECK(answer(0x01, "CLIENT_ERROR bad data chunk\r\n") == "01 s04 vbad data chunk");
    CHECK(answer(0x10, "", "CLIENT_ERROR ringmain: 'stats extstore' is per server\r\n") ==
          "10 s83 vringmain: 'stats extstore' is per server");
    CHECK(answer(0x10, "", "ERROR\r\n") == "10 s01 vNot found");
    CHECK(answer(0x10, "SERVER_ERROR ringmain: no\r\n") == "10 s86 vringmain: no");
    CHECK(answer(0x01, "MN\r\n") == "01 s00");
    CHECK(answer(0x01, "STORED\r\n") == "01 s84 vringmain: not a response to this");
    const std::string longest = "SERVER_ERROR " + std::string(5000, 'x') + "\r\n";
    CHECK(answer(0x00, longest) == "00 s84 v" + std::string(512 - 13, 'x'));

    BinaryWaiting dump = waiting_of(0x10);
    dump.key = "detailed";
    CHECK(answer(dump, "", "PREFIX a get 1 hit 1 set 1 del 0\r\nEND\r\n") ==
          "10 s00 kdetailed vPREFIX a get 1 hit 1 set 1 del 0\r\nEND\r\n | 10 s00");
    CHECK(answer(dump, "", "END\r\n") == "10 s00 kdetailed vEND\r\n | 10 s00");
    CHECK(answer(dump, "", "SERVER_ERROR ringmain: no\r\n") == "10 s86 vringmain: no");

    BinaryWaiting refused = waiting_of(0x7F);
    refused.refusal = BinaryStatus::UnknownCommand;
    CHECK(answer(refused, "", text_of(refused.refusal)) == "7f s81 vUnknown command");
}

TEST_CASE("binary: without memory a packet is refused") {
    Arena arena(1);
    Chain target(arena.pool);
    Block* taken = arena.pool.take();
    CHECK(!write_response(waiting_of(0x0A), nullptr, "MN\r\n", target, nullptr));
    arena.pool.release(taken);
}

}  // namespace
}  // namespace ringmain::memcached
