// What SCRIPT LOAD has given to all servers is told again to one that may have forgotten it.

#include "ringmain/core/scripts.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/sha1.h"
#include "tests/unit/core/world.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

using core::ScriptId;

void load(core::KnownScripts& known, std::string_view digest, std::string_view text) {
    known.keep_loaded(digest, text, known.all().generation());
}

const std::string one_digest = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";  // of "return 1"

}  // namespace

TEST_CASE("what one worker keeps another one finds, until it is forgotten") {
    core::Scripts scripts;
    core::KnownScripts one(scripts);
    core::KnownScripts other(scripts);
    CHECK_FALSE(one.find("aa").is_one());
    load(one, "aa", "return 1");
    load(one, "bb", "return 2");
    load(one, "aa", "return 1");
    const ScriptId id = other.find("aa");
    CHECK(id == ScriptId{0, 1});
    CHECK(id == one.find("aa"));
    CHECK(one.all().text(id) == "return 1");
    CHECK(other.find("bb") == ScriptId{1, 2});
    other.all().forget();
    CHECK_FALSE(one.find("aa").is_one());
    CHECK_FALSE(one.all().text(id).has_value());
    load(other, "aa", "return 1");
    CHECK(one.find("aa").number == 3);
    CHECK_FALSE(one.all().text(id).has_value());
    CHECK_FALSE(one.find("bb").is_one());
    CHECK_FALSE(one.all().text({}).has_value());
}

TEST_CASE("no script takes no room: most pools keep none") {
    CHECK(sizeof(core::Scripts) < 1024);
    const core::Scripts scripts;
    CHECK_FALSE(scripts.is_kept({}));
    CHECK_FALSE(scripts.text({}).has_value());
}

TEST_CASE("what was asked before it is forgotten is not kept afterwards") {
    core::Scripts scripts;
    core::KnownScripts known(scripts);
    const uint64_t before = known.all().generation();
    known.all().forget();
    known.keep_loaded("aa", "return 1", before);
    CHECK_FALSE(known.find("aa").is_one());
}

TEST_CASE("that no more can be kept is told once, until all are forgotten") {
    World world(redis_pool(2));
    Channel& client = world.client();
    core::KnownScripts& scripts = world.proxy().pools()[0]->scripts;
    const auto fill = [&scripts] {
        for (uint32_t i = 0; i < core::scripts_max; ++i) {
            load(scripts, "d" + std::to_string(i), "return 1");
        }
    };
    const auto load_one = [&world, &client] {
        for (const uint32_t server : {0U, 1U}) {
            world.server(server).mood = Mood::Mute;
        }
        CHECK(world.ask(client, resp({"SCRIPT", "LOAD", "return 1"})).empty());
        for (const uint32_t server : {0U, 1U}) {
            world.reply(server, "$40\r\n" + one_digest + "\r\n");
        }
        world.settle();
        CHECK(World::heard(client) == "$40\r\n" + one_digest + "\r\n");
        return std::exchange(world.loop().notices(), {});
    };
    fill();
    CHECK(load_one() ==
          std::vector<std::string>{
              "pool main: 4096 scripts of SCRIPT LOAD, or 16 MiB of them, are kept, and no more: a "
              "server that has lost a later one answers NOSCRIPT; SCRIPT FLUSH makes room"});
    CHECK(load_one().empty());
    scripts.all().forget();
    CHECK(load_one().empty());
    fill();
    load(scripts, "last", "return 1");
    CHECK_FALSE(load_one().empty());
}

TEST_CASE("what EVAL has run is found by its digest") {
    core::Scripts scripts;
    core::KnownScripts one(scripts);
    core::KnownScripts other(scripts);
    const ScriptId id = one.keep_run("return 1", 7);
    CHECK(id == ScriptId{0, 1});
    CHECK(one.keep_run("return 1", 7) == id);
    CHECK(other.find(one_digest) == id);
    CHECK(other.keep_run("return 1", 7) == id);
    CHECK(other.all().text(id) == "return 1");

    one.all().forget();
    CHECK_FALSE(other.find(one_digest).is_one());
    const ScriptId again = one.keep_run("return 1", 7);
    CHECK(again.number == 2);
    CHECK(other.find(one_digest) == again);

    other.all().drop(again);
    CHECK_FALSE(one.find(one_digest).is_one());
    CHECK(one.keep_run("return 1", 7).number == 3);
}

TEST_CASE("what is loaded is bounded") {
    core::Scripts scripts;
    core::KnownScripts known(scripts);
    const std::string large(core::scripts_size_max / 2, 'x');
    load(known, "a", large);
    load(known, "b", large + "y");
    load(known, "c", large);
    CHECK(known.find("a").is_one());
    CHECK_FALSE(known.find("b").is_one());
    CHECK(known.find("c").is_one());

    core::Scripts many;
    core::KnownScripts known_many(many);
    for (uint32_t i = 0; i < core::scripts_max + 5; ++i) {
        load(known_many, std::to_string(i), "");
    }
    CHECK(known_many.find(std::to_string(core::scripts_max - 1)).is_one());
    CHECK_FALSE(known_many.find(std::to_string(core::scripts_max)).is_one());
    // There is room for what runs.
    CHECK(known_many.keep_run("return 1", 7).place == core::scripts_max);
}

TEST_CASE("of what EVAL has run the oldest makes room, and nothing that is loaded") {
    core::Scripts scripts;
    core::KnownScripts known(scripts);
    load(known, "loaded", "return 0");
    const auto run = [&](uint32_t i) { return known.keep_run("return " + std::to_string(i), i); };
    const ScriptId first = run(1);
    const ScriptId second = run(2);
    // It is what EVAL has run no more.
    load(known, sha1_hex("return 2"), "return 2");
    CHECK_FALSE(known.all().text(second).has_value());
    for (uint32_t i = 3; i < core::run_scripts_max + 2; ++i) {
        CHECK(run(i).is_one());
    }
    CHECK(known.all().text(first).has_value());
    const ScriptId last = run(core::run_scripts_max + 2);
    CHECK_FALSE(known.all().text(first).has_value());
    CHECK(known.find(sha1_hex("return 2")).is_one());
    CHECK(known.find("loaded").is_one());
    CHECK(last.place < core::run_scripts_max + 2);

    // By their size, too.
    for (uint32_t i = 0; i < core::run_scripts_size_max / core::run_script_size_max; ++i) {
        std::string text(core::run_script_size_max, ' ');
        text += std::to_string(i);
        CHECK_FALSE(known.keep_run(text, 10'000 + i).is_one());
        text.erase(0, text.size() - core::run_script_size_max);
        CHECK(known.keep_run(text, 20'000 + i).is_one());
    }
    CHECK_FALSE(known.all().text(last).has_value());
    CHECK(known.find("loaded").is_one());
}

TEST_CASE("what a worker knows does not grow with what comes and goes") {
    core::Scripts scripts;
    core::KnownScripts known(scripts);
    for (uint32_t i = 1; i < 3 * core::scripts_max; ++i) {
        const std::string text = std::to_string(i);
        CHECK(known.keep_run(text, i).is_one());
        CHECK(known.find(sha1_hex(text)).is_one());
        REQUIRE(known.size() <= 2 * (core::scripts_max + core::run_scripts_max));
    }
}

namespace {

const std::string digest(40, 'a');

std::string load_line(std::string_view text) {
    return "SCRIPT LOAD " + std::string(text);
}

// Two servers that have been given the script "return 1".
void give_script(World& world, Channel& client) {
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["SCRIPT"] = bulk(digest);
        world.server(i).redis.canned["EVALSHA"] = ":1\r\n";
    }
    CHECK(world.ask(client, resp({"SCRIPT", "LOAD", "return 1"})) == bulk(digest));
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.log.clear();
    }
}

}  // namespace

TEST_CASE("a connection is told a script once, ahead of the first EVALSHA that names it") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_script(world, client);
    const std::string key = world.key_on(0);
    const std::string run = resp({"EVALSHA", digest, "1", key});
    CHECK(world.ask(client, run + run + resp({"EVALSHA", digest, "0"})) == ":1\r\n:1\r\n:1\r\n");
    const std::string line = "EVALSHA " + digest + " 1 " + key;
    std::vector<std::string>& log = world.server(0).redis.log;
    CHECK(log ==
          std::vector<std::string>{load_line("return 1"), line, line, "EVALSHA " + digest + " 0"});
    CHECK(world.server(1).redis.log.empty());

    // Another connection to it knows nothing yet.
    log.clear();
    world.cut_off(0);
    world.pass(1000);
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(log == std::vector<std::string>{load_line("return 1"), line});
    log.clear();
    CHECK(world.ask(client, resp({"EVALSHA", std::string(40, 'b'), "1", key})) == ":1\r\n");
    CHECK(log.size() == 1);
}

TEST_CASE("a server that could not take the script, or has lost it, is told again") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_script(world, client);
    const std::string run = resp({"EVALSHA", digest, "1", world.key_on(0)});
    FakeRedis& redis = world.server(0).redis;
    redis.canned["SCRIPT"] = "-LOADING Redis is loading the dataset in memory\r\n";
    redis.canned["EVALSHA"] = "-LOADING Redis is loading the dataset in memory\r\n";
    CHECK(world.ask(client, run) == "-LOADING Redis is loading the dataset in memory\r\n");
    redis.log.clear();
    redis.canned["SCRIPT"] = bulk(digest);
    redis.canned["EVALSHA"] = ":1\r\n";
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(redis.log.size() == 2);
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(redis.log.size() == 3);

    redis.canned["EVALSHA"] = "-NOSCRIPT No matching script.\r\n";
    CHECK(world.ask(client, run) == "-NOSCRIPT No matching script.\r\n");
    redis.log.clear();
    redis.canned["EVALSHA"] = "-ERR of the script's own\r\n";
    CHECK(world.ask(client, run) == "-ERR of the script's own\r\n");
    CHECK(redis.log.size() == 2);
    CHECK(world.ask(client, run) == "-ERR of the script's own\r\n");
    CHECK(redis.log.size() == 3);

    // So it is when who asked is gone before all of the answer is there.
    Channel& leaving = world.client();
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(leaving, run) == "");
    world.drop(leaving);
    world.settle();
    for (const std::string_view part : {"-NOSC", "RIPT No matching", " script.\r\n"}) {
        world.link(0)->inbound += part;
        world.settle();
    }
    world.link(0)->arrived.clear();
    world.server(0).mood = Mood::Up;
    redis.log.clear();
    CHECK(world.ask(client, run) == "-ERR of the script's own\r\n");
    CHECK(redis.log.size() == 2);
}

TEST_CASE("after SCRIPT FLUSH nothing is told, and a lost server says so once") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_script(world, client);
    FakeRedis& redis = world.server(0).redis;
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["SCRIPT"] = "+OK\r\n";
    }
    CHECK(world.ask(client, resp({"SCRIPT", "FLUSH"})) == "+OK\r\n");
    redis.log.clear();
    const std::string run = resp({"EVALSHA", digest, "1", world.key_on(0)});
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(redis.log.size() == 1);

    give_script(world, client);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, run + run) == "");
    world.cut_off(0);
    world.settle();
    const std::string lost = "-ERR ringmain: server s0 (10.0.0.1:7000) reset the connection\r\n";
    CHECK(World::heard(client) == lost + lost);
    CHECK(world.proxy().is_idle());
}

// Two servers that know "return 1" nowhere yet, and that answer EVAL and EVALSHA.
void give_answers(World& world) {
    for (uint32_t i = 0; i < world.pool().servers.size(); ++i) {
        FakeRedis& redis = world.server(i).redis;
        redis.canned["SCRIPT"] = bulk(one_digest);
        redis.canned["EVAL"] = ":1\r\n";
        redis.canned["EVALSHA"] = ":1\r\n";
    }
}

TEST_CASE("what a transaction had as a script, and is none, is told to no server twice") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_answers(world);
    const std::string here = world.key_on(0);
    const std::string there = world.key_on(1);
    const std::string refusal = "-ERR Error compiling script (new function): user_script:1: x\r\n";
    world.server(0).redis.canned["EXEC"] = "*1\r\n" + refusal;
    CHECK(world.ask(client,
                    resp({"MULTI"}) + resp({"EVAL", "return (", "1", here}) + resp({"EXEC"})) ==
          "+OK\r\n+QUEUED\r\n*1\r\n" + refusal);
    FakeRedis& redis = world.server(1).redis;
    redis.canned["SCRIPT"] = refusal;
    redis.canned["EVALSHA"] = "-NOSCRIPT No matching script.\r\n";
    const std::string digest = sha1_hex("return (");
    const std::string run = resp({"EVALSHA", digest, "1", there});
    const std::string line = "EVALSHA " + digest + " 1 " + there;
    CHECK(world.ask(client, run) == "-NOSCRIPT No matching script.\r\n");
    CHECK(world.ask(client, run) == "-NOSCRIPT No matching script.\r\n");
    CHECK(redis.log == std::vector<std::string>{load_line("return ("), line, line});
}

TEST_CASE("what EVAL has run on one server another is told before EVALSHA of it") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_answers(world);
    const std::string here = world.key_on(0);
    const std::string there = world.key_on(1);
    const std::string run = resp({"EVALSHA", one_digest, "1", there});
    std::vector<std::string>& log = world.server(1).redis.log;
    CHECK(world.ask(client, resp({"EVAL", "return 1", "1", here}) + run + run) ==
          ":1\r\n:1\r\n:1\r\n");
    const std::string line = "EVALSHA " + one_digest + " 1 " + there;
    CHECK(log == std::vector<std::string>{load_line("return 1"), line, line});

    // Not of what is too large, or no script.
    log.clear();
    const std::string large(core::run_script_size_max + 1, ' ');
    CHECK(world.ask(client, resp({"EVAL", large, "1", here})) == ":1\r\n");
    const std::string large_digest = sha1_hex(large);
    CHECK(world.ask(client, resp({"EVALSHA", large_digest, "1", there})) == ":1\r\n");
    CHECK(log.size() == 1);
    const std::string refusal = "-ERR Error compiling script (new function): user_script:1: x\r\n";
    world.server(0).redis.canned["EVAL"] = refusal;
    CHECK(world.ask(client, resp({"EVAL", "return (", "1", here})) == refusal);
    log.clear();
    CHECK(world.ask(client, resp({"EVALSHA", sha1_hex("return ("), "1", there})) == ":1\r\n");
    CHECK(log.size() == 1);
    world.server(0).redis.canned["EVAL"] = "-ERR of the count\r\n";
    for (const char* count : {"-1", "x", "2"}) {
        const std::vector<std::string> words = {"EVAL", "return 3", count, here};
        CHECK(world.ask(client, resp(words)) == "-ERR of the count\r\n");
    }
    log.clear();
    CHECK(world.ask(client, resp({"EVALSHA", sha1_hex("return 3"), "1", there})) == ":1\r\n");
    CHECK(log.size() == 1);
    // An error of the script's own says nothing against it.
    world.server(0).redis.canned["EVAL"] = "-ERR its own\r\n";
    CHECK(world.ask(client, resp({"EVAL", "return 2", "0"})) == "-ERR its own\r\n");
    log.clear();
    CHECK(world.ask(client, resp({"EVALSHA", sha1_hex("return 2"), "1", there})) == ":1\r\n");
    CHECK(log.size() == 2);
}

TEST_CASE("what EVAL has run an only server is told again when it has lost it") {
    World world(redis_pool(1));
    Channel& client = world.client();
    give_answers(world);
    const std::string run = resp({"EVALSHA", one_digest, "1", "k"});
    CHECK(world.ask(client, resp({"EVAL", "return 1", "1", "k"})) == ":1\r\n");
    world.cut_off(0);
    world.server(0).redis.log.clear();
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(world.server(0).redis.log ==
          std::vector<std::string>{load_line("return 1"), "EVALSHA " + one_digest + " 1 k"});
}

TEST_CASE("SCRIPT EXISTS says 1 of what would be told, and SCRIPT FLUSH forgets when it is asked") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_answers(world);
    const std::string there = world.key_on(1);
    const std::string eval = resp({"EVAL", "return 1", "1", world.key_on(0)});
    const std::string run = resp({"EVALSHA", one_digest, "1", there});
    CHECK(world.ask(client, eval) == ":1\r\n");
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["SCRIPT"] = "*3\r\n:0\r\n:0\r\n:1\r\n";
    }
    std::string upper = one_digest;
    std::ranges::transform(upper, upper.begin(), ascii::upper);
    const std::string exists = resp({"SCRIPT", "EXISTS", std::string(40, 'a'), upper, "x"});
    CHECK(world.ask(client, exists) == "*3\r\n:0\r\n:1\r\n:1\r\n");
    // As it was when it was asked.
    const std::string two = sha1_hex("return 2");
    const std::string three = resp({"SCRIPT", "EXISTS", two, two, two});
    const std::string other = resp({"EVAL", "return 2", "0"});
    CHECK(world.ask(client, three + other + three) ==
          "*3\r\n:0\r\n:0\r\n:1\r\n:1\r\n*3\r\n:1\r\n:1\r\n:1\r\n");
    const std::string refusal = "-ERR Error compiling script (new function): user_script:1: x\r\n";
    world.server(0).redis.canned["EVAL"] = refusal;
    const std::string none = sha1_hex("return (");
    CHECK(
        world.ask(client,
                  resp({"EVAL", "return (", "0"}) + resp({"SCRIPT", "EXISTS", none, none, none})) ==
        refusal + "*3\r\n:0\r\n:0\r\n:1\r\n");
    world.server(0).redis.canned["EVAL"] = ":1\r\n";

    std::vector<std::string>& log = world.server(1).redis.log;
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["SCRIPT"] = "-ERR what FLUSH\r\n";
    }
    CHECK(world.ask(client, resp({"SCRIPT", "FLUSH", "x"})) == "-ERR what FLUSH\r\n");
    log.clear();
    CHECK(world.ask(client, run) == ":1\r\n");
    CHECK(log.size() == 2);

    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["SCRIPT"] = "+OK\r\n";
    }
    log.clear();
    CHECK(world.ask(client, resp({"SCRIPT", "FLUSH", "ASYNC"}) + run) == "+OK\r\n:1\r\n");
    CHECK(log.size() == 2);
    log.clear();
    CHECK(world.ask(client, resp({"SCRIPT", "FLUSH"}) + eval + run) == "+OK\r\n:1\r\n:1\r\n");
    CHECK(log == std::vector<std::string>{"SCRIPT FLUSH",
                                          load_line("return 1"),
                                          "EVALSHA " + one_digest + " 1 " + there});
}

TEST_CASE("who says to SCRIPT EXISTS that it has lost a script is told it again") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_answers(world);
    const std::string run = resp({"EVALSHA", one_digest, "1", world.key_on(1)});
    CHECK(world.ask(client, resp({"EVAL", "return 1", "1", world.key_on(0)}) + run) ==
          ":1\r\n:1\r\n");
    const std::string exists = resp({"SCRIPT", "EXISTS", one_digest});
    std::vector<std::string>& log = world.server(1).redis.log;
    const std::string line = "EVALSHA " + one_digest + " 1 " + world.key_on(1);
    for (const bool is_there : {true, false}) {
        CAPTURE(is_there);
        world.server(0).redis.canned["SCRIPT EXISTS"] = "*1\r\n:1\r\n";
        world.server(1).redis.canned["SCRIPT EXISTS"] = is_there ? "*1\r\n:1\r\n" : "*1\r\n:0\r\n";
        CHECK(world.ask(client, exists) == "*1\r\n:1\r\n");
        log.clear();
        CHECK(world.ask(client, run) == ":1\r\n");
        CHECK(log == (is_there ? std::vector<std::string>{line}
                               : std::vector<std::string>{load_line("return 1"), line}));
    }
}

TEST_CASE(
    "a server that has no script, though it may have been told, makes no other hear it again") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_answers(world);
    CHECK(world.ask(client, resp({"EVAL", "return 1", "1", world.key_on(0)})) == ":1\r\n");
    world.server(0).redis.canned["SCRIPT EXISTS"] = "*1\r\n:1\r\n";
    world.server(1).redis.canned["SCRIPT EXISTS"] = "*1\r\n:0\r\n";
    const std::string run = resp({"EVALSHA", one_digest, "1", world.key_on(0)});
    CHECK(world.ask(client, run) == ":1\r\n");
    std::vector<std::string>& log = world.server(0).redis.log;
    log.clear();
    CHECK(world.ask(client, resp({"SCRIPT", "EXISTS", one_digest}) + run) == "*1\r\n:1\r\n:1\r\n");
    const std::vector<std::string> asked_once = {"SCRIPT EXISTS " + one_digest,
                                                 "EVALSHA " + one_digest + " 1 " + world.key_on(0)};
    CHECK(log == asked_once);
    log.clear();
    CHECK(world.ask(client, resp({"EVALSHA", one_digest, "1", world.key_on(1)})) == ":1\r\n");
    CHECK(world.ask(client, resp({"SCRIPT", "EXISTS", one_digest}) + run) == "*1\r\n:1\r\n:1\r\n");
    CHECK(log == asked_once);
}

// Its place is another's by the time that its error comes.
TEST_CASE("what was no script is none although it is flushed before its error has come") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_answers(world);
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).redis.canned["SCRIPT EXISTS"] = "*1\r\n:0\r\n";
        world.server(i).redis.canned["SCRIPT FLUSH"] = "+OK\r\n";
    }
    const std::string refusal = "-ERR Error compiling script (new function): user_script:1: x\r\n";
    world.server(0).redis.canned["EVAL"] = refusal;
    const std::string wrong = resp({"EVAL", "return (", "1", world.key_on(0)});
    const std::string right = resp({"EVAL", "return 4", "1", world.key_on(1)});
    const std::string exists = resp({"SCRIPT", "EXISTS", sha1_hex("return (")});
    CHECK(world.ask(client, wrong + exists + resp({"SCRIPT", "FLUSH"}) + right + exists) ==
          refusal + "*1\r\n:0\r\n+OK\r\n:1\r\n*1\r\n:0\r\n");
    CHECK(world.ask(client, resp({"SCRIPT", "EXISTS", sha1_hex("return 4")})) == "*1\r\n:1\r\n");
}

TEST_CASE("what is flushed behind SCRIPT LOAD is not kept when that is answered") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_answers(world);
    for (uint32_t i = 0; i < 2; ++i) {
        world.server(i).mood = Mood::Mute;
    }
    CHECK(world.ask(client, resp({"SCRIPT", "LOAD", "return 1"}) + resp({"SCRIPT", "FLUSH"})) ==
          "");
    for (uint32_t i = 0; i < 2; ++i) {
        static_cast<void>(World::heard(*world.link(i)));
        world.reply(i, bulk(one_digest) + "+OK\r\n");
        world.server(i).mood = Mood::Up;
        world.server(i).redis.log.clear();
    }
    world.settle();
    CHECK(World::heard(client) == bulk(one_digest) + "+OK\r\n");
    const std::string key = world.key_on(0);
    CHECK(world.ask(client, resp({"EVALSHA", one_digest, "1", key})) == ":1\r\n");
    CHECK(world.server(0).redis.log ==
          std::vector<std::string>{"EVALSHA " + one_digest + " 1 " + key});
}

TEST_CASE("what a transaction says of scripts is heeded when its client is gone") {
    World world(redis_pool(2));
    give_answers(world);
    const std::string key = world.key_on(0);
    Channel& client = world.client();
    Channel& other = world.client();
    FakeRedis& redis = world.server(0).redis;
    const std::string run = resp({"EVALSHA", one_digest, "1", key});
    const std::string transaction = resp({"MULTI"}) + run + run + resp({"EXEC"});
    CHECK(world.ask(client, resp({"EVAL", "return 1", "1", key})) == ":1\r\n");
    CHECK(world.ask(client, transaction) == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n");
    redis.log.clear();
    CHECK(world.ask(other, run) == ":1\r\n");
    CHECK(redis.log.size() == 1);
    world.server(0).mood = Mood::Mute;
    CHECK(world.ask(client, transaction) == "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    world.drop(client);
    world.settle();
    Channel& link = *world.link(0);
    for (const std::string& part : {std::string("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$300\r\n"),
                                    std::string(300, 'x') + "\r\n-NOSC",
                                    std::string("RIPT No matching script.\r\n")}) {
        link.inbound += part;
        world.settle();
    }
    link.arrived.clear();
    redis.log.clear();
    world.server(0).mood = Mood::Up;
    CHECK(world.ask(other, run) == ":1\r\n");
    CHECK(redis.log.size() == 2);
}

TEST_CASE("a transaction's server is told ahead of it, and what it has is kept when it is sent") {
    World world(redis_pool(2));
    Channel& client = world.client();
    give_answers(world);
    const std::string here = world.key_on(0);
    const std::string there = world.key_on(1);
    const std::string multi = resp({"MULTI"});
    const std::string exec = resp({"EXEC"});
    const std::string eval = resp({"EVAL", "return 1", "1", here});
    const std::string run = resp({"EVALSHA", one_digest, "1", there});
    std::vector<std::string>& log = world.server(1).redis.log;

    CHECK(world.ask(client, multi + eval + resp({"DISCARD"}) + run) ==
          "+OK\r\n+QUEUED\r\n+OK\r\n:1\r\n");
    CHECK(log.size() == 1);
    log.clear();
    const std::string done = "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n";
    CHECK(world.ask(client, multi + eval + exec) == done);
    CHECK(world.ask(client, multi + run + exec) == done);
    const std::string line = "EVALSHA " + one_digest + " 1 " + there;
    CHECK(log == std::vector<std::string>{
                     "MULTI", "DISCARD", load_line("return 1"), "MULTI", line, "EXEC"});
    log.clear();
    CHECK(world.ask(client, multi + run + exec) == done);
    CHECK(log.size() == 3);
    world.server(1).redis.canned["EVALSHA"] = "-NOSCRIPT No matching script.\r\n";
    CHECK(world.ask(client, multi + run + exec) ==
          "+OK\r\n+QUEUED\r\n*1\r\n-NOSCRIPT No matching script.\r\n");
    world.server(1).redis.canned["EVALSHA"] = ":1\r\n";
    log.clear();
    CHECK(world.ask(client, multi + run + exec) == done);
    CHECK(log == std::vector<std::string>{load_line("return 1"), "MULTI", line, "EXEC"});

    // Where keys are watched, too.
    log.clear();
    CHECK(world.ask(client, resp({"WATCH", there}) + multi + run + exec) == "+OK\r\n" + done);
    CHECK(std::ranges::count(log, load_line("return 1")) == 1);
    CHECK(log.back() == "EXEC");
}

TEST_CASE("where the scripts of a transaction are takes buffer memory, until it ends") {
    World world(redis_pool(2), {.blocks = 1024});
    Channel& client = world.client();
    give_answers(world);
    const std::string eval = resp({"EVAL", "return 1", "0"});
    const std::string run = resp({"EVALSHA", one_digest, "0"});
    const auto in_use = [&world] { return world.loop().blocks().in_use() * uint64_t{block_size}; };
    constexpr size_t place_size = sizeof(core::Session::QueuedScript);
    for (const char* end : {"DISCARD", "EXEC", "RESET"}) {
        CAPTURE(end);
        const uint64_t before = in_use();
        CHECK(world.ask(client, resp({"MULTI"})) == "+OK\r\n");
        for (int i = 0; i < 40; ++i) {
            CHECK(world.ask(client, times(1000, eval)) == times(1000, "+QUEUED\r\n"));
        }
        CHECK(world.ask(client, run) == "+QUEUED\r\n");
        CHECK(in_use() - before >= 40'000 * (eval.size() + place_size));
        CHECK(client.client->session->queued_size() ==
              40'000 * eval.size() + run.size() + 40'001 * place_size);
        world.ask(client, resp({end}));
        CHECK(client.client->session->queued_size() == 0);
        CHECK(in_use() < before + 4 * block_size);
    }
    // Each was found: the last one is told to who does not have it.
    CHECK(std::ranges::count(world.server(0).redis.log, load_line("return 1")) == 1);
}

TEST_CASE("a transaction of many scripts ends where buffer memory does, and is told so") {
    constexpr uint32_t blocks = 128;
    World world(redis_pool(1), {.blocks = blocks});
    Channel& client = world.client();
    CHECK(world.ask(client, resp({"MULTI"})) == "+OK\r\n");
    const std::string eval = resp({"EVAL", "", "0"});
    size_t count = 0;
    std::string answer;
    while (!client.closed && count < 200'000) {
        answer = world.ask(client, times(1000, eval));
        count += 1000;
    }
    CHECK(answer.find("out of buffer memory for a request; see buffer_memory") !=
          std::string::npos);
    const size_t each = eval.size() + sizeof(core::Session::QueuedScript);
    CHECK(count <= size_t{blocks} * block_size / each + 1000);
    CHECK(world.loop().blocks().in_use() < 20);
}

}  // namespace ringmain::test
