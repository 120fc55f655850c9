#include "ringmain/resp/commands.h"

#include "ringmain/base/ascii.h"
#include "ringmain/buffer/bytes.h"
#include "tests/split.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "golden.h"
#include <doctest/doctest.h>

namespace ringmain::resp {

namespace {

std::string with_case(std::string_view name, bool (*is_upper)(size_t)) {
    std::string text(name);
    for (size_t i = 0; i < text.size(); ++i) {
        if (is_upper(i)) text[i] = ascii::upper(text[i]);
    }
    return text;
}

// What find_command must agree with: a search through all names.
const Command* find_slowly(std::string_view name) {
    static const auto rows = [] {
        std::map<std::string, const Command*, std::less<>> map;
        for (const Command& command : commands()) {
            map.emplace(command.name, &command);
        }
        return map;
    }();
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(), [](char byte) { return ascii::lower(byte); });
    const auto found = rows.find(lower);
    return found == rows.end() ? nullptr : found->second;
}

const Command& row(std::string_view full_name) {
    const Command* command = find_by_full_name(full_name);
    REQUIRE_MESSAGE(command != nullptr, full_name);
    return *command;
}

// The row that a request is judged by, and its keys as text: "a b", "none", "invalid".
std::string keys_of(const std::vector<std::string>& request) {
    const std::vector<std::string_view> views(request.begin(), request.end());
    const Command* command = find_command(views[0]);
    REQUIRE(command != nullptr);
    if (views.size() > 1) command = find_subcommand(*command, views[1]);
    REQUIRE(command != nullptr);
    std::vector<uint32_t> positions;
    switch (find_keys(*command, views, positions)) {
        case KeySearch::None:
            CHECK(positions.empty());
            return "none";
        case KeySearch::Invalid:
            CHECK(positions.empty());
            return "invalid";
        case KeySearch::Found:
            break;
    }
    CHECK_FALSE(positions.empty());
    std::string text;
    for (const uint32_t position : positions) {
        REQUIRE(position < request.size());
        text += text.empty() ? "" : " ";
        text += request[position].empty() ? "%" : request[position];
    }
    return text;
}

std::string keys_of(std::string_view request) {
    return keys_of(test::words_of(request));
}

bool waits(std::string_view request) {
    const std::vector<std::string> words = test::words_of(request);
    const std::vector<std::string_view> views(words.begin(), words.end());
    return blocks(row(words[0]), views);
}

}  // namespace

// --- The table ----------------------------------------------------------------------------------

TEST_CASE("a name that would cost a shared connection is not for a server") {
    for (const char* name : {"", "POST", "post", "Host:", "host:", "FT SEARCH", "a\r\nb"}) {
        CAPTURE(name);
        CHECK_FALSE(may_be_foreign(name));
    }
    CHECK_FALSE(may_be_foreign(std::string_view("SUBSCRIBE\0x", 11)));
    for (const char* name : {"JSON.GET", "FT.SEARCH", "HEXPIRE", "TOPK.ADD", "my-module_1"}) {
        CAPTURE(name);
        CHECK(may_be_foreign(name));
    }
}

TEST_CASE("the table is in alphabetical order and has no name twice") {
    CHECK(commands().size() == 249);
    const auto by_name = [](const Command& a, const Command& b) { return a.name < b.name; };
    CHECK(std::ranges::is_sorted(commands(), by_name));
    for (const Command& command : commands()) {
        CHECK(find_slowly(command.name) == &command);
        CHECK(std::ranges::is_sorted(command.subcommands, by_name));
        for (const Command& subcommand : command.subcommands) {
            CHECK(subcommand.name.starts_with(std::string(command.name) + "|"));
            CHECK(subcommand.subcommands.empty());
        }
    }
}

TEST_CASE("every row says what its handling needs") {
    const auto check = [](const Command& command) {
        CAPTURE(command.name);
        CHECK(command.reason.empty() == (command.handling != Handling::Refused));
        CHECK((command.response == ResponsePolicy::One) == (command.handling != Handling::Split));
        const bool gathers =
            command.handling == Handling::Gather || command.handling == Handling::Combine;
        CHECK((command.gathering == Gathering::None) == !gathers);
        const bool has_code = command.id != CommandId::Other;
        if (command.handling == Handling::Local) CHECK(has_code);
        if (command.handling == Handling::Split) CHECK(has_code);
        if (command.handling == Handling::Transaction) CHECK(has_code);
        // WAIT asks every server.
        if (command.handling == Handling::Blocking) CHECK(command.key_specs.empty() == has_code);
        const bool crosses = command.crossing != Crossing::Refused;
        if (crosses) {
            const bool may_wait =
                command.crossing == Crossing::Popped && command.handling == Handling::Blocking;
            CHECK((command.handling == Handling::Forward || may_wait));
        }
        const bool is_container = !command.subcommands.empty();
        const bool has_channel =
            (command.flags & command_flag::pubsub) != 0 && command.only_key == 1;
        if (command.handling == Handling::Subscribe) CHECK(has_code);
        if (command.handling == Handling::Forward) {
            CHECK((is_container || !command.key_specs.empty()));
        }
        CHECK((command.handling == Handling::Publish) == has_channel);
        if (command.only_key != 0 && !has_channel) CHECK(command.key_specs.size() == 1);
    };
    for (const Command& command : commands()) {
        check(command);
        for (const Command& subcommand : command.subcommands) {
            check(subcommand);
        }
    }
}

TEST_CASE("commands are handled as the policy says") {
    const auto check = [](Handling handling, std::string_view names) {
        for (const std::string& name : test::words_of(names)) {
            CAPTURE(name);
            CHECK(row(name).handling == handling);
        }
    };
    check(Handling::Forward,
          "get set sunionstore rename bitop eval evalsha eval_ro fcall fcall_ro xread xreadgroup "
          "sort "
          "sort_ro georadius zunionstore msetnx object|encoding memory|usage xinfo|stream "
          "xgroup|create copy pfdebug lmove zmpop");
    check(Handling::Split, "mget mset del unlink exists touch");
    check(Handling::Gather,
          "dbsize keys scan randomkey flushall flushdb lastsave script|load script|exists "
          "script|flush function|load function|delete function|flush function|restore "
          "function|stats slowlog|get slowlog|len slowlog|reset memory|doctor memory|purge "
          "memory|malloc-stats latency|latest latency|reset latency|doctor config|get config|set");
    check(Handling::Combine,
          "sunion sinter sintercard sdiff zunion zinter zintercard zdiff pfcount lcs");
    check(Handling::AnyServer, "function|list function|dump config|help");
    check(Handling::AnyServer, "lolwut object|help xinfo|help xgroup|help memory|help client|help");
    check(Handling::Local,
          "ping echo quit auth hello select info time reset command command|docs command|help "
          "client|setname client|getname client|id client|setinfo client|info client|no-evict "
          "client|no-touch client|list client|getredir client|trackinginfo acl|whoami acl|cat");
    check(Handling::Transaction, "multi exec discard watch unwatch");
    check(Handling::Blocking, "blpop brpop brpoplpush blmove blmpop bzpopmin bzpopmax bzmpop wait");
    check(Handling::Refused,
          "waitaof monitor "
          "script|kill script|debug function|kill swapdb move debug shutdown save bgsave "
          "bgrewriteaof replicaof slaveof cluster|nodes "
          "acl|setuser module|load latency|histogram memory|stats failover sync psync "
          "replconf restore-asking asking readonly readwrite role migrate client|kill "
          "client|pause client|tracking client|caching client|unblock pfselftest");
    check(Handling::Subscribe,
          "subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe");
    check(Handling::Publish, "publish spublish");
    check(Handling::Gather,
          "pubsub|channels pubsub|numsub pubsub|numpat pubsub|shardchannels pubsub|shardnumsub");
}

TEST_CASE("commands whose keys may live on several servers know their destination") {
    struct Case {
        std::vector<std::string_view> words;
        uint32_t destination = 0;
    };

    for (const Case& one : std::vector<Case>{
             {{"RENAME", "a", "b"}, 2},
             {{"RENAMENX", "a", "b"}, 2},
             {{"COPY", "a", "b", "DB", "1"}, 2},
             {{"SMOVE", "a", "b", "m"}, 2},
             {{"SUNIONSTORE", "a", "b", "c"}, 1},
             {{"ZUNIONSTORE", "a", "2", "b", "c"}, 1},
             {{"ZRANGESTORE", "a", "b", "0", "1"}, 1},
             {{"PFMERGE", "a", "b"}, 1},
             {{"BITOP", "AND", "a", "b"}, 2},
             {{"GEOSEARCHSTORE", "a", "b", "FROMMEMBER", "m", "BYRADIUS", "1", "m"}, 1},
             {{"GEORADIUS", "a", "1", "2", "3", "m", "STORE", "b"}, 7},
             {{"GEORADIUS", "a", "1", "2", "3", "m", "STOREDIST", "b", "ASC"}, 7},
             {{"SORT", "a", "STORE", "b", "STORE", "c"}, 5},
             {{"SORT", "a"}, 0},
         }) {
        CAPTURE(one.words[0]);
        const Command* command = find_command(one.words[0]);
        REQUIRE(command != nullptr);
        CHECK(command->crossing != Crossing::Refused);
        CHECK(find_destination(*command, one.words) == one.destination);
    }
    for (const std::string_view name : {"lmove", "rpoplpush", "msetnx", "blmove", "eval", "get"}) {
        CHECK(row(name).crossing == Crossing::Refused);
    }
}

TEST_CASE("pops that look at several keys are asked in turn") {
    std::string names;
    for (const Command& command : commands()) {
        if (command.crossing == Crossing::Popped) names.append(command.name).append(" ");
    }
    CHECK(names == "blmpop blpop brpop bzmpop bzpopmax bzpopmin lmpop zmpop ");
}

TEST_CASE("split commands know how their responses are joined") {
    CHECK(row("mget").response == ResponsePolicy::PerKey);
    CHECK(row("mset").response == ResponsePolicy::AllSucceeded);
    for (const std::string_view name : {"del", "unlink", "exists", "touch"}) {
        CHECK(row(name).response == ResponsePolicy::AggSum);
    }
    CHECK(row("mset").id == CommandId::Mset);
    CHECK(row("del").id == CommandId::Del);
}

TEST_CASE("only_key is set where there is one key in one place") {
    CHECK(row("get").only_key == 1);
    CHECK(row("set").only_key == 1);
    CHECK(row("zadd").only_key == 1);
    CHECK(row("object|encoding").only_key == 2);
    CHECK(row("xgroup|create").only_key == 2);
    CHECK(row("bitop").only_key == 0);
    CHECK(row("mget").only_key == 0);
    CHECK(row("del").only_key == 0);
    CHECK(row("rename").only_key == 0);
    CHECK(row("sort").only_key == 0);
    CHECK(row("eval").only_key == 0);
    CHECK(row("ping").only_key == 0);
    // A channel is no key, and has a place like one.
    CHECK(row("publish").only_key == 1);
    CHECK(row("spublish").only_key == 1);
    CHECK(row("subscribe").only_key == 0);
}

TEST_CASE("only_key says what find_keys finds") {
    const auto check = [](const Command& command) {
        if (command.only_key == 0 || (command.flags & command_flag::pubsub) != 0) return;
        CAPTURE(command.name);
        const auto least = static_cast<size_t>(command.arity < 0 ? -command.arity : command.arity);
        for (const unsigned more : {0U, 1U, 5U}) {
            const std::vector<std::string_view> arguments(least + more, "STORE");
            std::vector<uint32_t> keys;
            CHECK(find_keys(command, arguments, keys) == KeySearch::Found);
            CHECK(keys == std::vector<uint32_t>{command.only_key});
        }
    };
    for (const Command& command : commands()) {
        check(command);
        for (const Command& subcommand : command.subcommands) {
            check(subcommand);
        }
    }
}

TEST_CASE("arity counts the name, and a negative one is the least") {
    CHECK(arity_fits(row("get"), 2));
    CHECK_FALSE(arity_fits(row("get"), 1));
    CHECK_FALSE(arity_fits(row("get"), 3));
    CHECK(arity_fits(row("set"), 3));
    CHECK(arity_fits(row("set"), UINT32_MAX));
    CHECK_FALSE(arity_fits(row("set"), 2));
    CHECK(arity_fits(row("client|setname"), 3));
    CHECK_FALSE(arity_fits(row("client|setname"), 2));
}

// --- By name ------------------------------------------------------------------------------------

TEST_CASE("every name is found in any letter case") {
    for (const Command& command : commands()) {
        CAPTURE(command.name);
        CHECK(find_command(command.name) == &command);
        CHECK(find_command(with_case(command.name, [](size_t) { return true; })) == &command);
        CHECK(find_command(with_case(command.name, [](size_t i) { return i % 2 == 0; })) ==
              &command);
        CHECK(find_command(with_case(command.name, [](size_t i) { return i == 0; })) == &command);
    }
}

TEST_CASE("what differs from a name in one byte is another name or none") {
    for (const Command& command : commands()) {
        std::string name(command.name);
        CAPTURE(name);
        for (size_t i = 0; i < name.size(); ++i) {
            const char original = name[i];
            size_t wrong = 0;
            for (int byte = 0; byte < 256; ++byte) {
                name[i] = static_cast<char>(byte);
                if (find_command(name) != find_slowly(name)) wrong += 1;
            }
            CHECK(wrong == 0);
            name[i] = original;
        }
    }
}

TEST_CASE("what lacks a byte of a name, or has one more, is another name or none") {
    for (const Command& command : commands()) {
        const std::string name(command.name);
        CAPTURE(name);
        for (size_t i = 0; i <= name.size(); ++i) {
            for (const char byte : {'\0', ' ', 's', '_', '\x80'}) {
                const std::string longer = name.substr(0, i) + byte + name.substr(i);
                CHECK(find_command(longer) == find_slowly(longer));
            }
            const std::string shorter =
                name.substr(0, i) + (i < name.size() ? name.substr(i + 1) : "");
            CHECK(find_command(shorter) == find_slowly(shorter));
            const std::string twice = name + name.substr(i);
            CHECK(find_command(twice) == find_slowly(twice));
        }
    }
}

TEST_CASE("a long name is compared to its end and in its middle") {
    CHECK(find_command("georadiusbymember_ro") != nullptr);
    CHECK(find_command("georadiuXbymember_ro") == nullptr);
    CHECK(find_command("georadiusXXmember_ro") == nullptr);
    CHECK(find_command("GEORADIUSBYMEMBER") != nullptr);
    CHECK(find_command("GEORADIUXBYMEMBER") == nullptr);
    CHECK(find_command(std::string(1 << 20, 'a')) == nullptr);
}

TEST_CASE("nothing is no command") {
    CHECK(find_command("") == nullptr);
    CHECK(find_command(std::string_view("get\0", 4)) == nullptr);
    CHECK(find_command("client|setname") == nullptr);
    CHECK(find_command("nosuch") == nullptr);
}

TEST_CASE("a subcommand is found in its container in any letter case") {
    const Command& client = row("client");
    CHECK(find_subcommand(client, "SETNAME") == &row("client|setname"));
    CHECK(find_subcommand(client, "No-Evict") == &row("client|no-evict"));
    CHECK(find_subcommand(client, "MAINT_NOTIFICATIONS") == nullptr);
    CHECK(find_subcommand(client, "") == nullptr);
    CHECK(find_subcommand(client, std::string_view("id\0", 3)) == nullptr);
    const Command& get = row("get");
    CHECK(find_subcommand(get, "setname") == &get);
}

TEST_CASE("a full name has a bar between command and subcommand") {
    CHECK(find_by_full_name("GET") == find_command("get"));
    CHECK(find_by_full_name("Client|SETNAME") == &row("client|setname"));
    CHECK(find_by_full_name("client|nosuch") == nullptr);
    CHECK(find_by_full_name("client|") == nullptr);
    CHECK(find_by_full_name("client|setname|x") == nullptr);
    CHECK(find_by_full_name("get|x") == nullptr);
    CHECK(find_by_full_name("|") == nullptr);
}

TEST_CASE("what an index answers is one server's") {
    for (const char* name : {"FT.SEARCH",
                             "ft.aggregate",
                             "FT.CREATE",
                             "FT._LIST",
                             "FT.",
                             "ts.mget",
                             "TS.MRANGE",
                             "TS.MREVRANGE",
                             "TS.QUERYINDEX"}) {
        CAPTURE(name);
        CHECK(asks_about_all_keys(name));
    }
    for (const char* name :
         {"", "FT", "FT.SUGADD", "ft.sugget", "TS.ADD", "TS.RANGE", "JSON.GET"}) {
        CAPTURE(name);
        CHECK_FALSE(asks_about_all_keys(name));
    }
}

TEST_CASE("a server is not asked about a name with a NUL, which it may take for a shorter one") {
    CHECK(may_be_foreign("json.get"));
    CHECK_FALSE(may_be_foreign(""));
    CHECK_FALSE(may_be_foreign(std::string_view("subscribe\0x", 11)));
}

// --- Keys ---------------------------------------------------------------------------------------

TEST_CASE("keys are those that redis-server tells") {
    size_t count = 0;
    for (const std::vector<std::string>& golden : test::golden_rows("getkeys.tsv")) {
        const std::vector<std::string> words = test::words_of(golden[0]);
        if (golden[1].starts_with("-ERR The command") || golden[1].starts_with("-ERR Invalid c")) {
            continue;
        }
        CAPTURE(golden[0]);
        const Command* command = find_command(words[0]);
        REQUIRE(command != nullptr);
        command = find_subcommand(*command, words[1]);
        REQUIRE(command != nullptr);
        // A wrong arity is found before keys are looked for.
        if (!arity_fits(*command, static_cast<uint32_t>(words.size()))) {
            CHECK(golden[1] == "-ERR Invalid number of arguments specified for command");
            continue;
        }
        const std::string keys = keys_of(words);
        if (golden[1].empty()) {
            CHECK((keys == "none" || keys == "invalid"));
        } else {
            CHECK(keys == (golden[1].starts_with("-") ? "invalid" : golden[1]));
        }
        count += 1;
    }
    CHECK(count > 600);
}

TEST_CASE("a script may have no keys, and other commands may not") {
    CHECK(keys_of("EVAL s 0") == "none");
    CHECK(keys_of("FCALL_RO f 0 a b") == "none");
    CHECK(keys_of("ZUNION 0 a") == "invalid");
    CHECK(keys_of("ZUNIONSTORE d 0 a") == "invalid");
    CHECK(keys_of("PING") == "invalid");
}

TEST_CASE("a count of keys that does not fit is refused") {
    for (const std::string_view count : {"-1",
                                         "abc",
                                         "%",
                                         "4294967297",
                                         "4294967296",
                                         "18446744073709551617",
                                         "-9223372036854775808",
                                         "9223372036854775807",
                                         "2147483648",
                                         "01",
                                         "+1",
                                         "1.0",
                                         "0x1",
                                         "2"}) {
        CAPTURE(count);
        CHECK(keys_of("EVAL s " + std::string(count) + " k") == "invalid");
        CHECK(keys_of("ZUNIONSTORE d " + std::string(count) + " k") == "invalid");
        CHECK(keys_of("LMPOP " + std::string(count) + " k") == "invalid");
    }
    CHECK(keys_of("EVAL s 1 k") == "k");
    CHECK(keys_of("EVAL s") == "invalid");
    CHECK(keys_of("EVAL") == "invalid");
}

TEST_CASE("commands of later versions and of modules that have several keys") {
    CHECK(keys_of("MSETEX 2 a 1 b 2 EX 60") == "a b");
    CHECK(keys_of("MSETEX 1 a 1 NX") == "a");
    CHECK(keys_of("MSETEX 2 a 1 b") == "a b");  // the server refuses it
    CHECK(keys_of("MSETEX 2 a 1") == "invalid");
    CHECK(keys_of("MSETEX 0 a 1") == "invalid");
    CHECK(keys_of("MSETEX 4 a 1 b 2") == "invalid");
    CHECK(keys_of("JSON.MGET a b $.x") == "a b");
    CHECK(keys_of("JSON.MSET a $ 1 b $ 2") == "a b");
    CHECK(keys_of("TS.MADD a * 1 b * 2") == "a b");
    CHECK(keys_of("TS.CREATERULE a b AGGREGATION avg 60") == "a b");
    CHECK(keys_of("TS.DELETERULE a b") == "a b");
    CHECK(keys_of("CMS.MERGE d 2 a b WEIGHTS 1 2") == "d a b");
    CHECK(keys_of("TDIGEST.MERGE d 2 a b OVERRIDE") == "d a b");
}

TEST_CASE("too few arguments are refused, whatever the command") {
    for (const Command& command : commands()) {
        CAPTURE(command.name);
        std::vector<uint32_t> keys;
        const std::vector<std::string_view> none;
        CHECK(find_keys(command, none, keys) != KeySearch::Found);
        const std::vector<std::string_view> name = {command.name};
        CHECK(find_keys(command, name, keys) != KeySearch::Found);
        CHECK(keys.empty());
    }
}

TEST_CASE("SORT stores where the last STORE says, and an option's argument is no option") {
    CHECK(keys_of("SORT k") == "k");
    CHECK(keys_of("SORT k STORE a STORE b") == "k b");
    CHECK(keys_of("SORT k BY STORE x") == "k");
    CHECK(keys_of("SORT k GET store ASC") == "k");
    CHECK(keys_of("SORT k STORE by STORE x") == "k x");
    CHECK(keys_of("SORT k LIMIT STORE STORE STORE d") == "k d");
    CHECK(keys_of("SORT k STORE") == "k");
    CHECK(keys_of({"SORT", "k", std::string("STORE\0x", 7), "d"}) == "k d");
}

TEST_CASE("GEORADIUS stores where the last of STORE and STOREDIST says") {
    CHECK(keys_of("GEORADIUS k 1 2 3 m") == "k");
    CHECK(keys_of("GEORADIUS k 1 2 3 m STORE a STOREDIST b") == "k b");
    CHECK(keys_of("GEORADIUS k 1 2 3 m STORE STOREDIST STOREDIST x") == "k x");
    CHECK(keys_of("GEORADIUS k STORE x 3 m") == "k");
    CHECK(keys_of("GEORADIUSBYMEMBER k STORE 3 m") == "k");
    CHECK(keys_of("GEORADIUSBYMEMBER k m 3 m COUNT 1 ANY STOREDIST d") == "k d");
}

TEST_CASE("streams are those behind the option STREAMS") {
    CHECK(keys_of("XREAD STREAMS a b 0 0") == "a b");
    CHECK(keys_of("XREAD COUNT STREAMS STREAMS a 0") == "a");
    CHECK(keys_of("XREADGROUP GROUP streams streams STREAMS k >") == "k");
    CHECK(keys_of("XREADGROUP COUNT 1 GROUP g STREAMS STREAMS k >") == "k");
    CHECK(keys_of("XREAD STREAMS") == "invalid");
    CHECK(keys_of("XREAD STREAMS a") == "invalid");
    CHECK(keys_of("XREAD COUNT 1") == "invalid");
}

TEST_CASE("MIGRATE has its keys behind KEYS when the key itself is empty") {
    CHECK(keys_of("MIGRATE h 1 k 0 10 COPY") == "k");
    CHECK(keys_of("MIGRATE h 1 % 0 10 REPLACE KEYS a b") == "a b");
    CHECK(keys_of("MIGRATE h 1 k 0 10 REPLACE KEYS a b") == "invalid");
}

TEST_CASE("a shard channel is no key") {
    CHECK(keys_of("SPUBLISH channel message") == "invalid");
    CHECK(keys_of("SSUBSCRIBE a b") == "invalid");
}

TEST_CASE("keys are appended behind those that are there") {
    const std::vector<std::string_view> request = {"MGET", "a", "b"};
    std::vector<uint32_t> keys = {7};
    CHECK(find_keys(row("mget"), request, keys) == KeySearch::Found);
    CHECK(keys == std::vector<uint32_t>{7, 1, 2});
}

TEST_CASE("keys are found in a frame that lies in two blocks, wherever it is cut") {
    const std::vector<std::string> words =
        test::words_of("XREADGROUP COUNT 1 GROUP g STREAMS STREAMS first second > >");
    std::string frame;
    std::vector<ByteRange> arguments;
    for (const std::string& word : words) {
        arguments.push_back(
            {static_cast<uint32_t>(frame.size()), static_cast<uint32_t>(word.size())});
        frame += word;
    }
    std::vector<char> memory(size_t{2} * block_size);
    BlockPool pool(memory, {});
    std::string scratch;
    test::for_each_split(frame, [&](std::string_view head, std::string_view tail) {
        CAPTURE(head);
        Chain chain(pool);
        for (const std::string_view part : {head, tail}) {
            if (part.empty()) continue;
            Block* block = pool.take();
            REQUIRE(block != nullptr);
            part.copy(block->data, part.size());
            block->used = static_cast<uint32_t>(part.size());
            REQUIRE(chain.append_shared({block, 0, block->used}));
            pool.release(block);
        }
        std::vector<uint32_t> keys;
        const Bytes bytes(chain);
        CHECK(find_keys(row("xreadgroup"), bytes, arguments, scratch, keys) == KeySearch::Found);
        CHECK(keys == std::vector<uint32_t>{7, 8});
        CHECK_FALSE(blocks(row("xreadgroup"), bytes, arguments, scratch));
    });
}

// --- Waiting ------------------------------------------------------------------------------------

TEST_CASE("XREAD waits with the option BLOCK only") {
    CHECK(waits("XREAD BLOCK 0 STREAMS k $"));
    CHECK(waits("xread count 1 block 5 streams k $"));
    CHECK(waits("XREADGROUP GROUP g c NOACK BLOCK 0 STREAMS k >"));
    CHECK(waits("XREAD LATER BLOCK 0 STREAMS k $"));
    CHECK_FALSE(waits("XREAD STREAMS block 0"));
    CHECK_FALSE(waits("XREAD COUNT BLOCK STREAMS k 0"));
    CHECK_FALSE(waits("XREADGROUP GROUP block block STREAMS k >"));
    CHECK_FALSE(waits("GET block"));
    CHECK_FALSE(waits("SORT k BLOCK 0"));
    CHECK_FALSE(waits("XREAD"));
}

TEST_CASE("BLOCK with a NUL behind it is BLOCK to the server") {
    const std::vector<std::string_view> request = {
        "XREAD", std::string_view("block\0x", 7), "0", "STREAMS", "k", "$"};
    CHECK(blocks(row("xread"), request));
}

}  // namespace ringmain::resp
