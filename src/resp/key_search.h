// src/resp/key_search.h - finds keys by key specifications, in arguments of any kind.
//
// `Arguments` has size() and view(index), of a long one's beginning (word_size_max); a view is used
// up before the next one is taken, so they may all live in one scratch buffer.
//
// Words are compared as the server compares them: in any letter case and up to the first NUL, for
// it takes "BLOCK\0x" for BLOCK.

#pragma once

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/protocol/command.h"
#include "ringmain/resp/commands.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmain::resp {

[[nodiscard]] inline bool is_word(std::string_view argument, std::string_view word) {
    return ascii::equal_ignoring_case(argument.substr(0, argument.find('\0')), word);
}

// What matters of a command's options: positions, 0 when absent.
struct Options {
    uint32_t store = 0;    // what is behind the last STORE or STOREDIST
    uint32_t streams = 0;  // what is behind STREAMS
    uint32_t block = 0;    // what is behind BLOCK, should there be anything
    bool blocks = false;
};

// Reads the options of XREAD, XREADGROUP, SORT and GEORADIUS from left to right as the server does,
// each with its arguments: a consumer may be called STREAMS, and a pattern STORE. A word that is no
// option of the command at hand makes the server refuse the request, so one list serves them all.
template <class Arguments>
[[nodiscard]] Options read_options(const Arguments& arguments, uint32_t from) {
    Options options;
    for (uint32_t at = from; at < arguments.size(); ++at) {
        const std::string_view argument = arguments.view(at);
        const bool is_last = at + 1 == arguments.size();
        if (is_word(argument, "streams")) {
            options.streams = is_last ? 0 : at + 1;
            return options;
        }
        if (is_word(argument, "group") || is_word(argument, "limit")) {
            at += 2;
        } else if (is_word(argument, "count") || is_word(argument, "by") ||
                   is_word(argument, "get")) {
            at += 1;
        } else if (is_word(argument, "block")) {
            options.blocks = true;
            options.block = at + 1;
            at += 1;
        } else if (!is_last && (is_word(argument, "store") || is_word(argument, "storedist"))) {
            options.store = at + 1;
            at += 1;
        }
    }
    return options;
}

// What is behind BY and GET of SORT, read as above.
template <class Arguments, class Take>
void for_each_pattern(const Arguments& arguments, Take take) {
    constexpr uint32_t options_from = 2;
    for (uint32_t at = options_from; at + 1 < arguments.size(); ++at) {
        const std::string_view argument = arguments.view(at);
        if (is_word(argument, "limit")) {
            at += 2;
        } else if (is_word(argument, "store")) {
            at += 1;
        } else if (is_word(argument, "by") || is_word(argument, "get")) {
            at += 1;
            take(at);
        }
    }
}

// Whose reading of the words between which keys stand: the server's own, as it runs the request, or
// COMMAND GETKEYS's, which looks for the first of each word and not for what an option takes.
enum class Reading : uint8_t { AsRun, AsTold };

// What COMMAND GETKEYS says that SORT writes: a key that is called as an option is one to it.
template <class Arguments>
[[nodiscard]] uint32_t told_store(const Arguments& arguments) {
    uint32_t store = 0;
    for (uint32_t at = 2; at < arguments.size(); ++at) {
        const std::string_view argument = arguments.view(at);
        if (is_word(argument, "limit")) {
            at += 2;
        } else if (is_word(argument, "by") || is_word(argument, "get")) {
            at += 1;
        } else if (is_word(argument, "store") && at + 1 < arguments.size()) {
            store = at + 1;
        }
    }
    return store;
}

// The keys of one specification are at first, first + step, ... up to last.
struct KeyRange {
    const KeySpec* spec = nullptr;
    int64_t first = 0;
    int64_t last = 0;
};

enum class RangeStatus : uint8_t {
    Found,
    Absent,  // the word that the keys stand behind is not there, or their count is 0
    Invalid,
};

// Where a specification's keys, or the count of them, begin; 0 when absent.
template <class Arguments>
[[nodiscard]] int64_t begin_of(const KeySpec& spec,
                               const Arguments& arguments,
                               const Options& options,
                               Reading reading) {
    const bool is_told = reading == Reading::AsTold;
    switch (spec.begin) {
        case KeySpec::Begin::Index:
            return spec.index;
        // SORT: what it writes is behind STORE; what it reads by BY and GET nobody can tell.
        case KeySpec::Begin::Unknown:
            if ((spec.flags & key_flag::ow) == 0) return 0;
            return is_told ? told_store(arguments) : options.store;
        case KeySpec::Begin::Keyword:
            break;
    }
    if (spec.index > 0 && is_told) {
        for (int64_t at = spec.index; at + 1 < arguments.size(); ++at) {
            if (is_word(arguments.view(static_cast<uint32_t>(at)), spec.keyword)) return at + 1;
        }
        return 0;
    }
    if (spec.index > 0) {
        if (spec.keyword == "STREAMS") return options.streams;
        // STOREDIST has a specification of its own, but the last of both words counts.
        return spec.keyword == "STORE" ? int64_t{options.store} : 0;
    }
    for (int64_t at = int64_t{arguments.size()} + spec.index; at > 1; --at) {
        if (is_word(arguments.view(static_cast<uint32_t>(at)), spec.keyword)) return at + 1;
    }
    return 0;
}

template <class Arguments>
[[nodiscard]] RangeStatus locate(const Command& command,
                                 const Arguments& arguments,
                                 const Options& options,
                                 Reading reading,
                                 KeyRange& range) {
    const KeySpec& spec = *range.spec;
    const int64_t size = arguments.size();
    const int64_t begin = begin_of(spec, arguments, options, reading);
    if (begin == 0) return RangeStatus::Absent;

    range.first = begin;
    if (spec.find == KeySpec::Find::KeyNumber) {
        const int64_t number_at = begin + spec.number_index;
        if (number_at >= size) return RangeStatus::Invalid;
        const auto number = ascii::parse_int64(arguments.view(static_cast<uint32_t>(number_at)));
        if (!number.has_value() || *number < 0 || *number > size) return RangeStatus::Invalid;
        const bool may_be_none = (command.flags & command_flag::no_mandatory_keys) != 0;
        if (*number == 0) return may_be_none ? RangeStatus::Absent : RangeStatus::Invalid;
        range.first += spec.first_key;
        range.last = range.first + (*number - 1) * spec.key_step;
    } else if (spec.last_key >= 0) {
        range.last = begin + spec.last_key;
    } else if (spec.limit == 0) {
        range.last = size + spec.last_key;
    } else {
        range.last = begin + (size - begin) / spec.limit + spec.last_key;
    }
    const bool fits = range.first <= range.last && range.last < size;
    return fits ? RangeStatus::Found : RangeStatus::Invalid;
}

// Calls sink(position, specification) for each key, unless the result is Invalid.
template <class Arguments, class Sink>
[[nodiscard]] KeySearch search_keys(const Command& command,
                                    const Arguments& arguments,
                                    Sink sink,
                                    Reading reading = Reading::AsRun) {
    Options options;
    if (command.options_from != 0) options = read_options(arguments, command.options_from);

    constexpr size_t specs_max = 3;
    std::array<KeyRange, specs_max> ranges;
    size_t count = 0;
    RM_ASSERT(command.key_specs.size() <= specs_max);
    for (const KeySpec& spec : command.key_specs) {
        if ((spec.flags & key_flag::not_key) != 0) continue;
        KeyRange range = {.spec = &spec};
        switch (locate(command, arguments, options, reading, range)) {
            case RangeStatus::Invalid:
                return KeySearch::Invalid;
            case RangeStatus::Absent:
                continue;
            case RangeStatus::Found:
                break;
        }
        // MIGRATE: with KEYS, the argument where its one key stood is an empty placeholder.
        if (spec.begin == KeySpec::Begin::Keyword && spec.index < 0) {
            RM_ASSERT(count == 1);
            const auto placeholder = static_cast<uint32_t>(ranges[0].first);
            if (!arguments.view(placeholder).empty()) return KeySearch::Invalid;
            count = 0;
        }
        ranges[count] = range;
        count += 1;
    }
    if (count == 0) {
        const bool may_be_none = (command.flags & command_flag::no_mandatory_keys) != 0;
        return may_be_none ? KeySearch::None : KeySearch::Invalid;
    }
    for (size_t i = 0; i < count; ++i) {
        const KeyRange& range = ranges[i];
        for (int64_t at = range.first; at <= range.last; at += range.spec->key_step) {
            sink(static_cast<uint32_t>(at), *range.spec);
        }
    }
    return KeySearch::Found;
}

}  // namespace ringmain::resp
