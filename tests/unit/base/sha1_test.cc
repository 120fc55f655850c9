#include "ringmain/base/sha1.h"

#include "tests/unit/base/counting.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain {
namespace {

TEST_CASE("sha1 gives the digests of its standard") {
    CHECK(sha1_hex("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(sha1_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    CHECK(sha1_hex(std::string(1'000'000, 'a')) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

// As coreutils' sha1sum says.
TEST_CASE("whatever the size, the length behind it has its place") {
    CHECK(sha1_hex("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    CHECK(sha1_hex(counting(1)) == "5ba93c9db0cff93f52b521d7420e43f6eda2784f");
    CHECK(sha1_hex(counting(55)) == "8ae2d46729cfe68ff927af5eec9c7d1b66d65ac2");
    CHECK(sha1_hex(counting(56)) == "636e2ec698dac903498e648bd2f3af641d3c88cb");
    CHECK(sha1_hex(counting(63)) == "6d942da0c4392b123528f2905c713a3ce28364bd");
    CHECK(sha1_hex(counting(64)) == "c6138d514ffa2135bfce0ed0b8fac65669917ec7");
    CHECK(sha1_hex(counting(65)) == "69bd728ad6e13cd76ff19751fde427b00e395746");
    CHECK(sha1_hex(counting(119)) == "41c89d06001bab4ab78736b44efe7ce18ce6ae08");
    CHECK(sha1_hex(counting(120)) == "d3dbd653bd8597b7475321b60a36891278e6a04a");
    CHECK(sha1_hex(counting(1000)) == "af0b191c2de46fe13fe0908f5a6a4e90e0cafc46");
}

}  // namespace
}  // namespace ringmain
