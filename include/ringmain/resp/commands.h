// ringmain/resp/commands.h - the command table of redis 7.0, and where a request's keys are.

#pragma once

#include "ringmain/base/ascii.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/protocol/command.h"
#include "ringmain/protocol/frame.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::resp {

// All commands, hidden ones too, in alphabetical order; subcommands are within their containers.
[[nodiscard]] std::span<const Command> commands();

// By name in any letter case; null when unknown. Does not look at subcommands.
[[nodiscard]] const Command* find_command(std::string_view name);

// The row that speaks for a request: the subcommand's when the command is a container, else the
// command's own. Null when a container has no such subcommand.
[[nodiscard]] const Command* find_subcommand(const Command& command, std::string_view subcommand);

// By the whole name as COMMAND INFO takes it, "get" or "client|setname"; null when unknown.
[[nodiscard]] const Command* find_by_full_name(std::string_view name);

// A rule of a user: "+get", "-client|list", "+@read", "-@all".
struct Rule {
    static constexpr uint32_t all = ~uint32_t{0};  // "@all"

    bool allows = false;
    uint32_t categories = 0;           // bits of acl_category
    const Command* command = nullptr;  // a row, or a subcommand's; null with a category

    // `row` speaks for the request; `command` is its container, or the same.
    [[nodiscard]] bool fits(const Command& container, const Command& row) const {
        if (command == nullptr) return categories == all || (row.acl & categories) != 0;
        return command == &row || command == &container;
    }
};

// Nothing when it is none, or when there is no such command or category.
[[nodiscard]] std::optional<Rule> parse_rule(std::string_view text);

// Whether a server may be asked about a command that is not in the table (a module's, or a younger
// one). Not when the name has a NUL: redis hashes the whole of a name but compares it up to there,
// so some "SUBSCRIBE\0x" is SUBSCRIBE to a server, and nothing in the table.
//
// Nor any that is not made of letters, digits, '.', '_' and '-', as the names of all modules are,
// and not POST: redis closes a connection that says POST or Host:, and others share it.
[[nodiscard]] constexpr bool may_be_foreign(std::string_view name) {
    if (name.empty() || ascii::equal_ignoring_case(name, "post")) {
        return false;
    }
    for (const char byte : name) {
        const bool allowed = ascii::is_letter(byte) || ascii::is_digit(byte) || byte == '.' ||
                             byte == '_' || byte == '-';
        if (!allowed) {
            return false;
        }
    }
    return true;
}

// Why a pool of several servers refuses what asks_about_all_keys().
inline constexpr std::string_view reason_all_keys =
    "it asks about all keys of one server, and a pool has several";

// Of those whether it asks about whatever keys its server has, which no argument names: by an index
// over them (of RediSearch all but suggestions, which are one key), or by labels.
[[nodiscard]] constexpr bool asks_about_all_keys(std::string_view name) {
    constexpr std::string_view by_label[] = {
        "ts.mget", "ts.mrange", "ts.mrevrange", "ts.queryindex"};
    constexpr std::string_view search = "ft.";
    constexpr std::string_view suggestions = "ft.sug";
    for (const std::string_view other : by_label) {
        if (ascii::equal_ignoring_case(name, other)) return true;
    }
    return ascii::equal_ignoring_case(name.substr(0, search.size()), search) &&
           !ascii::equal_ignoring_case(name.substr(0, suggestions.size()), suggestions);
}

[[nodiscard]] constexpr bool arity_fits(const Command& command, uint32_t argument_count) {
    const auto count = static_cast<int64_t>(argument_count);
    if (command.arity < 0) return count >= -command.arity;
    return count == command.arity || (count == command.arity + 1 && command.takes_one_more);
}

enum class KeySearch : uint8_t {
    Found,    // `keys` holds at least one
    None,     // a request without keys (EVAL script 0)
    Invalid,  // the arguments do not fit: a count that is no number, too large, negative. The
              // server refuses such a request whichever it is, and knows the text: ask any.
};

// Appends the positions (indices into `arguments`) of all keys, each once, ascending within a
// specification. `bytes` are the frame's, `scratch` serves arguments that cross blocks. After
// Invalid what was appended means nothing.
[[nodiscard]] KeySearch find_keys(const Command& command,
                                  const Bytes& bytes,
                                  std::span<const ByteRange> arguments,
                                  std::string& scratch,
                                  std::vector<uint32_t>& keys);

// The same for arguments that lie side by side in memory.
[[nodiscard]] KeySearch find_keys(const Command& command,
                                  std::span<const std::string_view> arguments,
                                  std::vector<uint32_t>& keys);

// The position of the key that a command with Crossing writes and does not take away; 0 when there
// is none (SORT without STORE). Of a request whose keys were found.
[[nodiscard]] uint32_t find_destination(const Command& command,
                                        const Bytes& bytes,
                                        std::span<const ByteRange> arguments,
                                        std::string& scratch);

// The same for arguments that lie side by side in memory.
[[nodiscard]] uint32_t find_destination(const Command& command,
                                        std::span<const std::string_view> arguments);

// True for a forwarded command that these arguments make wait on the server: XREAD ... BLOCK. On a
// shared connection it would hold up everybody else.
[[nodiscard]] bool blocks(const Command& command,
                          const Bytes& bytes,
                          std::span<const ByteRange> arguments,
                          std::string& scratch);

[[nodiscard]] bool blocks(const Command& command, std::span<const std::string_view> arguments);

// SORT and SORT_RO, which read keys by patterns.
[[nodiscard]] bool has_patterns(const Command& command);

// So much of a pattern is looked at.
inline constexpr uint32_t pattern_head_size = 64 * 1024;

// Of those: the positions of the patterns behind BY and GET that name keys, having a '*'. What is
// longer than is looked at counts as one.
void find_patterns(const Bytes& bytes,
                   std::span<const ByteRange> arguments,
                   std::string& scratch,
                   std::vector<uint32_t>& patterns);

// A century, which is as good as what is longer and would not fit a clock of nanoseconds.
inline constexpr int64_t wait_ms_max = 100LL * 365 * 24 * 3600 * 1000;

// How long the server lets a command wait (Handling::Blocking, or blocks()), in milliseconds; 0:
// for ever, and at most wait_ms_max. Nothing when that is not to be read from the arguments: then
// the server most probably refuses them at once.
[[nodiscard]] std::optional<int64_t> wait_ms_of(const Command& command,
                                                const Bytes& bytes,
                                                std::span<const ByteRange> arguments,
                                                std::string& scratch);

// The same of a time in seconds, as BLPOP has it. Empty: it is in `wait_ms`. Else what redis says
// of it.
[[nodiscard]] std::string_view read_seconds(std::string_view text, int64_t& wait_ms);

}  // namespace ringmain::resp
