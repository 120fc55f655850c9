#include "ringmain/resp/commands.h"

#include "ringmain/base/ascii.h"
#include "ringmain/resp/arguments.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>

#include "command_row.h"
#include "key_search.h"

namespace ringmain::resp {

namespace {

namespace acl = acl_category;
namespace flag = command_flag;
namespace key = key_flag;
using enum Crossing;

// clang-format off
#include "command_parts.def"
#include "subcommands.def"
constexpr Command rows[] = {
#include "commands_a_to_l.def"
#include "commands_m_to_z.def"
};
// clang-format on

constexpr size_t row_count = std::size(rows);

constexpr auto numbered = [] {
    static_assert(row_count < UINT8_MAX);
    std::array<Command, row_count> table;
    for (size_t i = 0; i < row_count; ++i) {
        table[i] = rows[i];
        table[i].number = static_cast<uint8_t>(i + 1);
    }
    return table;
}();

// --- By name ------------------------------------------------------------------------------------
//
// A name is folded to two words of eight bytes in lower case: its first eight and its last eight,
// which overlap. Words and size together are the whole name up to 16 bytes; of longer names (there
// are two) the middle is compared, too.

constexpr size_t word_size = 8;
constexpr size_t folded_size_max = 2 * word_size;

struct Folded {
    uint64_t first = 0;
    uint64_t last = 0;
    size_t size = 0;

    [[nodiscard]] bool operator==(const Folded&) const = default;
};

// The bytes at these places, the first the lowest. Without a loop: compilers see the single load.
template <size_t... at>
constexpr uint64_t load(const char* bytes, std::index_sequence<at...>) {
    return ((uint64_t{static_cast<unsigned char>(bytes[at])} << (8 * at)) | ...);
}

constexpr uint64_t load_8(const char* bytes) {
    return load(bytes, std::make_index_sequence<8>());
}

constexpr uint64_t load_4(const char* bytes) {
    return load(bytes, std::make_index_sequence<4>());
}

constexpr uint64_t load_1(const char* bytes) {
    return load(bytes, std::make_index_sequence<1>());
}

// Eight bytes at once: adds 32 to those in 'A'..'Z'. The additions cannot carry into a neighbour,
// since the top bits are out of the way.
constexpr uint64_t lower(uint64_t word) {
    constexpr uint64_t each = 0x0101010101010101;
    const uint64_t low = word & (each * 0x7f);
    const uint64_t at_least_a = low + each * (0x80 - 'A');
    const uint64_t beyond_z = low + each * (0x80 - 'Z' - 1);
    const uint64_t is_upper = (at_least_a ^ beyond_z) & ~word & (each * 0x80);
    return word | (is_upper >> 2);
}

constexpr Folded fold(std::string_view name) {
    const char* bytes = name.data();
    const size_t size = name.size();
    if (size >= word_size) {
        return {.first = lower(load_8(bytes)),
                .last = lower(load_8(bytes + size - word_size)),
                .size = size};
    }
    // Parts that overlap have the same bits there.
    uint64_t word = 0;
    if (size >= 4) {
        word = load_4(bytes) | load_4(bytes + size - 4) << (8 * (size - 4));
    } else if (size > 0) {
        const size_t middle = size / 2;
        word = load_1(bytes) | load_1(bytes + middle) << (8 * middle) |
               load_1(bytes + size - 1) << (8 * (size - 1));
    }
    return {.first = lower(word), .last = 0, .size = size};
}

constexpr size_t slot_of(const Folded& name) {
    return (name.first + 3 * name.last + name.size) * slot_multiplier >> (64 - slot_bits);
}

constexpr auto folded_names = [] {
    std::array<Folded, row_count> names;
    for (size_t i = 0; i < row_count; ++i) {
        names[i] = fold(rows[i].name);
    }
    return names;
}();

// The number of the row; 0 for an empty slot.
constexpr auto slots = [] {
    std::array<uint8_t, size_t{1} << slot_bits> table = {};
    for (size_t i = 0; i < row_count; ++i) {
        table[slot_of(folded_names[i])] = static_cast<uint8_t>(i + 1);
    }
    return table;
}();

constexpr bool each_name_has_its_slot() {
    for (size_t i = 0; i < row_count; ++i) {
        if (slots[slot_of(folded_names[i])] != i + 1) return false;
    }
    return true;
}

static_assert(each_name_has_its_slot(), "run tools/make_commands.py");

// --- Arguments ----------------------------------------------------------------------------------

class FrameArguments {
  public:
    FrameArguments(const Bytes& bytes, std::span<const ByteRange> ranges, std::string& scratch)
        : bytes_(bytes), ranges_(ranges), scratch_(scratch) {}

    [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(ranges_.size()); }

    [[nodiscard]] std::string_view view(uint32_t index) const { return head(index, word_size_max); }

    [[nodiscard]] std::string_view head(uint32_t index, uint32_t size_max) const {
        return bytes_.view(ranges_[index].first(size_max), scratch_, place_);
    }

  private:
    const Bytes& bytes_;
    std::span<const ByteRange> ranges_;
    std::string& scratch_;
    mutable ChainPlace place_;  // they are read in order, and there may be a million
};

class ViewArguments {
  public:
    explicit ViewArguments(std::span<const std::string_view> views) : views_(views) {}

    [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(views_.size()); }

    [[nodiscard]] std::string_view view(uint32_t index) const { return views_[index]; }

  private:
    std::span<const std::string_view> views_;
};

template <class Arguments>
KeySearch append_keys(const Command& command,
                      const Arguments& arguments,
                      std::vector<uint32_t>& keys) {
    return search_keys(command, arguments, [&keys](uint32_t position, const KeySpec&) {
        keys.push_back(position);
    });
}

template <class Arguments>
bool options_block(const Command& command, const Arguments& arguments) {
    if ((command.flags & command_flag::blocking) == 0 || command.options_from == 0) return false;
    return read_options(arguments, command.options_from).blocks;
}

template <class Arguments>
uint32_t destination_of(const Command& command, const Arguments& arguments) {
    constexpr uint16_t writes = key::insert | key::update;
    uint32_t destination = 0;
    const KeySearch found =
        search_keys(command, arguments, [&destination](uint32_t position, const KeySpec& spec) {
            if ((spec.flags & writes) != 0) destination = position;
        });
    return found == KeySearch::Found ? destination : 0;
}

}  // namespace

// With a fraction, and read as the server does it: hexadecimal spellings too, and in 64 bits of
// mantissa where the machine has them.
std::string_view read_seconds(std::string_view text, int64_t& wait_ms) {
    constexpr std::string_view no_float = "-ERR timeout is not a float or out of range\r\n";
    constexpr std::string_view spaces = " \t\n\v\f\r";
    constexpr size_t size_max = 5119;
    constexpr long double clock_end = 0x1p63L;  // what lies beyond is negative to the server
    if (text.empty() || text.size() > size_max) return no_float;
    if (spaces.find(text.front()) != std::string_view::npos) return no_float;
    const std::string terminated(text);
    char* end = nullptr;
    errno = 0;
    const long double seconds = std::strtold(terminated.c_str(), &end);
    const bool is_beyond = errno == ERANGE && (seconds == 0 || std::isinf(seconds));
    const bool is_whole = end == terminated.c_str() + terminated.size();
    if (!is_whole || is_beyond || std::isnan(seconds)) return no_float;
    const long double ms = std::ceil(seconds * 1000);
    if (ms < 0 || ms >= clock_end) return "-ERR timeout is negative\r\n";
    wait_ms = static_cast<int64_t>(std::min<long double>(ms, wait_ms_max));
    return "";
}

std::span<const Command> commands() {
    return numbered;
}

const Command* find_command(std::string_view name) {
    const Folded folded = fold(name);
    const size_t row = slots[slot_of(folded)];
    if (row == 0 || folded_names[row - 1] != folded) return nullptr;
    const Command& command = numbered[row - 1];
    if (name.size() > folded_size_max && !ascii::equal_ignoring_case(name, command.name)) {
        return nullptr;
    }
    return &command;
}

const Command* find_subcommand(const Command& command, std::string_view subcommand) {
    if (command.subcommands.empty()) return &command;
    const size_t prefix_size = command.name.size() + 1;
    for (const Command& row : command.subcommands) {
        if (ascii::equal_ignoring_case(row.name.substr(prefix_size), subcommand)) return &row;
    }
    return nullptr;
}

const Command* find_by_full_name(std::string_view name) {
    const size_t bar = name.find('|');
    const Command* command = find_command(name.substr(0, bar));
    if (command == nullptr || bar == std::string_view::npos) return command;
    if (command->subcommands.empty()) return nullptr;
    return find_subcommand(*command, name.substr(bar + 1));
}

std::optional<Rule> parse_rule(std::string_view text) {
    if (text.size() < 2 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
    Rule rule = {.allows = text[0] == '+'};
    const std::string_view what = text.substr(1);
    if (what.starts_with('@')) {
        rule.categories =
            ascii::equal_ignoring_case(what, "@all") ? Rule::all : acl_category_of(what.substr(1));
        if (rule.categories == 0) return std::nullopt;
    } else {
        rule.command = find_by_full_name(what);
        if (rule.command == nullptr) return std::nullopt;
    }
    return rule;
}

KeySearch find_keys(const Command& command,
                    const Bytes& bytes,
                    std::span<const ByteRange> arguments,
                    std::string& scratch,
                    std::vector<uint32_t>& keys) {
    const size_t before = keys.size();
    const KeySearch found = append_keys(command, FrameArguments(bytes, arguments, scratch), keys);
    // PFMERGE without sources is right, and makes its destination. By its key specifications it
    // has no keys, and so says COMMAND GETKEYS.
    if (found == KeySearch::Invalid && command.name == "pfmerge" && arguments.size() == 2) {
        keys.resize(before);
        keys.push_back(1);
        return KeySearch::Found;
    }
    return found;
}

KeySearch find_keys(const Command& command,
                    std::span<const std::string_view> arguments,
                    std::vector<uint32_t>& keys) {
    return append_keys(command, ViewArguments(arguments), keys);
}

bool blocks(const Command& command,
            const Bytes& bytes,
            std::span<const ByteRange> arguments,
            std::string& scratch) {
    return options_block(command, FrameArguments(bytes, arguments, scratch));
}

bool blocks(const Command& command, std::span<const std::string_view> arguments) {
    return options_block(command, ViewArguments(arguments));
}

bool has_patterns(const Command& command) {
    return command.name == "sort" || command.name == "sort_ro";
}

void find_patterns(const Bytes& bytes,
                   std::span<const ByteRange> arguments,
                   std::string& scratch,
                   std::vector<uint32_t>& patterns) {
    const FrameArguments all(bytes, arguments, scratch);
    for_each_pattern(all, [&](uint32_t at) {
        const bool is_long = arguments[at].size > pattern_head_size;
        const bool has_star = all.head(at, pattern_head_size).find('*') != std::string_view::npos;
        if (is_long || has_star) patterns.push_back(at);
    });
}

uint32_t find_destination(const Command& command,
                          const Bytes& bytes,
                          std::span<const ByteRange> arguments,
                          std::string& scratch) {
    return destination_of(command, FrameArguments(bytes, arguments, scratch));
}

uint32_t find_destination(const Command& command, std::span<const std::string_view> arguments) {
    return destination_of(command, ViewArguments(arguments));
}

std::optional<int64_t> wait_ms_of(const Command& command,
                                  const Bytes& bytes,
                                  std::span<const ByteRange> arguments,
                                  std::string& scratch) {
    const FrameArguments all(bytes, arguments, scratch);
    if (command.options_from != 0) {
        const uint32_t at = read_options(all, command.options_from).block;
        if (at == 0 || at >= all.size()) return std::nullopt;
        const std::optional<int64_t> ms = ascii::parse_int64(all.view(at));
        if (!ms.has_value() || *ms < 0) return std::nullopt;
        return std::min(*ms, wait_ms_max);
    }
    // Where keys are counted the time stands before the count, else behind everything.
    const bool first = command.key_specs[0].find == KeySpec::Find::KeyNumber;
    // A server reads a number of thousands of zeros. Whose time is longer, it may refuse itself.
    constexpr uint32_t seconds_size_max = 8192;
    const uint32_t at = first ? 1 : all.size() - 1;
    int64_t wait_ms = 0;
    const bool is_read = arguments[at].size <= seconds_size_max &&
                         read_seconds(all.head(at, seconds_size_max), wait_ms).empty();
    return is_read ? std::optional(wait_ms) : std::nullopt;
}

}  // namespace ringmain::resp
