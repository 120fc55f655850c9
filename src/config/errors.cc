#include "ringmain/config/errors.h"

#include "words.h"

namespace ringmain::config {

namespace {

using Kind = ErrorRow::Kind;

#define SECTION(title, ...) ErrorRow{Kind::Section, title, __VA_ARGS__},
#define SERVER(text, cause, remedy) ErrorRow{Kind::Server, text, cause, remedy},
#define OWN(text, cause, remedy) ErrorRow{Kind::Own, text, cause, remedy},
#define LINE(text, cause, remedy) ErrorRow{Kind::Line, text, cause, remedy},

// clang-format off
constexpr ErrorRow table[] = {
#include "errors.def"
};
// clang-format on

#undef SECTION
#undef SERVER
#undef OWN
#undef LINE

constexpr std::string_view gap = "{}";

// "a {} b {}" against "a x b y": each part is sought from where the one before it ended, which
// finds a way whenever there is one, since the last part must stand at the end.
bool is_like(std::string_view pattern, std::string_view text) {
    const size_t first = pattern.find(gap);
    if (first == std::string_view::npos) return pattern == text;
    if (!text.starts_with(pattern.substr(0, first))) return false;
    text.remove_prefix(first);
    pattern.remove_prefix(first + gap.size());
    for (;;) {
        const size_t next = pattern.find(gap);
        if (next == std::string_view::npos) return text.ends_with(pattern);
        const std::string_view part = pattern.substr(0, next);
        const size_t at = text.find(part);
        if (at == std::string_view::npos) return false;
        text.remove_prefix(at + part.size());
        pattern.remove_prefix(next + gap.size());
    }
}

// Of a command in steps: what is done stands behind the error.
std::string_view without_state(std::string_view text) {
    const size_t state = text.rfind("; '");
    const bool is_state = state != std::string_view::npos &&
                          (text.find("' has ", state) != std::string_view::npos ||
                           text.find("' may have ", state) != std::string_view::npos ||
                           text.find("' asks all servers", state) != std::string_view::npos);
    return is_state ? text.substr(0, state) : text;
}

void append_labelled(std::string_view label, std::string_view text, std::string& out) {
    constexpr std::string_view margin = "            ";
    std::string first = "    " + std::string(label);
    first.resize(margin.size(), ' ');
    append_wrapped({.first = first, .margin = margin, .width = 100}, text, out);
}

// As people know it, with a word for what differs.
std::string shown(std::string_view pattern) {
    std::string text;
    while (!pattern.empty()) {
        const size_t next = pattern.find(gap);
        text += pattern.substr(0, next);
        if (next == std::string_view::npos) break;
        text += "...";
        pattern.remove_prefix(next + gap.size());
    }
    return text;
}

constexpr std::string_view help_head =
    "Every error that ringmain itself sends to a client. What a server says is passed on as it "
    "is.\n"
    "In a text \"...\" stands for what differs: a name, a number, a server's own words.\n";

}  // namespace

std::span<const ErrorRow> error_table() {
    return table;
}

bool fits(const ErrorRow& row, std::string_view line) {
    if (row.kind == Kind::Section) return false;
    if (row.kind == Kind::Line) return is_like(row.text, line);
    for (const std::string_view sign : {"-ERR ringmain: ", "SERVER_ERROR ringmain: "}) {
        if (!line.starts_with(sign)) continue;
        const std::string_view text = without_state(line.substr(sign.size()));
        if (row.kind == Kind::Own) return is_like(row.text, text);
        return text.starts_with("server ") && is_like("server {} " + std::string(row.text), text);
    }
    return false;
}

std::string errors_help() {
    std::string out(help_head);
    for (const ErrorRow& row : table) {
        if (row.kind == Kind::Section) {
            out.append("\n# ").append(row.text).append("\n");
            out.append("# ").append(row.cause).append("\n");
            if (!row.remedy.empty()) out.append("# ").append(row.remedy).append("\n");
            continue;
        }
        out.append("\n").append(shown(row.text)).append("\n");
        append_labelled("why", row.cause, out);
        append_labelled("what", row.remedy, out);
    }
    return out;
}

}  // namespace ringmain::config
