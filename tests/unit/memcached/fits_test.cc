#include "ringmain/memcached/forward.h"

#include <initializer_list>

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

ResponseFrame frame_of(std::string_view bytes) {
    ResponseParser parser;
    const Fed fed = parser.feed(bytes);
    REQUIRE(fed.status == ParseStatus::Complete);
    REQUIRE(fed.consumed == bytes.size());
    return parser.frame();
}

constexpr const char* responses[] = {
    "STORED\r\n",
    "NOT_STORED\r\n",
    "EXISTS\r\n",
    "NOT_FOUND\r\n",
    "TOUCHED\r\n",
    "DELETED\r\n",
    "OK\r\n",
    "OK \r\n",
    "RESET\r\n",
    "VERSION 1.6.18\r\n",
    "0\r\n",
    "END\r\n",
    "VALUE k 0 1\r\nx\r\nEND\r\n",
    "STAT a b\r\nEND\r\n",
    "VA 1\r\nx\r\n",
    "HD\r\n",
    "HD t-1\r\n",
    "EN\r\n",
    "NS\r\n",
    "EX\r\n",
    "NF\r\n",
    "MN\r\n",
    "ME k exp=-1\r\n",
    "HELLO\r\n",
};

// Every response above that is not in the list must not fit.
void check_fits(Verb verb, std::initializer_list<std::string_view> fitting) {
    for (const std::string_view response : responses) {
        bool is_listed = false;
        for (const std::string_view text : fitting)
            is_listed = is_listed || text == response;
        CAPTURE(response);
        CHECK(fits(verb, frame_of(response)) == is_listed);
    }
    CHECK(fits(verb, frame_of("SERVER_ERROR out of memory\r\n")));
}

TEST_CASE("only what a server may say to a request fits it") {
    for (const Verb verb : {Verb::Get, Verb::Gets, Verb::Gat, Verb::Gats}) {
        check_fits(verb, {"END\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n"});
    }
    for (const Verb verb : {Verb::Set, Verb::Add, Verb::Replace, Verb::Append, Verb::Prepend}) {
        check_fits(verb, {"STORED\r\n", "NOT_STORED\r\n"});
    }
    check_fits(Verb::Cas, {"STORED\r\n", "NOT_STORED\r\n", "EXISTS\r\n", "NOT_FOUND\r\n"});
    check_fits(Verb::Incr, {"0\r\n", "NOT_FOUND\r\n"});
    check_fits(Verb::Decr, {"0\r\n", "NOT_FOUND\r\n"});
    check_fits(Verb::Touch, {"TOUCHED\r\n", "NOT_FOUND\r\n"});
    check_fits(Verb::Delete, {"DELETED\r\n", "NOT_FOUND\r\n"});
    check_fits(Verb::FlushAll, {"OK\r\n"});
    check_fits(Verb::Verbosity, {"OK\r\n"});
    check_fits(Verb::Version, {"VERSION 1.6.18\r\n"});
    check_fits(Verb::Stats, {"STAT a b\r\nEND\r\n", "END\r\n", "RESET\r\n", "OK\r\n"});
    // OK: of memcached before 1.6.10.
    check_fits(Verb::MetaGet,
               {"VA 1\r\nx\r\n", "HD\r\n", "HD t-1\r\n", "EN\r\n", "OK\r\n", "OK \r\n"});
    check_fits(Verb::MetaSet,
               {"HD\r\n", "HD t-1\r\n", "NS\r\n", "EX\r\n", "NF\r\n", "OK\r\n", "OK \r\n"});
    check_fits(Verb::MetaDelete, {"HD\r\n", "HD t-1\r\n", "EX\r\n", "NF\r\n", "OK\r\n", "OK \r\n"});
    check_fits(Verb::MetaArithmetic,
               {"VA 1\r\nx\r\n",
                "HD\r\n",
                "HD t-1\r\n",
                "NS\r\n",
                "EX\r\n",
                "NF\r\n",
                "OK\r\n",
                "OK \r\n"});
    check_fits(Verb::MetaDebug, {"ME k exp=-1\r\n", "EN\r\n"});
    check_fits(Verb::MetaNoop, {"MN\r\n"});
}

TEST_CASE("an error behind values or figures fits what may have such an answer") {
    const ResponseFrame of_values = frame_of("VALUE k 0 1\r\nx\r\nSERVER_ERROR x\r\n");
    const ResponseFrame of_stats = frame_of("STAT a b\r\nSERVER_ERROR x\r\n");
    for (auto verb = Verb::Get; verb != Verb::Invalid; verb = static_cast<Verb>(int(verb) + 1)) {
        CAPTURE(int(verb));
        CHECK(fits(verb, of_values) == (verb <= Verb::Gats));
        CHECK(fits(verb, of_stats) == (verb == Verb::Stats));
    }
}

TEST_CASE("nothing fits what was never sent") {
    CHECK(!fits(Verb::Quit, frame_of("ERROR\r\n")));
    CHECK(!fits(Verb::Invalid, frame_of("ERROR\r\n")));
    CHECK(!fits(Verb::Invalid, frame_of("STORED\r\n")));
}

TEST_CASE("noreply silences everything") {
    CHECK(!is_shown(Verb::Set, true, false, frame_of("STORED\r\n")));
    CHECK(!is_shown(Verb::Set, true, false, frame_of("SERVER_ERROR x\r\n")));
    CHECK(is_shown(Verb::Set, false, false, frame_of("STORED\r\n")));
}

TEST_CASE("q silences what a client expects anyway") {
    const auto shown = [](Verb verb, std::string_view response) {
        CHECK(is_shown(verb, false, false, frame_of(response)));
        return is_shown(verb, false, true, frame_of(response));
    };
    CHECK(!shown(Verb::MetaGet, "EN\r\n"));
    CHECK(!shown(Verb::MetaGet, "EN kfoo O1\r\n"));
    CHECK(shown(Verb::MetaGet, "HD\r\n"));
    CHECK(shown(Verb::MetaGet, "VA 1\r\nx\r\n"));
    CHECK(!shown(Verb::MetaSet, "HD\r\n"));
    CHECK(shown(Verb::MetaSet, "NS\r\n"));
    CHECK(shown(Verb::MetaSet, "EX\r\n"));
    CHECK(shown(Verb::MetaSet, "NF\r\n"));
    CHECK(!shown(Verb::MetaDelete, "HD O1\r\n"));
    CHECK(!shown(Verb::MetaDelete, "OK \r\n"));
    CHECK(shown(Verb::MetaDelete, "NF\r\n"));
    CHECK(shown(Verb::MetaDelete, "EX\r\n"));
    CHECK(!shown(Verb::MetaArithmetic, "HD\r\n"));
    CHECK(!shown(Verb::MetaArithmetic, "VA 1\r\n5\r\n"));
    CHECK(shown(Verb::MetaArithmetic, "NF\r\n"));
    CHECK(shown(Verb::MetaArithmetic, "EX\r\n"));
    for (const Verb verb : {Verb::MetaGet, Verb::MetaSet, Verb::MetaDelete, Verb::MetaArithmetic}) {
        CHECK(shown(verb, "CLIENT_ERROR invalid flag\r\n"));
        CHECK(shown(verb, "SERVER_ERROR out of memory\r\n"));
    }
}

TEST_CASE("a request frame carries its own wish for silence") {
    const RequestLimits limits;
    RequestParser parser(limits);
    REQUIRE(parser.feed("mg k q\r\n").status == ParseStatus::Complete);
    CHECK(!is_shown(parser.frame(), frame_of("EN\r\n")));
    CHECK(is_shown(parser.frame(), frame_of("HD\r\n")));
}

}  // namespace
}  // namespace ringmain::memcached
