#include "ringmain/config/options.h"

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

std::vector<const Option*> all_options() {
    std::vector<const Option*> all;
    for (const Section section : sections) {
        for (const Option& option : options(section)) {
            CHECK(option.section == section);
            all.push_back(&option);
        }
    }
    return all;
}

}  // namespace

TEST_CASE("every option has a name, a help line, and a way to be stored and read back") {
    for (const Option* row : all_options()) {
        const Option& option = *row;
        CAPTURE(option.name);
        CHECK_FALSE(option.name.empty());
        CHECK_FALSE(option.help.empty());
        CHECK_FALSE(option.help.ends_with('.'));
        CHECK((option.type == Type::Servers || option.type == Type::Users ||
               (option.store != nullptr && option.fetch != nullptr)));
        CHECK((option.type == Type::Enum) == (option.names != nullptr));
        CHECK(find_option(option.section, option.name) == &option);
        const bool has_sample = !default_text(option).empty() || !option.example.empty();
        CHECK(has_sample);
    }
}

TEST_CASE("a default lies within its own limits") {
    Config config;
    Pool pool;
    Server server;
    const Target target{.proxy = &config.proxy,
                        .stats = &config.stats,
                        .admin = &config.admin,
                        .pool = &pool,
                        .server = &server};
    for (const Option* row : all_options()) {
        const Option& option = *row;
        CAPTURE(option.name);
        const bool is_number = option.type == Type::Integer || option.type == Type::IntegerOrAuto ||
                               option.type == Type::Duration || option.type == Type::Size;
        if (!is_number) continue;
        const int64_t number = option.fetch(target).number;
        CHECK(number >= option.min);
        CHECK(number <= option.max);
    }
}

TEST_CASE("an enumerator's number is its place among the names") {
    using placement::HashKind, placement::DistributionKind;
    CHECK(find_option(Section::Pool, "hash")->names()[static_cast<size_t>(HashKind::Hsieh)] ==
          "hsieh");
    CHECK(find_option(Section::Pool, "distribution")
              ->names()[static_cast<size_t>(DistributionKind::Random)] == "random");
    CHECK(
        find_option(Section::Pool, "protocol")->names()[static_cast<size_t>(Protocol::Memcached)] ==
        "memcached");
    CHECK(find_option(Section::Pool, "unknown_commands")
              ->names()[static_cast<size_t>(UnknownCommands::Refuse)] == "refuse");
    CHECK(find_option(Section::Proxy, "log_level")->names()[static_cast<size_t>(LogLevel::Debug)] ==
          "debug");
}

// What is said of a line that is no TOML does not know its section.
TEST_CASE("options of one name are of one type in all sections") {
    for (const Option* option : all_options()) {
        for (const Section section : sections) {
            const Option* other = find_option(section, option->name);
            CAPTURE(option->name);
            CHECK((other == nullptr || other->type == option->type));
        }
    }
}

TEST_CASE("limits and defaults are told in words") {
    CHECK(limits_text(*find_option(Section::Proxy, "workers")) == "1 to 256, or \"auto\"");
    CHECK(limits_text(*find_option(Section::Pool, "protocol")) == "redis or memcached");
    CHECK(default_text(*find_option(Section::Pool, "timeout")) == "\"400ms\"");
    CHECK(default_text(*find_option(Section::Pool, "hash")) == "\"fnv1a_64\"");
    CHECK(default_text(*find_option(Section::Proxy, "client_connections")) == "0");
    CHECK(default_text(*find_option(Section::Pool, "request_size_max")) == "\"1GiB\"");
    CHECK(default_text(*find_option(Section::Pool, "redis_auth")).empty());
    CHECK(find_option(Section::Pool, "workers") == nullptr);
}

TEST_CASE("the help names every option") {
    const std::string help = options_help();
    for (const Option* row : all_options()) {
        const Option& option = *row;
        CAPTURE(option.name);
        CHECK(help.find("  " + std::string(option.name)) != std::string::npos);
    }
}

}  // namespace ringmain::config
