#include "ringmain/memcached/response_parser.h"

#include "tests/unit/memcached/story.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::memcached {
namespace {

std::string describe_response(const ResponseFrame& frame, std::string_view bytes) {
    switch (frame.kind) {
        case ResponseKind::Line:
            return "line " + test::without_line_end(bytes);
        case ResponseKind::Values:
            return "values " + std::to_string(frame.value_count) + " " +
                   std::string(test::cut_out(bytes, frame.first_key));
        case ResponseKind::Stats:
            return "stats";
        case ResponseKind::MetaValue:
            return "va";
        case ResponseKind::Error:
            return "error";
    }
    return {};
}

std::string response_story(std::string_view bytes) {
    return test::story_by(ResponseParser(), describe_response, bytes);
}

// Takes values singly, and the one of key "last" to the END.
class Singly {
  public:
    Fed feed(std::string_view bytes) {
        if (parser_.at_start()) parser_.take_values_singly(true);
        size_t before = 0;
        for (;;) {
            Fed fed = parser_.feed(bytes.substr(before));
            fed.consumed += before;
            if (fed.status == ParseStatus::Error) return fed;
            if (!parser_.in_single_value() || parser_.value_key() != "last") return fed;
            parser_.go_on_to_end();
            if (fed.status == ParseStatus::NeedMore || fed.consumed == bytes.size()) {
                return {.status = ParseStatus::NeedMore, .consumed = fed.consumed};
            }
            before = fed.consumed;
        }
    }

    [[nodiscard]] const ResponseFrame& frame() const { return parser_.frame(); }

    [[nodiscard]] std::string_view error() const { return parser_.error(); }

    void next() { parser_.next(); }

  private:
    ResponseParser parser_;
};

std::string singly(std::string_view bytes) {
    const auto describe_one = [](const ResponseFrame& frame, std::string_view frame_bytes) {
        return (frame.singly ? "" : "whole ") + describe_response(frame, frame_bytes);
    };
    return test::story_by(Singly(), describe_one, bytes);
}

// For long ones: not every cut.
std::string tell(const std::vector<std::string_view>& pieces) {
    ringmain::test::GuardedPieces guarded(1 << 17);
    test::Teller<ResponseParser> teller(ResponseParser(), guarded);
    for (const std::string_view piece : pieces)
        teller.feed(piece, describe_response);
    return teller.story();
}

TEST_CASE("a line is a response") {
    CHECK(response_story("STORED\r\nNOT_STORED\r\n") == "line STORED | line NOT_STORED");
    CHECK(response_story("VERSION 1.6.18\r\n") == "line VERSION 1.6.18");
    CHECK(response_story("0\r\n18446744073709551615\r\n") == "line 0 | line 18446744073709551615");
    CHECK(response_story("HD\r\nHD s1 c42 Oabc\r\nMN\r\n") ==
          "line HD | line HD s1 c42 Oabc | line MN");
    CHECK(response_story("ME k exp=-1 la=0\r\nEN\r\n") == "line ME k exp=-1 la=0 | line EN");
    CHECK(response_story("STORED\r") == "...");
}

TEST_CASE("values end with END, whatever their bytes look like") {
    CHECK(response_story("END\r\n") == "values 0 ");
    CHECK(response_story("VALUE k 0 1\r\nx\r\nEND\r\n") == "values 1 k");
    CHECK(response_story("VALUE k 4294967295 0 18446744073709551615\r\n\r\nEND\r\n") ==
          "values 1 k");
    // A server may be built to keep flags of 64 bits.
    CHECK(response_story("VALUE k 18446744073709551615 1\r\nx\r\nEND\r\n") == "values 1 k");
    CHECK(response_story("VALUE a 0 5\r\nEND\r\n\r\nVALUE b 1 18\r\nVALUE c 0 3\r\nabc\r\n\r\n"
                         "END\r\nSTORED\r\n") == "values 2 a | line STORED");
    CHECK(response_story("VALUE k 0 1\r\nx\r\n") == "...");
}

std::string behind_value(const std::string& bytes) {
    return "VALUE a 0 1\r\nx\r\n" + bytes;
}

TEST_CASE("values behind the first one are taken with all their bytes at once, or as they come") {
    for (const std::string& line : {std::string("b 0 0"),
                                    std::string("b 0 5 18446744073709551615"),
                                    std::string("b 0 5 9999999999999999999"),
                                    std::string("b 18446744073709551615 10"),
                                    std::string("b 4294967295 0000000007"),
                                    std::string("b\t\x7F 0 5"),
                                    std::string(250, 'k') + " 0 7"}) {
        CAPTURE(line);
        const auto digits = line.find(' ', line.find(' ') + 1) + 1;
        const std::string data =
            std::string("END\r\nVALUE ").substr(0, std::stoul(line.substr(digits)));
        const std::string value = "VALUE " + line + "\r\n" + data + "\r\n";
        CHECK(response_story(behind_value(value + value + "VALUE c 1 1\r\ny\r\nEND\r\nOK\r\n")) ==
              "values 4 a | line OK");
        CHECK(response_story(behind_value(value + "SERVER_ERROR x\r\n")) == "error");
        CHECK(response_story(behind_value(value)) == "...");
    }
}

TEST_CASE("the keys of all values are kept while their bytes are there") {
    const std::string bytes = behind_value("VALUE bb 0 1\r\ny\r\nVALUE c 0 1\r\nz\r\nEND\r\n");
    ringmain::test::for_each_split(bytes, [&](std::string_view head, std::string_view tail) {
        CAPTURE(head);
        ResponseParser parser;
        parser.keep_keys(true);
        std::string keys;
        for (const std::string_view piece : {head, tail}) {
            static_cast<void>(parser.feed(piece));
            for (const std::string_view key : parser.kept_keys())
                keys.append(key).append(" ");
            parser.forget_kept_keys();
        }
        CHECK(keys == "a bb c ");
    });
}

TEST_CASE("taken singly, each value is a frame and END another") {
    CHECK(singly("VALUE a 0 5\r\nEND\r\n\r\nVALUE bb 1 0 77\r\n\r\nEND\r\n") ==
          "values 1 a | values 1 bb | values 0 ");
    CHECK(singly("END\r\nEND\r\n") == "values 0  | values 0 ");
    CHECK(singly("VALUE a 0 21\r\nVALUE b 0 1\r\nx\r\nEND\r\n\r\nEND\r\n") ==
          "values 1 a | values 0 ");
    CHECK(singly("VALUE a 0 1\r\nx\r\nVALUE") == "values 1 a | ...");
    CHECK(singly("VALUE a 0 1\r\nx\r\nSERVER_ERROR x\r\n") == "values 1 a | error");
    CHECK(singly("STORED\r\n") == "line STORED");
}

TEST_CASE("a single value can be taken to the END after all") {
    CHECK(singly("VALUE a 0 1\r\nx\r\nVALUE last 0 1\r\nx\r\nEND\r\nEND\r\n") ==
          "values 1 a | whole values 1 last | values 0 ");
    CHECK(singly("VALUE last 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\nEND\r\n") == "whole values 2 last");
    CHECK(singly("VALUE last 0 1\r\nx\r\nSERVER_ERROR x\r\n") == "whole error");
    CHECK(singly("VALUE last 0 1\r\nx\r\n") == "...");
    CHECK(singly("VALUE last 0 1\r\nx\r\nSTORED\r\n") ==
          "closed: a line that does not belong here");
}

TEST_CASE("the key of a single value is known with its line") {
    ResponseParser parser;
    parser.take_values_singly(true);
    CHECK(parser.feed("VALUE some").status == ParseStatus::NeedMore);
    CHECK(!parser.in_single_value());
    CHECK(parser.feed("key 0 100\r\n").status == ParseStatus::NeedMore);
    CHECK(parser.in_single_value());
    CHECK(parser.value_key() == "somekey");
    CHECK(parser.feed(std::string(100, 'x')).status == ParseStatus::NeedMore);
    CHECK(parser.feed("\r\n").status == ParseStatus::Complete);
    CHECK(parser.value_key() == "somekey");
    parser.next();
    CHECK(!parser.frame().singly);
    CHECK(!parser.in_single_value());
}

TEST_CASE("an error may come instead of a value or of END") {
    CHECK(response_story("ERROR\r\nCLIENT_ERROR x\r\nSERVER_ERROR\r\n") == "error | error | error");
    CHECK(response_story("ERROR: shutdown not enabled\r\n") == "error");
    CHECK(response_story("VALUE k 0 1\r\nx\r\nSERVER_ERROR out of memory\r\nEND\r\n") ==
          "error | values 0 ");
    CHECK(response_story("STAT a 1\r\nSERVER_ERROR x\r\n") == "error");
}

TEST_CASE("no line of a response has a byte in it that ends it for somebody else") {
    for (const std::string& byte : {std::string("\r"), std::string(1, '\0')}) {
        for (const std::string line : {"SERVER_ERROR a",
                                       "ERROR",
                                       "STAT a 1\r\nSTAT b",
                                       "STAT a 1\r\nERROR a",
                                       "VALUE k 0 1\r\nx\r\nSERVER_ERROR a",
                                       "VERSION 1.6.1"}) {
            CAPTURE(line);
            const std::string end = "\r\n1\r\nEND\r\n";
            CHECK(response_story(line + byte + "b" + end) ==
                  "closed: a line with a CR or a NUL in it");
            CHECK(response_story(line + byte + end) == "closed: a line with a CR or a NUL in it");
        }
    }
    // Those of clients' keys are no server's mistake.
    CHECK(response_story("PREFIX a\rb get 1\r\nEND\r\n") == "stats");
    CHECK(response_story("HD ka\rb\r\nME a\rb\r\nVA 1 ka\rb\r\nx\r\n") ==
          "line HD ka\rb | line ME a\rb | va");
}

TEST_CASE("stats end with END") {
    CHECK(response_story("STAT pid 1\r\nSTAT version 1.6.18\r\nEND\r\n") == "stats");
    CHECK(response_story("ITEM k [1 b; 0 s]\r\nEND\r\nRESET\r\n") == "stats | line RESET");
    CHECK(response_story("PREFIX a get 1\r\nEND\r\n") == "stats");
}

TEST_CASE("a meta response may name its key") {
    const auto key_in = [](std::string_view text) {
        ResponseParser parser;
        CHECK(parser.feed(text).status == ParseStatus::Complete);
        const ByteRange key = parser.frame().first_key;
        return std::string(text.substr(key.offset, key.size));
    };
    CHECK(key_in("VA 1 s1 kfoo O1\r\nx\r\n") == "foo");
    CHECK(key_in("HD kfoo\r\n") == "foo");
    CHECK(key_in("EN\r\n").empty());
    CHECK(key_in("HD O1 s2\r\n").empty());
    CHECK(key_in("STORED\r\n").empty());
}

TEST_CASE("VA has a data block") {
    CHECK(response_story("VA 1\r\n7\r\nHD\r\n") == "va | line HD");
    CHECK(response_story("VA 4 s4 t-1 kfoo O1\r\nEN\r\n\r\n") == "va");
    CHECK(response_story("VA 0\r\n\r\n") == "va");
}

TEST_CASE("the frame says how it begins") {
    ResponseParser parser;
    CHECK(parser.at_start());
    CHECK(parser.feed("VALUE key 0 2\r\nhi\r\nEND\r\n").status == ParseStatus::Complete);
    CHECK(parser.frame().code == ('V' << 8 | 'A'));
    CHECK(!parser.at_start());
    parser.next();
    CHECK(parser.at_start());
    CHECK(parser.feed("END\r\n").status == ParseStatus::Complete);
    parser.next();
    CHECK(parser.feed("5").status == ParseStatus::NeedMore);
    CHECK(!parser.at_start());
    CHECK(parser.feed("\r\n").status == ParseStatus::Complete);
    CHECK(parser.frame().code == ('5' << 8));
}

TEST_CASE("values may be more than 4 GiB together") {
    ResponseParser parser;
    const std::string value(1 << 20, 'v');
    const std::string head = "VALUE k 0 " + std::to_string(value.size()) + "\r\n";
    uint64_t size = 0;
    const auto feed = [&](std::string_view bytes) {
        const Fed fed = parser.feed(bytes);
        size += fed.consumed;
        return fed.consumed == bytes.size() && fed.status == ParseStatus::NeedMore;
    };
    constexpr uint32_t count = 4200;
    bool is_taken = true;
    for (uint32_t i = 0; i < count; ++i) {
        is_taken = is_taken && feed(head) && feed(value) && feed("\r\n");
    }
    CHECK(is_taken);
    CHECK(parser.feed("END\r\n").status == ParseStatus::Complete);
    CHECK(parser.frame().value_count == count);
    CHECK(parser.frame().size == size + 5);
}

TEST_CASE("what memcached would not send is an error") {
    for (const char* bytes : {
             "\r\n",
             "\n",
             "STORED\n",
             "hello\r\n",
             " STORED\r\n",
             "-1\r\n",
             "1x\r\n",
             "18446744073709551616\r\n",
             "VALUE\tk 0 1\r\n\n",
             "VALUE  k 0 1\r\n",
             "VALUE k 0 1 \r\n",
             "VALUE k 0\r\n",
             "VALUE k 0 1 2 3\r\n",
             "VALUE k x 1\r\n",
             "VALUE k 18446744073709551616 1\r\n",
             "VALUE k 0 x\r\n",
             "VALUE k 0 -1\r\n",
             "VALUE k 0 4294967303\r\n",
             "VALUE k 0 18446744073709551623\r\n",
             "VALUE k 0 1 18446744073709551616\r\n",
             "VALUE k\r 0 1\r\n",
             "VALUE k 0 1\r\nxy\r\n",
             "VALUE k 0 1\r\nx\n",
             "VALUE k 0 1\r\nx\r\nSTORED\r\n",
             "VALUE k 0 1\r\nx\r\nSTAT a b\r\n",
             "VALUE k 0 1\r\nx\r\nEND \r\n",
             "STAT a b\r\nVALUE k 0 1\r\n",
             "STAT a b\r\nOK\r\n",
             "VA x\r\n",
             "VA \r\n",
             "VA 18446744073709551617\r\n",
             "VA 1\r\nxy\r\n",
         }) {
        CAPTURE(bytes);
        CHECK(response_story(bytes).starts_with("closed: "));
        CHECK(response_story(behind_value(bytes)).starts_with("closed: "));
    }
    const std::string long_key = "VALUE " + std::string(251, 'k') + " 0 1\r\nx\r\n";
    CHECK(response_story(long_key).starts_with("closed: "));
    CHECK(response_story(behind_value(long_key)).starts_with("closed: "));
}

TEST_CASE("a line has a limit, an error line a longer one") {
    CHECK(tell({"HD " + std::string(8000, 'x') + "\r\n"}).starts_with("line "));
    CHECK(tell({"HD " + std::string(9000, 'x') + "\r\n"}).starts_with("closed: "));
    CHECK(tell({"HD " + std::string(9000, 'x')}).starts_with("closed: "));
    CHECK(tell({"STAT x " + std::string(8000, 'x') + "\r\nEND\r\n"}) == "stats");
    CHECK(tell({"VA 1 " + std::string(2100, 'x') + "\r\n1\r\n"}).starts_with("closed: "));

    const std::string error = "SERVER_ERROR " + std::string(60000, 'x') + "\r\n";
    CHECK(tell({error}) == "error");
    const std::string_view rest = std::string_view(error).substr(4);
    CHECK(tell({"SERV", rest.substr(0, 30000), rest.substr(30000)}) == "error");
    const std::string too_long = "SERVER_ERROR " + std::string(66000, 'x');
    CHECK(tell({too_long}).starts_with("closed: "));
    CHECK(tell({too_long + "\r\n"}).starts_with("closed: "));
}

}  // namespace
}  // namespace ringmain::memcached
