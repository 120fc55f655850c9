#include "ringmain/config/command_line.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/config/options.h"

#include <algorithm>

#include "command_table.h"
#include "words.h"

namespace ringmain::config {

namespace {

constexpr std::array<std::string_view, 4> other_topics = {
    "options", "environment", "metrics", "errors"};

std::vector<std::string_view> verb_names() {
    std::vector<std::string_view> names;
    names.reserve(verb_table.size());
    for (const VerbRow& row : verb_table) {
        names.push_back(row.name);
    }
    return names;
}

std::string spelling(const OptionRow& row) {
    return "--" + std::string(row.name);
}

// The names of this file, or twemproxy's numbers: 0 to 3 error, 4, 5 and 6, from 7 debug.
std::optional<LogLevel> log_level_of(std::string_view text) {
    const Option* option = find_option(Section::Proxy, "log_level");
    RM_ASSERT(option != nullptr);
    const std::span<const std::string_view> names = option->names();
    const auto found = std::ranges::find(names, text);
    if (found != names.end()) return static_cast<LogLevel>(found - names.begin());
    const std::optional<uint64_t> number = ascii::parse_uint64(text);
    if (!number) return std::nullopt;
    return static_cast<LogLevel>(std::clamp<uint64_t>(*number, 3, 7) - 3);
}

class Parser {
  public:
    explicit Parser(std::span<const char* const> arguments)
        : arguments_(arguments.begin(), arguments.end()) {}

    CommandLine run() {
        bool options_end = false;
        while (at_ < arguments_.size() && line_.error.empty()) {
            const std::string_view argument = arguments_[at_++];
            const bool is_option = !options_end && argument.size() > 1 && argument.starts_with('-');
            if (!is_option) {
                operand(argument);
            } else if (argument == "--") {
                options_end = true;
            } else if (argument.starts_with("--")) {
                long_option(argument.substr(2));
            } else {
                letters(argument.substr(1));
            }
        }
        if (line_.error.empty()) settle();
        return std::move(line_);
    }

  private:
    void operand(std::string_view text) {
        if (has_verb_) {
            operands_.emplace_back(text);
            return;
        }
        const auto* row = std::ranges::find(verb_table, text, &VerbRow::name);
        if (row == verb_table.end()) {
            std::string hint = did_you_mean(text, verb_names());
            if (hint.empty()) hint = "; there is " + list_text(verb_names(), " and ");
            return fail("unknown command " + quoted(text) + hint);
        }
        has_verb_ = true;
        line_.verb = row->verb;
    }

    void long_option(std::string_view text) {
        const size_t equals = text.find('=');
        const std::string_view name = text.substr(0, equals);
        const auto* row = std::ranges::find(option_table, name, &OptionRow::name);
        if (row == option_table.end()) return unknown_name(name);
        if (row->value.empty()) {
            if (equals != std::string_view::npos) {
                return fail("option '--" + std::string(name) + "' takes no value");
            }
            return apply(*row, {});
        }
        if (equals != std::string_view::npos) return apply(*row, text.substr(equals + 1));
        apply_next(*row, "--" + std::string(name));
    }

    void letters(std::string_view text) {
        for (size_t i = 0; i < text.size() && line_.error.empty(); ++i) {
            const auto* row = std::ranges::find(option_table, text[i], &OptionRow::letter);
            if (row == option_table.end()) return unknown_letter(text[i], text);
            if (row->value.empty()) {
                apply(*row, {});
                continue;
            }
            if (i + 1 < text.size()) return apply(*row, text.substr(i + 1));
            return apply_next(*row, std::string("-") + text[i]);
        }
    }

    void apply_next(const OptionRow& row, const std::string& given) {
        if (at_ == arguments_.size()) {
            return fail("option '" + given + "' needs a value: " + given + " " +
                        std::string(row.value));
        }
        apply(row, arguments_[at_++]);
    }

    void apply(const OptionRow& row, std::string_view value) {
        if (!row.value.empty() && value.empty()) {
            return fail("the value of option '" + spelling(row) + "' is empty");
        }
        given_.push_back(&row);
        switch (row.id) {
            case OptionId::Config:
                line_.file = value;
                break;
            case OptionId::Test:
                test_ = true;
                break;
            case OptionId::LogLevel:
                line_.log_level = log_level_of(value);
                if (!line_.log_level) {
                    fail(quoted(value) + " is not a log level: " + std::string(row.help));
                }
                break;
            case OptionId::LogFile:
                line_.log_file = value;
                break;
            case OptionId::PidFile:
                line_.pid_file = value;
                break;
            case OptionId::Daemonize:
                line_.daemonize = true;
                break;
            case OptionId::Pool:
                line_.pool = value;
                break;
            case OptionId::Hex:
                line_.hex = true;
                break;
            case OptionId::Toml:
                line_.toml = true;
                break;
            case OptionId::Version:
                version_ = true;
                break;
            case OptionId::Help:
                help_ = true;
                break;
        }
    }

    void unknown_name(std::string_view name) {
        const auto* replaced = std::ranges::find(replaced_table, name, &ReplacedRow::name);
        if (replaced != replaced_table.end()) return gone("--" + std::string(name), *replaced);
        std::vector<std::string_view> names;
        names.reserve(option_table.size());
        for (const OptionRow& row : option_table) {
            names.push_back(row.name);
        }
        const std::string_view near = nearest(name, names);
        // nearest() compares with '_' for '-': both spellings are at hand here.
        std::string hint = near.empty() ? "" : "; did you mean '--" + std::string(near) + "'?";
        fail("unknown option " + quoted("--" + std::string(name)) + hint);
    }

    void unknown_letter(char letter, std::string_view cluster) {
        const auto* replaced = std::ranges::find(replaced_table, letter, &ReplacedRow::letter);
        if (replaced != replaced_table.end()) return gone(std::string("-") + letter, *replaced);
        std::string hint;
        if (cluster.size() > 2) {
            // "-pool" was meant as "--pool".
            const auto* row = std::ranges::find(option_table, cluster, &OptionRow::name);
            if (row != option_table.end()) hint = "; did you mean '" + spelling(*row) + "'?";
        }
        fail("unknown option " + quoted(std::string("-") + letter) + hint);
    }

    void gone(const std::string& given, const ReplacedRow& row) {
        fail("option '" + given + "' is twemproxy's; instead " + std::string(row.remedy));
    }

    // All words are read: what do they say together?
    void settle() {
        if (help_) {
            if (has_verb_ && line_.verb != Verb::Help) line_.topic = name_of_verb();
            line_.verb = Verb::Help;
            return;
        }
        if (version_) {
            line_.verb = Verb::Version;
            return;
        }
        for (const OptionRow* row : given_) {
            if ((row->verbs & bit(line_.verb)) != 0) continue;
            return fail("option '" + spelling(*row) + "' is not for '" +
                        std::string(name_of_verb()) + "'");
        }
        if (test_) line_.verb = Verb::Check;
        switch (line_.verb) {
            case Verb::Run:
            case Verb::Doctor:
            case Verb::Commands:
                return settle_without_operands();
            case Verb::Check:
            case Verb::Migrate:
                return settle_file();
            case Verb::Locate:
                line_.keys = std::move(operands_);
                return need_file("-c FILE is missing");
            case Verb::Help:
                return settle_help();
            case Verb::Version:
                return;
        }
        RM_ASSERT(false);
    }

    void settle_without_operands() {
        if (!operands_.empty()) {
            return fail("'" + std::string(name_of_verb()) + "' takes no " +
                        quoted(operands_.front()));
        }
        if (line_.verb == Verb::Run) need_file("-c FILE is missing: no configuration");
    }

    void settle_file() {
        if (operands_.size() + (line_.file.empty() ? 0 : 1) > 1) {
            return fail("'" + std::string(name_of_verb()) + "' takes one file");
        }
        if (!operands_.empty()) line_.file = operands_.front();
        need_file("the name of a file is missing");
    }

    void settle_help() {
        if (operands_.size() > 1) return fail("'help' takes one topic");
        if (!operands_.empty()) line_.topic = operands_.front();
        std::vector<std::string_view> topics = verb_names();
        topics.insert(topics.end(), other_topics.begin(), other_topics.end());
        if (line_.toml && line_.topic != "options") return fail("--toml is for 'help options'");
        if (line_.topic.empty() || std::ranges::find(topics, line_.topic) != topics.end()) return;
        std::string hint = did_you_mean(line_.topic, topics);
        if (hint.empty()) hint = "; there is " + list_text(topics, " and ");
        fail("no help on " + quoted(line_.topic) + hint);
    }

    void need_file(std::string_view message) {
        if (line_.file.empty()) fail(std::string(message));
    }

    [[nodiscard]] std::string_view name_of_verb() const {
        return std::ranges::find(verb_table, line_.verb, &VerbRow::verb)->name;
    }

    void fail(std::string message) {
        if (!line_.error.empty()) return;
        const std::string topic = has_verb_ ? " " + std::string(name_of_verb()) : "";
        line_.error = std::move(message) + "\n(see 'ringmain help" + topic + "')";
    }

    std::vector<std::string_view> arguments_;
    size_t at_ = 0;
    CommandLine line_;
    bool has_verb_ = false;
    bool test_ = false;
    bool version_ = false;
    bool help_ = false;
    std::vector<std::string> operands_;
    std::vector<const OptionRow*> given_;
};

}  // namespace

CommandLine parse_command_line(std::span<const char* const> arguments) {
    return Parser(arguments).run();
}

}  // namespace ringmain::config
