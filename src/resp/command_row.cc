#include "command_row.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <span>

namespace ringmain::resp {

namespace {

// In the order of the bits, which is redis's order of telling them.
constexpr std::string_view flag_names[] = {
    "write",
    "readonly",
    "denyoom",
    "admin",
    "pubsub",
    "noscript",
    "blocking",
    "loading",
    "stale",
    "skip_monitor",
    "skip_slowlog",
    "asking",
    "fast",
    "no_auth",
    "may_replicate",
    "no_mandatory_keys",
    "no_async_loading",
    "no_multi",
    "movablekeys",
    "allow_busy",
};
constexpr std::string_view key_flag_names[] = {
    "RW",
    "RO",
    "OW",
    "RM",
    "access",
    "update",
    "insert",
    "delete",
    "not_key",
    "incomplete",
    "variable_flags",
};
constexpr std::string_view acl_names[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
};

void write_bits(std::string& out,
                uint32_t bits,
                std::span<const std::string_view> names,
                std::string_view prefix,
                Version version) {
    write_set_header(out, static_cast<uint64_t>(std::popcount(bits)), version);
    for (size_t i = 0; i < names.size(); ++i) {
        if ((bits >> i & 1) != 0) out.append("+").append(prefix).append(names[i]).append("\r\n");
    }
}

void write_number(std::string& out, std::string_view name, int64_t number) {
    write_bulk(out, name);
    write_integer(out, number);
}

// What redis told before it had key specifications: first key, last key, step. As it derives them,
// from the specifications with fixed places that continue one another.
struct LegacyRange {
    int64_t first = 0;
    int64_t last = 0;
    int64_t step = 0;
};

LegacyRange legacy_range(const Command& command) {
    LegacyRange range;
    for (const KeySpec& spec : command.key_specs) {
        if (spec.begin != KeySpec::Begin::Index || spec.find != KeySpec::Find::Range) continue;
        if (range.first != 0 && spec.index != range.last + 1) continue;
        if (range.first == 0) range = {.first = spec.index, .step = spec.key_step};
        range.last = spec.last_key < 0 ? spec.last_key : spec.index + spec.last_key;
    }
    return range;
}

void write_begin_search(std::string& out, const KeySpec& spec, Version version) {
    write_map_header(out, 2, version);
    write_bulk(out, "type");
    switch (spec.begin) {
        case KeySpec::Begin::Index:
            write_bulk(out, "index");
            write_bulk(out, "spec");
            write_map_header(out, 1, version);
            write_number(out, "index", spec.index);
            return;
        case KeySpec::Begin::Keyword:
            write_bulk(out, "keyword");
            write_bulk(out, "spec");
            write_map_header(out, 2, version);
            write_bulk(out, "keyword");
            write_bulk(out, spec.keyword);
            write_number(out, "startfrom", spec.index);
            return;
        case KeySpec::Begin::Unknown:
            write_bulk(out, "unknown");
            write_bulk(out, "spec");
            write_map_header(out, 0, version);
            return;
    }
}

void write_find_keys(std::string& out, const KeySpec& spec, Version version) {
    write_map_header(out, 2, version);
    write_bulk(out, "type");
    switch (spec.find) {
        case KeySpec::Find::Range:
            write_bulk(out, "range");
            write_bulk(out, "spec");
            write_map_header(out, 3, version);
            write_number(out, "lastkey", spec.last_key);
            write_number(out, "keystep", spec.key_step);
            write_number(out, "limit", spec.limit);
            return;
        case KeySpec::Find::KeyNumber:
            write_bulk(out, "keynum");
            write_bulk(out, "spec");
            write_map_header(out, 3, version);
            write_number(out, "keynumidx", spec.number_index);
            write_number(out, "firstkey", spec.first_key);
            write_number(out, "keystep", spec.key_step);
            return;
        case KeySpec::Find::Unknown:
            write_bulk(out, "unknown");
            write_bulk(out, "spec");
            write_map_header(out, 0, version);
            return;
    }
}

void write_key_spec(std::string& out, const KeySpec& spec, Version version) {
    write_map_header(out, spec.notes.empty() ? 3 : 4, version);
    if (!spec.notes.empty()) {
        write_bulk(out, "notes");
        write_bulk(out, spec.notes);
    }
    write_bulk(out, "flags");
    write_bits(out, spec.flags, key_flag_names, "", version);
    write_bulk(out, "begin_search");
    write_begin_search(out, spec, version);
    write_bulk(out, "find_keys");
    write_find_keys(out, spec, version);
}

// All of a row but its subcommands.
void write_row(std::string& out, const Command& command, Version version) {
    constexpr uint64_t field_count = 10;
    write_array_header(out, field_count);
    write_bulk(out, command.name);
    write_integer(out, command.arity);
    write_bits(out, command.flags, flag_names, "", version);
    const LegacyRange range = legacy_range(command);
    write_integer(out, range.first);
    write_integer(out, range.last);
    write_integer(out, range.step);
    write_bits(out, command.acl, acl_names, "@", version);
    write_set_header(out, command.tips.size(), version);
    for (const std::string_view tip : command.tips) {
        write_bulk(out, tip);
    }
    write_set_header(out, command.key_specs.size(), version);
    for (const KeySpec& spec : command.key_specs) {
        write_key_spec(out, spec, version);
    }
}

}  // namespace

std::span<const std::string_view> acl_category_names() {
    return acl_names;
}

uint32_t acl_category_of(std::string_view name) {
    for (size_t i = 0; i < std::size(acl_names); ++i) {
        if (ascii::equal_ignoring_case(name, acl_names[i])) return 1U << i;
    }
    return 0;
}

void write_key_flags(std::string& out, uint16_t flags, Version version) {
    write_bits(out, flags, key_flag_names, "", version);
}

void write_info(std::string& out, const Command& command, Version version) {
    write_row(out, command, version);
    if (command.subcommands.empty()) {
        write_set_header(out, 0, version);
        return;
    }
    const auto count = std::ranges::count(command.subcommands, false, &Command::hidden);
    write_array_header(out, static_cast<uint64_t>(count));
    for (const Command& row : command.subcommands) {
        if (row.hidden) continue;
        write_row(out, row, version);
        write_set_header(out, 0, version);
    }
}

}  // namespace ringmain::resp
