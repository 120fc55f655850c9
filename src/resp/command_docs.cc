#include "command_docs.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>

namespace ringmain::resp {

namespace {

// The text is RESP3 without lengths of strings: one line per header or value, of the types % ~ * :
// + $, each ended by LF. No string has a line end. A container's first header counts its
// subcommands, which are not in the text.
struct Docs {
    std::string_view name;
    std::string_view text;
};

constexpr Docs all_docs[] = {
#include "command_docs.inc"
};

std::string_view docs_of(std::string_view name) {
    const Docs* docs = std::lower_bound(
        std::begin(all_docs),
        std::end(all_docs),
        name,
        [](const Docs& candidate, std::string_view wanted) { return candidate.name < wanted; });
    RM_ASSERT(docs != std::end(all_docs) && docs->name == name);
    return docs->text;
}

uint64_t count_of(std::string_view digits) {
    uint64_t count = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), count);
    return count;
}

void write_line(std::string& out, std::string_view line, Version version) {
    const std::string_view value = line.substr(1);
    switch (line.front()) {
        case '%':
            write_map_header(out, count_of(value), version);
            return;
        case '~':
            write_set_header(out, count_of(value), version);
            return;
        case '*':
            write_array_header(out, count_of(value));
            return;
        case '$':
            write_bulk(out, value);
            return;
        default:
            out.append(line).append("\r\n");
            return;
    }
}

void write_text_of(std::string& out, const Command& command, Version version) {
    std::string_view text = docs_of(command.name);
    while (!text.empty()) {
        const size_t end = text.find('\n');
        write_line(out, text.substr(0, end), version);
        text.remove_prefix(end + 1);
    }
}

}  // namespace

void write_docs(std::string& out, const Command& command, Version version) {
    write_bulk(out, command.name);
    write_text_of(out, command, version);
    if (command.subcommands.empty()) return;

    const auto is_shown = [](const Command& row) { return !row.hidden; };
    write_bulk(out, "subcommands");
    const auto count = std::ranges::count_if(command.subcommands, is_shown);
    write_map_header(out, static_cast<uint64_t>(count), version);
    for (const Command& row : command.subcommands) {
        if (!is_shown(row)) continue;
        write_bulk(out, row.name);
        write_text_of(out, row, version);
    }
}

}  // namespace ringmain::resp
