#include "ringmain/base/siphash.h"

#include "tests/unit/base/counting.h"

#include <doctest/doctest.h>

namespace ringmain {
namespace {

TEST_CASE("siphash 2-4 gives the vectors of its paper") {
    const SipKey key = {.low = 0x0706050403020100U, .high = 0x0F0E0D0C0B0A0908U};
    CHECK(siphash24(key, "") == 0x726FDB47DD0E0E31U);
    CHECK(siphash24(key, counting(1)) == 0x74F839C593DC67FDU);
    CHECK(siphash24(key, counting(15)) == 0xA129CA6149BE45E5U);
}

// As CPython 3.11 hashes bytes with PYTHONHASHSEED=0.
TEST_CASE("siphash 1-3 gives what others give") {
    CHECK(siphash13({}, counting(1)) == 0x68A914128E01E473U);
    CHECK(siphash13({}, counting(7)) == 0x2F098AB0C751325AU);
    CHECK(siphash13({}, counting(8)) == 0xEAD411E67EBE2EEAU);
    CHECK(siphash13({}, counting(9)) == 0x75927F9D95124362U);
    CHECK(siphash13({}, counting(15)) == 0xF30EB725BB91C9EAU);
    CHECK(siphash13({}, counting(16)) == 0x8972188433A5C5B7U);
    CHECK(siphash13({}, counting(63)) == 0x385D3E39E5F37359U);
}

TEST_CASE("the key matters") {
    CHECK(siphash13({.low = 1, .high = 0}, "a") != siphash13({}, "a"));
    CHECK(siphash13({.low = 0, .high = 1}, "a") != siphash13({}, "a"));
}

}  // namespace
}  // namespace ringmain
