#include "ringmain/uring/completion.h"

#include <array>

#include <doctest/doctest.h>

namespace ringmain::uring {

TEST_CASE("user data comes back as it was packed") {
    for (const uint8_t kind : std::array<uint8_t, 4>{0, 1, 0x7F, 0xFF}) {
        for (const uint32_t generation : {0U, 1U, 0x800000U, 0xFFFFFFU}) {
            for (const uint32_t index : {0U, 1U, 0x80000000U, 0xFFFFFFFFU}) {
                const UserData data = {.kind = kind, .generation = generation, .index = index};
                CHECK(UserData::unpack(data.pack()) == data);
            }
        }
    }
}

TEST_CASE("the fields of user data do not touch each other") {
    CHECK(UserData{.kind = 0xFF}.pack() == 0xFF00'0000'0000'0000U);
    CHECK(UserData{.generation = 0xFFFFFF}.pack() == 0x00FF'FFFF'0000'0000U);
    CHECK(UserData{.index = 0xFFFFFFFF}.pack() == 0x0000'0000'FFFF'FFFFU);
}

TEST_CASE("a buffer flag without bytes is a buffer only where the kernel has used it up") {
    for (const bool recycles : {false, true}) {
        CAPTURE(recycles);
        const Completion with = Completion::of(7, 5, 0x0009'0003, recycles);
        CHECK(with.user_data.index == 7);
        CHECK(with.has_buffer());
        CHECK(with.buffer() == 9);
        CHECK(with.more());
        const Completion empty = Completion::of(7, 0, 0x0009'0001, recycles);
        CHECK(empty.has_buffer() == !recycles);
        CHECK_FALSE(empty.more());
        const Completion failed = Completion::of(7, -104, 0x0009'0001, recycles);
        CHECK(failed.has_buffer() == !recycles);
        CHECK(failed.result == -104);
    }
}

}  // namespace ringmain::uring
