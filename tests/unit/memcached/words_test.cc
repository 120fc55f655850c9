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

// Texts of up to 18 letters of which two neighbours may be special: they are what a sum over eight
// bytes could mistake for it. And each place to begin at.
template <class Look>
void look_at_tricky_texts(Look look) {
    const std::string tricky = {
        '\0', '\x01', '\x1F', ' ', '!', '~', '\x7F', '\x80', '\x9F', '\xA0', '\xFF'};
    ringmain::test::GuardedPieces guarded(32);
    for (size_t size = 1; size <= 18; ++size) {
        for (size_t both = 0; both < size * tricky.size() * tricky.size(); ++both) {
            const size_t at = both % size;
            std::string text(size, 'k');
            text[at] = tricky[both / size % tricky.size()];
            if (at + 1 < size) text[at + 1] = tricky[both / size / tricky.size()];
            const std::string_view placed = guarded.place(text);
            for (size_t from = 0; from <= size; ++from) {
                look(placed, from);
            }
        }
    }
}

TEST_CASE("the first special byte is found wherever it is and whatever stands around it") {
    look_at_tricky_texts([](std::string_view text, size_t from) {
        if (find_special(text, from) == first_special(text, from)) return;
        CAPTURE(text);
        CAPTURE(from);
        CHECK(find_special(text, from) == first_special(text, from));
    });
}

TEST_CASE("each blank is found, and whether a control character is there, whatever stands around") {
    look_at_tricky_texts([](std::string_view text, size_t from) {
        std::vector<size_t> expected;
        bool has_control = false;
        for (size_t i = from; i < text.size(); ++i) {
            if (text[i] == ' ') expected.push_back(i);
            has_control = has_control || static_cast<unsigned char>(text[i]) < ' ';
        }
        std::vector<size_t> found;
        const bool is_broken =
            each_blank(text, from, [&](size_t place) { found.push_back(place); });
        if (found == expected && is_broken == has_control) return;
        CAPTURE(text);
        CAPTURE(from);
        CHECK(found == expected);
        CHECK(is_broken == has_control);
    });
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
