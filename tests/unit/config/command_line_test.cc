#include "ringmain/config/command_line.h"

#include "tests/unit/config/loading.h"

#include <initializer_list>

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

CommandLine parse(std::initializer_list<const char*> arguments) {
    return parse_command_line(std::span(arguments.begin(), arguments.size()));
}

}  // namespace

TEST_CASE("run takes twemproxy's letters, with or without its name") {
    for (const CommandLine& line :
         {parse({"-c", "f", "-v", "6", "-o", "log", "-p", "pid", "-d"}),
          parse({"run", "-c", "f", "-v", "info", "-o", "log", "-p", "pid", "-d"}),
          parse({"-dcf", "-v6", "-olog", "-ppid"}),
          parse(
              {"--conf-file=f", "--verbose=6", "--output", "log", "--pid-file=pid", "--daemonize"}),
          parse({"-c", "f", "run", "-d", "-v", "6", "-o", "log", "-p", "pid"})}) {
        CAPTURE(line.error);
        CHECK(line.accepted());
        CHECK(line.verb == Verb::Run);
        CHECK(line.file == "f");
        CHECK(line.log_level == LogLevel::Info);
        CHECK(line.log_file == "log");
        CHECK(line.pid_file == "pid");
        CHECK(line.daemonize);
    }
}

TEST_CASE("log levels have names and twemproxy's numbers") {
    CHECK(parse({"-c", "f", "-v", "0"}).log_level == LogLevel::Error);
    CHECK(parse({"-c", "f", "-v", "4"}).log_level == LogLevel::Warning);
    CHECK(parse({"-c", "f", "-v", "5"}).log_level == LogLevel::Notice);
    CHECK(parse({"-c", "f", "-v", "11"}).log_level == LogLevel::Debug);
    CHECK(parse({"-c", "f", "-v", "warning"}).log_level == LogLevel::Warning);
    CHECK_FALSE(parse({"-c", "f", "-v", "loud"}).accepted());
    CHECK_FALSE(parse({"-c", "f"}).log_level.has_value());
}

TEST_CASE("check is also -t") {
    for (const CommandLine& line : {parse({"check", "f"}),
                                    parse({"check", "-c", "f"}),
                                    parse({"-t", "-c", "f"}),
                                    parse({"-c", "f", "--test-conf"}),
                                    parse({"-tc", "f"}),
                                    parse({"check", "--", "f"})}) {
        CAPTURE(line.error);
        CHECK(line.accepted());
        CHECK(line.verb == Verb::Check);
        CHECK(line.file == "f");
    }
    CHECK_FALSE(parse({"check"}).accepted());
    CHECK_FALSE(parse({"check", "a", "b"}).accepted());
    CHECK_FALSE(parse({"-t"}).accepted());
}

TEST_CASE("locate takes a pool, keys and --hex") {
    const CommandLine line = parse({"locate", "-c", "f", "--pool", "a", "--hex", "6b", "-"});
    CHECK(line.accepted());
    CHECK(line.verb == Verb::Locate);
    CHECK(line.pool == "a");
    CHECK(line.hex);
    CHECK(line.keys == std::vector<std::string>{"6b", "-"});
    CHECK(parse({"locate", "-c", "f"}).keys.empty());
    CHECK(parse({"locate", "-c", "f", "k", "--", "-c", "--hex"}).keys ==
          std::vector<std::string>{"k", "-c", "--hex"});
    CHECK(parse({"locate", "-c", "f", ""}).keys == std::vector<std::string>{""});
    CHECK(contains(parse({"locate", "k"}).error, "-c FILE is missing"));
}

TEST_CASE("migrate, doctor, version and help") {
    CHECK(parse({"migrate", "nutcracker.yml"}).file == "nutcracker.yml");
    CHECK(parse({"migrate", "-"}).file == "-");
    CHECK_FALSE(parse({"migrate"}).accepted());
    CHECK(parse({"doctor"}).accepted());
    CHECK(parse({"doctor", "-c", "f"}).file == "f");
    CHECK_FALSE(parse({"doctor", "f"}).accepted());
    for (const char* option : {"-V", "--version"}) {
        CHECK(parse({option}).verb == Verb::Version);
        CHECK(parse({option}).accepted());
    }
    for (const char* option : {"-h", "--help", "help"}) {
        CHECK(parse({option}).verb == Verb::Help);
        CHECK(parse({option}).accepted());
    }
    CHECK(parse({"check", "--help"}).topic == "check");
    CHECK(parse({"help", "locate"}).topic == "locate");
    CHECK(parse({"help", "options", "--toml"}).toml);
    CHECK_FALSE(parse({"help", "check", "--toml"}).accepted());
    CHECK(contains(parse({"help", "lcoate"}).error, "did you mean 'locate'?"));
    CHECK_FALSE(parse({"help", "a", "b"}).accepted());
}

TEST_CASE("options that became keys of the configuration name the key") {
    CHECK(contains(parse({"-s", "22222"}).error, "[stats] listen"));
    CHECK(contains(parse({"-c", "f", "-a", "127.0.0.1"}).error, "[stats] listen"));
    CHECK(contains(parse({"-i", "1000"}).error, "[stats] interval"));
    CHECK(contains(parse({"-m512"}).error, "buffer_memory"));
    CHECK(contains(parse({"--mbuf-size=512"}).error, "buffer_memory"));
    CHECK(contains(parse({"-D"}).error, "[stats]"));
}

TEST_CASE("wrong usage says what was meant") {
    CHECK(contains(parse({}).error, "-c FILE is missing"));
    CHECK(contains(parse({"chekc", "f"}).error, "unknown command 'chekc'; did you mean 'check'?"));
    CHECK(contains(parse({"--conf-fiel", "f"}).error, "did you mean '--conf-file'?"));
    CHECK(contains(parse({"locate", "-pool", "a"}).error, "not for 'locate'"));
    CHECK(contains(parse({"-z"}).error, "unknown option '-z'"));
    CHECK(contains(parse({"-c"}).error, "-c FILE"));
    CHECK(contains(parse({"-c", ""}).error, "is empty"));
    CHECK(contains(parse({"--daemonize=yes", "-c", "f"}).error, "takes no value"));
    CHECK(contains(parse({"check", "f", "-d"}).error, "'--daemonize' is not for 'check'"));
    CHECK(contains(parse({"run", "-c", "f", "--hex"}).error, "'--hex' is not for 'run'"));
    CHECK(contains(parse({"run", "-c", "f", "x"}).error, "takes no 'x'"));
    CHECK(contains(parse({"-z"}).error, "(see 'ringmain help')"));
}

TEST_CASE("the texts speak of every command") {
    CHECK(version_text().starts_with("ringmain "));
    const std::string help = help_text("", false);
    for (const char* name : {"run", "check", "doctor", "locate", "migrate", "commands", "help"}) {
        CAPTURE(name);
        CHECK(contains(help, std::string("\n  ") + name + " "));
        CHECK(help_text(name, false).starts_with("Usage: ringmain "));
    }
    CHECK(contains(help_text("environment", false), "RINGMAIN_IGNORE_FEATURES"));
    CHECK(contains(help_text("metrics", false), "ringmain_server_up{pool, server}"));
    CHECK(contains(help_text("options", false), "hash_tag"));
    CHECK(contains(help_text("options", true), "[pool.alpha]"));
    CHECK(contains(help_text("locate", false), "--hex"));
    CHECK_FALSE(contains(help_text("locate", false), "--daemonize"));
}

}  // namespace ringmain::config
