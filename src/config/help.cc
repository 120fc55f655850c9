// The help texts, made from the tables of commands and options.

#include "ringmain/config/errors.h"
#include "ringmain/config/options.h"
#include "ringmain/stats/prometheus.h"

#include <algorithm>

#include "command_table.h"

namespace ringmain::config {

namespace {

constexpr std::string_view environment =
    "RINGMAIN_IGNORE_FEATURES\n"
    "    A list of io_uring features, with commas between, that are to be taken as missing in "
    "this\n"
    "    kernel: for tests of the ways around them, and where a kernel has a feature that does "
    "not\n"
    "    work. 'ringmain doctor' lists their names.\n";

void append_options(uint32_t verbs, std::string& out) {
    constexpr size_t column = 30;
    for (const OptionRow& row : option_table) {
        if ((row.verbs & verbs) == 0) continue;
        std::string left = "  ";
        left += row.letter == '\0' ? "    " : std::string("-") + row.letter + ", ";
        left.append("--").append(row.name);
        if (!row.value.empty()) left.append(" ").append(row.value);
        left.resize(std::max(column, left.size() + 2), ' ');
        out.append(left).append(row.help).append("\n");
    }
}

std::string overview() {
    std::string out = "ringmain, a sharding proxy for redis and memcached\n\nUsage:\n";
    for (const VerbRow& row : verb_table) {
        out.append("  ").append(row.usage).append("\n");
    }
    out += "  ringmain --version | --help\n\nCommands:\n";
    for (const VerbRow& row : verb_table) {
        std::string left = "  " + std::string(row.name);
        left.resize(12, ' ');
        out.append(left).append(row.summary).append("\n");
    }
    out += "\nOptions:\n";
    append_options(every_verb, out);
    out +=
        "\nThe configuration is described by 'ringmain help options'. Exit status: 0 success, 1\n"
        "refused or out of memory (the reason is on standard error), 2 wrong usage.\n";
    return out;
}

}  // namespace

std::string_view version_text() {
    return "ringmain " RINGMAIN_VERSION;
}

std::string help_text(std::string_view topic, bool toml) {
    if (topic == "options") return toml ? options_toml() : options_help();
    if (topic == "environment") return std::string(environment);
    if (topic == "metrics") return stats::metrics_help();
    if (topic == "errors") return errors_help();
    const auto* row = std::ranges::find(verb_table, topic, &VerbRow::name);
    if (row == verb_table.end()) return overview();
    std::string out = "Usage: ";
    out.append(row->usage).append("\n\n").append(row->doc).append("\nOptions:\n");
    append_options(bit(row->verb), out);
    return out;
}

}  // namespace ringmain::config
