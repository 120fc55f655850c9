#include "ringmain/resp/command_info.h"

#include "ringmain/resp/commands.h"

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "golden.h"
#include <doctest/doctest.h>

namespace ringmain::resp {

namespace {

// What the words behind COMMAND are answered.
std::string ask(const std::vector<std::string>& words, Version version = Version::Resp2) {
    std::vector<std::string_view> arguments = {"COMMAND"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Command* command = find_command("command");
    if (!words.empty()) command = find_subcommand(*command, words[0]);
    REQUIRE(command != nullptr);
    REQUIRE(arity_fits(*command, static_cast<uint32_t>(arguments.size())));
    std::string out = "before";
    answer_command(out, *command, arguments, version);
    REQUIRE(out.starts_with("before"));
    return out.substr(6);
}

std::string ask(std::string_view words, Version version = Version::Resp2) {
    return ask(test::words_of(words), version);
}

std::string digest(std::string_view text) {
    uint64_t value = 0xCBF29CE484222325;
    for (const char byte : text) {
        value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
    }
    char hex[17];
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(value));
    return hex;
}

// An array of what was recorded as words between blanks.
std::string array_of(const std::string& words) {
    if (words.empty()) return "*0\r\n";
    const std::vector<std::string> parts = test::words_of(words);
    std::string text;
    write_array_header(text, parts.size());
    for (const std::string& part : parts) {
        write_bulk(text, part);
    }
    return text;
}

std::string array_with_flags(const std::string& words, const std::string& flags) {
    if (words.empty()) return "*0\r\n";
    const std::vector<std::string> parts = test::words_of(words);
    const std::vector<std::string> flags_of = test::split(flags, ' ');
    REQUIRE(parts.size() == flags_of.size());
    std::string text;
    write_array_header(text, parts.size());
    for (size_t i = 0; i < parts.size(); ++i) {
        write_array_header(text, 2);
        write_bulk(text, parts[i]);
        const std::vector<std::string> names = test::split(flags_of[i], ',');
        write_set_header(text, names.size(), Version::Resp3);
        for (const std::string& name : names) {
            write_simple(text, name);
        }
    }
    return text;
}

constexpr std::string_view too_large_error =
    "-ERR ringmain: the response would be larger than 1 MiB, ask for less at once\r\n";

}  // namespace

TEST_CASE("COMMAND INFO and COMMAND DOCS of one name are redis-server's, byte for byte") {
    const auto rows = test::golden_rows("command_info.tsv");
    CHECK(rows.size() == 366);
    for (const std::vector<std::string>& row : rows) {
        CAPTURE(row[0]);
        REQUIRE(row.size() == 5);
        CHECK(digest(ask({"INFO", row[0]}, Version::Resp2)) == row[1]);
        CHECK(digest(ask({"INFO", row[0]}, Version::Resp3)) == row[2]);
        CHECK(digest(ask({"DOCS", row[0]}, Version::Resp2)) == row[3]);
        CHECK(digest(ask({"DOCS", row[0]}, Version::Resp3)) == row[4]);
    }
}

TEST_CASE("COMMAND INFO in clear text") {
    CHECK(
        ask("INFO GET") ==
        "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
        "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n"
        "+access\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n"
        "$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n"
        "*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n");
}

TEST_CASE("unknown and hidden names have no information and no documentation") {
    CHECK(ask("INFO nosuch client|setinfo waitaof") == "*3\r\n$-1\r\n$-1\r\n$-1\r\n");
    CHECK(ask("INFO nosuch", Version::Resp3) == "*1\r\n_\r\n");
    CHECK(ask("DOCS nosuch client|no-touch") == "*0\r\n");
    CHECK(ask("DOCS nosuch", Version::Resp3) == "%0\r\n");
}

TEST_CASE("several names are answered in their order") {
    const std::string get = ask("INFO get").substr(4);
    const std::string set = ask("INFO set").substr(4);
    CHECK(ask("INFO set nosuch get") == "*3\r\n" + set + "$-1\r\n" + get);
    const std::string get_docs = ask("DOCS get").substr(4);
    const std::string set_docs = ask("DOCS set").substr(4);
    CHECK(ask("DOCS set nosuch get") == "*4\r\n" + set_docs + get_docs);
}

TEST_CASE("without names, all commands are told") {
    std::string infos = "*240\r\n";
    std::string docs = "%240\r\n";
    for (const Command& command : commands()) {
        if (command.hidden) continue;
        const std::string name(command.name);
        infos += ask({"INFO", name}, Version::Resp3).substr(4);
        docs += ask({"DOCS", name}, Version::Resp3).substr(4);
    }
    CHECK(ask(std::vector<std::string>{}, Version::Resp3) == infos);
    CHECK(ask("INFO", Version::Resp3) == infos);
    CHECK(ask("DOCS", Version::Resp3) == docs);
    CHECK(infos.size() == 90181);
    CHECK(docs.size() == 171916);
}

TEST_CASE("what asks for all commands is written once") {
    const Command* command = find_command("command");
    const auto of_all = [command](std::string_view word, size_t arguments, Version version) {
        const Command* row = word.empty() ? command : find_subcommand(*command, word);
        return answer_of_all(*row, arguments, version);
    };
    for (const Version version : {Version::Resp2, Version::Resp3}) {
        CHECK(of_all("", 1, version) == ask(std::vector<std::string>{}, version));
        CHECK(of_all("info", 2, version) == ask("info", version));
        CHECK(of_all("docs", 2, version) == ask("docs", version));
        CHECK(of_all("docs", 2, version).data() == of_all("docs", 2, version).data());
    }
    CHECK(of_all("docs", 3, Version::Resp2).empty());
    CHECK(of_all("info", 3, Version::Resp2).empty());
    CHECK(of_all("count", 2, Version::Resp2).empty());
}

TEST_CASE("COMMAND COUNT counts what COMMAND tells") {
    CHECK(ask("COUNT") == ":240\r\n");
}

TEST_CASE("a name asked for again and again does not make a response of any size") {
    std::vector<std::string> words(100'000, "client");
    words[0] = "DOCS";
    CHECK(ask(words) == too_large_error);
    words[0] = "INFO";
    CHECK(ask(words) == too_large_error);
    words[0] = "GETKEYSANDFLAGS";
    words[1] = "del";
    CHECK(ask(words) == too_large_error);
}

TEST_CASE("COMMAND LIST tells all names, or those that pass a filter") {
    CHECK(ask("LIST").starts_with("*366\r\n$3\r\nacl\r\n$7\r\nacl|cat\r\n"));
    CHECK(ask("LIST FILTERBY ACLCAT geo") ==
          "*10\r\n$6\r\ngeoadd\r\n$7\r\ngeodist\r\n$7\r\ngeohash\r\n$6\r\ngeopos\r\n"
          "$9\r\ngeoradius\r\n$12\r\ngeoradius_ro\r\n$17\r\ngeoradiusbymember\r\n"
          "$20\r\ngeoradiusbymember_ro\r\n$9\r\ngeosearch\r\n$14\r\ngeosearchstore\r\n");
    CHECK(ask("LIST FILTERBY ACLCAT nosuch") == "*0\r\n");
    CHECK(ask("LIST filterby pattern XGROUP|C*") ==
          "*2\r\n$13\r\nxgroup|create\r\n$21\r\nxgroup|createconsumer\r\n");
    CHECK(ask("LIST FILTERBY PATTERN client*").starts_with("*17\r\n"));
    CHECK(ask("LIST FILTERBY PATTERN waitaof") == "*0\r\n");
    CHECK(ask("LIST FILTERBY MODULE json") == "*0\r\n");
}

TEST_CASE("COMMAND LIST refuses what is no filter") {
    for (const std::string_view words : {"LIST x",
                                         "LIST FILTERBY",
                                         "LIST FILTERBY ACLCAT",
                                         "LIST FILTERBY ACLCAT geo x",
                                         "LIST FILTERBY NOSUCH x"}) {
        CAPTURE(words);
        CHECK(ask(words) == "-ERR syntax error\r\n");
    }
    CHECK(ask({"LIST", "FILTERBY", "PATTERN", std::string(513, '*')}) ==
          "-ERR ringmain: a pattern for command names has at most 512 bytes\r\n");
    CHECK(ask({"LIST", "FILTERBY", "PATTERN", std::string(512, '*')}).starts_with("*366\r\n"));
}

TEST_CASE("COMMAND GETKEYS and GETKEYSANDFLAGS answer as redis-server") {
    const auto rows = test::golden_rows("getkeys.tsv");
    CHECK(rows.size() > 700);
    for (const std::vector<std::string>& row : rows) {
        CAPTURE(row[0]);
        REQUIRE(row.size() == 3);
        std::vector<std::string> words = test::words_of(row[0]);
        words.insert(words.begin(), "GETKEYS");
        const bool is_error = row[1].starts_with("-");
        CHECK(ask(words, Version::Resp3) == (is_error ? row[1] + "\r\n" : array_of(row[1])));
        words[0] = "GETKEYSANDFLAGS";
        CHECK(ask(words, Version::Resp3) ==
              (is_error ? row[2] + "\r\n" : array_with_flags(row[1], row[2])));
    }
}

// What redis-server 7.0.15 says of them, which is not always what it would write.
TEST_CASE("COMMAND GETKEYS tells of a word that is there twice what redis-server tells") {
    for (const auto& [line, keys] : std::vector<std::pair<std::string, std::string>>{
             {"GEORADIUS k 1 2 3 m STORE a STORE b", "k a"},
             {"GEORADIUS k 1 2 3 m STORE a STOREDIST b", "k a b"},
             {"GEORADIUS k 1 2 3 m STOREDIST a STORE b", "k b a"},
             {"GEORADIUS k 1 2 3 m STOREDIST STORE b", "k b STORE"},
             {"GEORADIUS k 1 2 3 m STORE STOREDIST STOREDIST b", "k STOREDIST STOREDIST"},
             {"GEORADIUS k 1 2 3 m STORE a STORE", "k a"},
             {"GEORADIUSBYMEMBER k m 3 m COUNT STORE STORE b", "k STORE"},
             {"SORT k STORE a STORE b", "k b"},
             {"SORT k BY STORE STORE b", "k b"},
             {"SORT k STORE by STORE x", "k by"},
             {"SORT k STORE STORE b", "k b"},
             {"XREAD COUNT STREAMS STREAMS a b 0 0", "STREAMS a"},
             {"XREADGROUP GROUP g STREAMS STREAMS a >", "a"}}) {
        const auto request = line;  // a structured binding is not captured
        CAPTURE(request);
        std::vector<std::string> words = test::words_of(request);
        words.insert(words.begin(), "GETKEYS");
        CHECK(ask(words, Version::Resp3) == array_of(keys));
    }
}

TEST_CASE("flags are an array in RESP2") {
    CHECK(ask("GETKEYSANDFLAGS set a b") == "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
}

TEST_CASE("COMMAND HELP has redis-server's lines") {
    const std::string help = ask("HELP");
    CHECK(digest(help) == "cbf93edacfd4fa8e");
}

}  // namespace ringmain::resp
