#include "ringmain/resp/command_info.h"

#include "ringmain/base/assert.h"
#include "ringmain/resp/commands.h"
#include "ringmain/resp/glob.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <vector>

#include "command_docs.h"
#include "command_row.h"
#include "key_search.h"

namespace ringmain::resp {

namespace {

using Arguments = std::span<const std::string_view>;

constexpr size_t pattern_size_max = 512;

// --- Several commands ---------------------------------------------------------------------------

const Command* find_shown(std::string_view name) {
    const Command* command = find_by_full_name(name);
    return command == nullptr || command->hidden ? nullptr : command;
}

// A response that grows too large becomes an error. Returns whether it has.
bool too_large(std::string& out, size_t start) {
    if (out.size() - start <= command_response_size_max) return false;
    out.resize(start);
    write_error(out, "ERR ringmain: the response would be larger than 1 MiB, ask for less at once");
    return true;
}

bool is_shown(const Command& command) {
    return !command.hidden;
}

// As redis counts: also those that a request is refused.
uint64_t shown_count() {
    return static_cast<uint64_t>(std::ranges::count_if(commands(), is_shown));
}

void write_infos(std::string& out, Arguments names, Version version) {
    const size_t start = out.size();
    if (names.empty()) {
        write_array_header(out, shown_count());
        for (const Command& command : commands()) {
            if (is_shown(command)) write_info(out, command, version);
        }
        return;
    }
    write_array_header(out, names.size());
    for (const std::string_view name : names) {
        const Command* command = find_shown(name);
        if (command == nullptr) {
            write_null(out, version);
        } else {
            write_info(out, *command, version);
        }
        if (too_large(out, start)) return;
    }
}

void write_all_docs(std::string& out, Arguments names, Version version) {
    const size_t start = out.size();
    if (names.empty()) {
        write_map_header(out, shown_count(), version);
        for (const Command& command : commands()) {
            if (is_shown(command)) write_docs(out, command, version);
        }
        return;
    }
    const auto is_known = [](std::string_view name) { return find_shown(name) != nullptr; };
    const auto count = std::ranges::count_if(names, is_known);
    write_map_header(out, static_cast<uint64_t>(count), version);
    for (const std::string_view name : names) {
        const Command* command = find_shown(name);
        if (command == nullptr) continue;
        write_docs(out, *command, version);
        if (too_large(out, start)) return;
    }
}

using Writer = void (*)(std::string&, Arguments, Version);

template <Writer write, Version version>
std::string_view written_once() {
    static const std::string text = [] {
        std::string out;
        write(out, {}, version);
        return out;
    }();
    return text;
}

template <Writer write>
std::string_view written_once(Version version) {
    return version == Version::Resp3 ? written_once<write, Version::Resp3>()
                                     : written_once<write, Version::Resp2>();
}

// --- COMMAND LIST -------------------------------------------------------------------------------

struct ListFilter {
    enum class Kind : uint8_t { None, Module, AclCategory, Pattern };

    Kind kind = Kind::None;
    uint32_t acl = 0;
    std::string_view pattern = {};

    [[nodiscard]] bool accepts(const Command& command) const {
        if (command.hidden) return false;
        switch (kind) {
            case Kind::None:
                return true;
            case Kind::Module:
                return false;  // there are no modules here
            case Kind::AclCategory:
                return (command.acl & acl) != 0;
            case Kind::Pattern:
                return glob_matches(pattern, command.name);
        }
        RM_ASSERT(false);
    }
};

// From FILTERBY on; nothing when it is no correct filter.
std::optional<ListFilter> parse_filter(Arguments words) {
    if (words.empty()) return ListFilter{};
    if (words.size() != 3 || !is_word(words[0], "filterby")) return std::nullopt;
    if (is_word(words[1], "module")) return ListFilter{.kind = ListFilter::Kind::Module};
    if (is_word(words[1], "pattern")) {
        return ListFilter{.kind = ListFilter::Kind::Pattern, .pattern = words[2]};
    }
    if (!is_word(words[1], "aclcat")) return std::nullopt;
    return ListFilter{.kind = ListFilter::Kind::AclCategory, .acl = acl_category_of(words[2])};
}

void write_list(std::string& out, Arguments words) {
    const std::optional<ListFilter> filter = parse_filter(words);
    if (!filter.has_value()) return write_error(out, "ERR syntax error");
    if (filter->pattern.size() > pattern_size_max) {
        return write_error(out, "ERR ringmain: a pattern for command names has at most 512 bytes");
    }
    std::string names;
    uint64_t count = 0;
    const auto add = [&](const Command& command) {
        if (!filter->accepts(command)) return;
        write_bulk(names, command.name);
        count += 1;
    };
    for (const Command& command : commands()) {
        add(command);
        for (const Command& row : command.subcommands) {
            add(row);
        }
    }
    write_array_header(out, count);
    out.append(names);
}

// --- COMMAND GETKEYS ----------------------------------------------------------------------------

class Views {
  public:
    explicit Views(Arguments views) : views_(views) {}

    [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(views_.size()); }

    [[nodiscard]] std::string_view view(uint32_t index) const { return views_[index]; }

  private:
    Arguments views_;
};

struct FoundKey {
    uint32_t position = 0;
    uint16_t flags = 0;
};

// SET reads its key with the option GET only.
uint16_t set_flags(Arguments request) {
    for (size_t i = 3; i < request.size(); ++i) {
        if (is_word(request[i], "get")) return key_flag::rw | key_flag::access | key_flag::update;
    }
    return key_flag::ow | key_flag::update;
}

// BITFIELD writes its key unless all its subcommands are GET.
uint16_t bitfield_flags(Arguments request) {
    for (size_t i = 2; i < request.size(); ++i) {
        const size_t left = request.size() - i - 1;
        if (is_word(request[i], "get") && left >= 2) {
            i += 2;
        } else if (is_word(request[i], "overflow") && left >= 1) {
            i += 1;
        } else {
            return key_flag::rw | key_flag::access | key_flag::update;
        }
    }
    return key_flag::ro | key_flag::access;
}

uint16_t flags_of(const Command& command, const KeySpec& spec, Arguments request) {
    if ((spec.flags & key_flag::variable_flags) == 0) {
        return spec.flags & static_cast<uint16_t>(~key_flag::incomplete);
    }
    return command.name == "set" ? set_flags(request) : bitfield_flags(request);
}

bool has_keys(const Command& command) {
    return std::ranges::any_of(command.key_specs, [](const KeySpec& spec) {
        return (spec.flags & key_flag::not_key) == 0;
    });
}

// The row of a request within a request; null when there is none.
const Command* find_row(Arguments request) {
    const Command* command = find_command(request[0]);
    if (command == nullptr || request.size() == 1) return command;
    return find_subcommand(*command, request[1]);
}

void write_keys(std::string& out, Arguments request, bool with_flags, Version version) {
    const Command* command = find_row(request);
    if (command == nullptr) return write_error(out, "ERR Invalid command specified");
    if (!has_keys(*command)) return write_error(out, "ERR The command has no key arguments");
    if (!arity_fits(*command, static_cast<uint32_t>(request.size()))) {
        return write_error(out, "ERR Invalid number of arguments specified for command");
    }
    std::vector<FoundKey> keys;
    const auto sink = [&](uint32_t position, const KeySpec& spec) {
        keys.push_back({.position = position, .flags = flags_of(*command, spec, request)});
    };
    const KeySearch result = search_keys(*command, Views(request), sink, Reading::AsTold);
    // Redis does not tell a wrong count from a count of 0 where 0 is allowed.
    const bool may_be_none = (command->flags & command_flag::no_mandatory_keys) != 0;
    if (result != KeySearch::Found && !may_be_none) {
        return write_error(out, "ERR Invalid arguments specified for command");
    }
    const size_t start = out.size();
    write_array_header(out, keys.size());
    for (const FoundKey& found : keys) {
        if (with_flags) write_array_header(out, 2);
        write_bulk(out, request[found.position]);
        if (with_flags) write_key_flags(out, found.flags, version);
        if (too_large(out, start)) return;
    }
}

// --- COMMAND HELP -------------------------------------------------------------------------------

constexpr std::string_view help_lines[] = {
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
    "HELP",
    "    Prints this help.",
};

void write_help(std::string& out) {
    write_array_header(out, std::size(help_lines));
    for (const std::string_view line : help_lines) {
        write_simple(out, line);
    }
}

}  // namespace

void answer_command(std::string& out,
                    const Command& command,
                    std::span<const std::string_view> arguments,
                    Version version) {
    const Arguments rest = arguments.subspan(std::min<size_t>(arguments.size(), 2));
    const CommandId id = command.id;
    if (id == CommandId::Command) return write_infos(out, {}, version);
    if (id == CommandId::CommandInfo) return write_infos(out, rest, version);
    if (id == CommandId::CommandDocs) return write_all_docs(out, rest, version);
    if (id == CommandId::CommandList) return write_list(out, rest);
    if (id == CommandId::CommandHelp) return write_help(out);
    if (id == CommandId::CommandCount) {
        return write_integer(out, static_cast<int64_t>(shown_count()));
    }
    RM_ASSERT(id == CommandId::CommandGetkeys || id == CommandId::CommandGetkeysandflags);
    RM_ASSERT(!rest.empty());
    write_keys(out, rest, id == CommandId::CommandGetkeysandflags, version);
}

std::string_view answer_of_all(const Command& command, size_t argument_count, Version version) {
    if (command.id == CommandId::Command) return written_once<write_infos>(version);
    if (argument_count > 2) return {};
    if (command.id == CommandId::CommandInfo) return written_once<write_infos>(version);
    if (command.id == CommandId::CommandDocs) return written_once<write_all_docs>(version);
    return {};
}

}  // namespace ringmain::resp
