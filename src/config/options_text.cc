// The table of options as text: limits in words, the reference, the sample configuration.

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/config/options.h"

#include "reader.h"
#include "units.h"
#include "words.h"

namespace ringmain::config {

namespace {

constexpr size_t text_width = 92;

struct Defaults {
    Proxy proxy;
    Stats stats;
    Admin admin;
    Pool pool;
    Server server;
    User user;
};

std::string number_limits(const Option& option, std::string (*text_of)(int64_t)) {
    std::string out = text_of(option.min) + " to " + text_of(option.max);
    if (option.power_of_two) out += ", a power of two";
    return out;
}

std::string plain(int64_t number) {
    return std::to_string(number);
}

void append_lines(std::string_view margin, std::string_view text, std::string& out) {
    append_wrapped({.first = margin, .margin = margin, .width = text_width}, text, out);
}

std::string sentence(std::string_view text) {
    std::string out(text);
    out.front() = ascii::upper(out.front());
    return out + ".";
}

// What it is for, what else there is to know, what may be written: a paragraph each.
void append_described(std::string_view margin, const Option& option, std::string& out) {
    append_lines(margin, sentence(option.help), out);
    append_lines(margin, option.doc, out);
    if (option.redis_only) append_lines(margin, "For redis pools only.", out);
    if (option.fixed) append_lines(margin, "A change needs a restart.", out);
    const std::string limits = limits_text(option);
    if (!limits.empty()) append_lines(margin, "Possible: " + limits + ".", out);
}

// What a line of the sample says: the default, or an example where there is none.
std::string sample_value(const Option& option) {
    const std::string text = default_text(option);
    return text.empty() ? std::string(option.example) : text;
}

void append_section(Section section, std::string& out) {
    const bool is_pool = section == Section::Pool;
    // Without an option in it, an optional port's section would say nothing.
    const bool is_off = section == Section::Stats || section == Section::Admin;
    out += "\n";
    if (is_pool) {
        append_lines("# ",
                     "A pool: one port, and the servers behind it. There may be many, at most " +
                         std::to_string(pool_count_max) + "; each needs a name of its own.",
                     out);
    }
    out.append(is_off ? "#" : "").append(is_pool ? "[pool.alpha]" : title_of(section)).append("\n");
    for (const Option& option : options(section)) {
        out += "\n";
        append_described("# ", option, out);
        if (!option.required) out += "#";
        out.append(option.name).append(" = ").append(sample_value(option)).append("\n");
    }
}

}  // namespace

std::string_view title_of(Section section) {
    switch (section) {
        case Section::Proxy:
            return "[proxy]";
        case Section::Stats:
            return "[stats]";
        case Section::Admin:
            return "[admin]";
        case Section::Pool:
            return "[pool.NAME]";
        case Section::Server:
            return "a server";
        case Section::User:
            return "a user";
    }
    RM_ASSERT(false);
}

std::string default_text(const Option& option) {
    if (option.fetch == nullptr) return {};
    Defaults defaults;
    return value_text(option,
                      option.fetch({.proxy = &defaults.proxy,
                                    .stats = &defaults.stats,
                                    .admin = &defaults.admin,
                                    .pool = &defaults.pool,
                                    .server = &defaults.server,
                                    .user = &defaults.user}));
}

std::string limits_text(const Option& option) {
    switch (option.type) {
        case Type::Boolean:
            return "true or false";
        case Type::Integer:
            return number_limits(option, plain);
        case Type::IntegerOrAuto:
            return number_limits(option, plain) + ", or \"auto\"";
        case Type::Duration:
            return number_limits(option, duration_text);
        case Type::Size:
            return number_limits(option, size_text);
        case Type::Enum:
            return list_text(option.names(), " or ");
        case Type::String:
        case Type::Strings:
        case Type::Listen:
        case Type::Address:
        case Type::Servers:
        case Type::Users:
            return {};
    }
    RM_ASSERT(false);
}

std::string options_help() {
    std::string out =
        "Durations: a number is milliseconds; text carries its unit: \"400ms\", \"2s\", \"1m\", "
        "\"1h\".\n"
        "Sizes: a number is bytes; text carries its unit: \"16KiB\", \"1MiB\", \"1GiB\".\n";
    for (const Section section : sections) {
        out.append("\n").append(title_of(section)).append("\n");
        for (const Option& option : options(section)) {
            const std::string value = default_text(option);
            out.append("  ").append(option.name);
            if (option.required) out += " (required)";
            if (!value.empty()) out += " = " + value;
            out += "\n";
            append_described("      ", option, out);
        }
    }
    return out;
}

std::string options_toml() {
    std::string out;
    append_lines("# ",
                 "ringmain.toml - every option, with its default behind '#'. This file is made by "
                 "'ringmain help options --toml'.",
                 out);
    out += "#\n";
    append_lines("# ",
                 "Durations: a number is milliseconds; text carries its unit: \"400ms\", \"2s\", "
                 "\"1m\", \"1h\". Sizes: a number is bytes; text carries its unit: \"16KiB\", "
                 "\"1MiB\", \"1GiB\" (\"MB\" is refused, since it means two things).",
                 out);
    append_lines("# ", "Before it is used: ringmain check FILE", out);
    for (const Section section : sections) {
        // They are shown where a pool lists them.
        if (section == Section::Server || section == Section::User) continue;
        append_section(section, out);
    }
    return out;
}

}  // namespace ringmain::config
