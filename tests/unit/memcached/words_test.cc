#include "src/memcached/words.h"

#include "tests/guard_page.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

size_t first_special(std::string_view text, size_t from) {
    while (from < text.size() && !is_special(text[from])) {
        from += 1;
    }
    return from;
}

// Neighbours of what is special are what a sum over eight bytes could mistake for it.
TEST_CASE("the first special byte is found wherever it is and whatever stands around it") {
    const std::string tricky = {
        '\0', '\x01', '\x1F', ' ', '!', '~', '\x7F', '\x80', '\xA0', '\xFF'};
    for (size_t size = 0; size <= 18; ++size) {
        for (size_t at = 0; at < size; ++at) {
            for (const char byte : tricky) {
                for (const char behind : tricky) {
                    std::string text(size, 'k');
                    text[at] = byte;
                    if (at + 1 < size) text[at + 1] = behind;
                    for (size_t from = 0; from <= size; ++from) {
                        if (find_special(text, from) != first_special(text, from)) {
                            CAPTURE(text);
                            CAPTURE(from);
                            CHECK(find_special(text, from) == first_special(text, from));
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE("each blank is found, and whether a control character is there, whatever stands around") {
    using Places = std::vector<size_t>;
    const std::string tricky = {
        '\0', '\x01', '\x1F', ' ', '!', '~', '\x7F', '\x80', '\x9F', '\xA0', '\xFF'};
    ringmain::test::GuardedPieces guarded(32);
    for (size_t size = 1; size <= 18; ++size) {
        for (size_t at = 0; at < size; ++at) {
            for (const char byte : tricky) {
                for (const char behind : tricky) {
                    std::string text(size, 'k');
                    text[at] = byte;
                    if (at + 1 < size) text[at + 1] = behind;
                    const std::string_view placed = guarded.place(text);
                    for (size_t from = 0; from <= size; ++from) {
                        Places expected;
                        bool has_control = false;
                        for (size_t i = from; i < size; ++i) {
                            if (text[i] == ' ') expected.push_back(i);
                            has_control = has_control || static_cast<unsigned char>(text[i]) < ' ';
                        }
                        Places found;
                        const bool is_broken =
                            each_blank(placed, from, [&](size_t place) { found.push_back(place); });
                        if (found != expected || is_broken != has_control) {
                            CAPTURE(text);
                            CAPTURE(from);
                            CHECK(found == expected);
                            CHECK(is_broken == has_control);
                        }
                    }
                }
            }
        }
    }
    size_t count = 0;
    CHECK_FALSE(each_blank(std::string(100, ' '), 3, [&](size_t place) {
        CHECK(place == 3 + count);
        count += 1;
    }));
    CHECK(count == 97);
}

TEST_CASE("words are parted by blanks only, and what may end a line is remembered") {
    Words words("get  a\tb c");
    CHECK(words.next() == "get");
    CHECK(words.is_regular());
    CHECK(words.next() == "a\tb");
    CHECK_FALSE(words.is_regular());
    CHECK_FALSE(words.has_break());
    CHECK(words.next() == "c");
    CHECK(words.next().empty());
    CHECK(words.next().empty());
    for (const char byte : {'\0', '\r', '\n'}) {
        const std::string line = std::string("get a\t") + byte + "b c";
        Words broken(line);
        CHECK(broken.next() == "get");
        CHECK_FALSE(broken.has_break());
        CHECK(broken.next().size() == 4);
        CHECK(broken.has_break());
    }
}

}  // namespace
}  // namespace ringmain::memcached
