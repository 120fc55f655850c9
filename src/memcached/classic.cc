// The classic text commands.

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/memcached/forward.h"

#include <array>

#include "answers.h"
#include "command_line.h"
#include "numbers.h"

namespace ringmain::memcached {

namespace {

// The words behind the command; more than any classic command but get takes are only counted.
struct Arguments {
    static constexpr size_t kept = 6;

    std::array<std::string_view, kept> words;
    size_t count = 0;

    explicit Arguments(Words& line) {
        for (std::string_view word = line.next(); !word.empty(); word = line.next()) {
            if (count < kept) words[count] = word;
            count += 1;
        }
    }

    // memcached looks for "noreply" in the last place, whatever that place is for.
    [[nodiscard]] bool end_in_noreply() const {
        return count > 0 && count <= kept && ascii::is(words[count - 1], "noreply");
    }
};

bool is_key(std::string_view word) {
    return word.size() <= key_size_max;
}

// The words that follow are keys: all of them at one go when one blank is before each, none is too
// long, and no control character is among them. Else false, and none is taken.
[[gnu::noinline]] bool keep_usual_keys(const CommandLine& command) {
    RequestFrame& frame = *command.frame;
    const std::string_view line = command.line;
    const size_t blank = command.words.position();
    if (blank == line.size() || !command.words.is_regular()) return false;
    bool is_usual = true;
    uint32_t count = 0;
    size_t begin = blank + 1;
    const auto keep = [&](size_t end) {
        const size_t size = end - begin;
        is_usual = is_usual && size - 1 < key_size_max;
        if (count < RequestFrame::keys_kept) {
            frame.keys[count] = {static_cast<uint32_t>(begin), static_cast<uint32_t>(size)};
        }
        count += 1;
        begin = end + 1;
    };
    const bool is_broken = each_blank(line, begin, keep);
    keep(line.size());
    if (is_broken || !is_usual) return false;
    frame.key_count = count;
    return true;
}

void read_get(CommandLine& command) {
    RequestFrame& frame = *command.frame;
    const bool has_exptime = is_get_and_touch(frame.verb);
    std::string_view exptime;
    if (has_exptime) {
        exptime = command.words.next();
        if (exptime.empty()) return command.refuse(answers::error);
        if (!is_signed_number(exptime)) return command.refuse(answers::bad_exptime);
        frame.argument = command.range_of(exptime);
    }
    if (keep_usual_keys(command)) [[likely]] {
        frame.is_canonical = !has_exptime || is_canonical_time(exptime);
        return;
    }
    for (std::string_view key = command.words.next(); !key.empty(); key = command.words.next()) {
        if (!is_key(key)) return command.refuse(answers::bad_format);
        command.keep_key(key);
    }
    if (command.words.has_break()) return command.refuse(answers::bad_format);
    if (frame.key_count == 0) {
        // memcached finds nothing to look up behind the exptime and says so.
        return command.refuse(has_exptime ? end_of_values : answers::error);
    }
    frame.is_canonical = command.words.is_regular() && (!has_exptime || is_canonical_time(exptime));
}

// "<key> <flags> <exptime> <length>" as most write it: the key is kept, and it is canonical. The
// length; nothing, and nothing is taken, when it is written in another way or is another line.
std::optional<uint32_t> take_usual_update(CommandLine& command) {
    const std::string_view line = command.line;
    const size_t blank = command.words.position();
    if (blank == line.size() || !command.words.is_regular()) return std::nullopt;
    size_t at = find_special(line, blank + 1);
    const std::string_view key = line.substr(blank + 1, at - (blank + 1));
    if (key.empty() || !is_key(key)) return std::nullopt;
    std::optional<uint32_t> number;
    for (int left = 3; left > 0; --left) {
        number = take_short_number(line, &at);
        if (!number.has_value()) return std::nullopt;
    }
    if (at != line.size()) return std::nullopt;
    command.keep_key(key);
    command.frame->is_canonical = true;
    return number;
}

// <command> <key> <flags> <exptime> <length> [cas] [noreply]
// A key that is empty, or has a blank or a line feed in it, moves the words, and another is taken
// for the length: the value would be cut elsewhere, and its end run. In the place of "noreply"
// memcached ignores any word; a number there is what such a key has moved.
Demand read_update(CommandLine& command) {
    RequestFrame& frame = *command.frame;
    if (frame.verb != Verb::Cas) {
        const std::optional<uint32_t> size = take_usual_update(command);
        if (size.has_value()) [[likely]] {
            return {.has_data = true, .data_size = *size};
        }
    }
    const Arguments arguments(command.words);
    const size_t count = frame.verb == Verb::Cas ? 5 : 4;
    const auto& [key, flags, exptime, length, cas, rest] = arguments.words;
    const bool noreply = arguments.end_in_noreply();
    if (arguments.count < count + (noreply ? 1 : 0)) return refuse_all(command);
    if (arguments.count > count + 1) return refuse_all(command);
    if (arguments.count > count && ascii::is_digit(arguments.words[count].front())) {
        return refuse_all(command);
    }
    frame.noreply = noreply;

    const bool is_right = is_key(key) && !command.words.has_break() &&
                          read_unsigned(flags, UINT32_MAX).has_value() &&
                          is_signed_number(exptime) &&
                          (frame.verb != Verb::Cas || read_unsigned(cas, UINT64_MAX).has_value());
    const std::optional<uint32_t> data_size = read_length(length);
    if (!is_right || !data_size.has_value()) command.refuse(answers::bad_format);
    if (!data_size.has_value()) return skip_data(command, length);

    command.keep_key(key);
    frame.is_canonical = command.words.is_regular() && arguments.count == count &&
                         is_canonical_number(flags) && is_canonical_time(exptime) &&
                         is_canonical_number(length) &&
                         (frame.verb != Verb::Cas || is_canonical_number(cas));
    return {.has_data = true, .data_size = *data_size};
}

// incr, decr, touch: <command> <key> <number> [noreply]
void read_key_and_number(CommandLine& command) {
    RequestFrame& frame = *command.frame;
    const Arguments arguments(command.words);
    if (arguments.count != 2 && arguments.count != 3) return command.refuse(answers::error);
    frame.noreply = arguments.end_in_noreply();
    const std::string_view key = arguments.words[0];
    const std::string_view number = arguments.words[1];
    if (!is_key(key) || command.words.has_break()) return command.refuse(answers::bad_format);

    if (frame.verb == Verb::Touch) {
        if (!is_signed_number(number)) return command.refuse(answers::bad_exptime);
    } else if (!read_unsigned(number, UINT64_MAX).has_value()) {
        return command.refuse(answers::bad_delta);
    }
    command.keep_key(key);
    const bool is_spelled_so =
        frame.verb == Verb::Touch ? is_canonical_time(number) : is_canonical_number(number);
    frame.is_canonical = command.words.is_regular() && arguments.count == 2 && is_spelled_so;
}

// delete <key> [0] [noreply]: the zero is what is left of a delay that memcached once had.
void read_delete(CommandLine& command) {
    RequestFrame& frame = *command.frame;
    const Arguments arguments(command.words);
    if (arguments.count < 1 || arguments.count > 3) return command.refuse(answers::error);
    if (arguments.count > 1) {
        frame.noreply = arguments.end_in_noreply();
        const bool has_zero = arguments.words[1] == "0";
        const bool is_right =
            arguments.count == 2 ? has_zero || frame.noreply : has_zero && frame.noreply;
        if (!is_right) return command.refuse(answers::delete_usage);
    }
    const std::string_view key = arguments.words[0];
    if (!is_key(key) || command.words.has_break()) return command.refuse(answers::bad_format);
    command.keep_key(key);
    frame.is_canonical = command.words.is_regular() && arguments.count == 1 && !needs_zero(key);
}

// flush_all [delay] [noreply]
void read_flush_all(CommandLine& command) {
    RequestFrame& frame = *command.frame;
    const Arguments arguments(command.words);
    if (arguments.count > 2) return command.refuse(answers::error);
    frame.noreply = arguments.end_in_noreply();
    if (arguments.count == (frame.noreply ? 1U : 0U)) return;
    const std::string_view delay = arguments.words[0];
    if (!is_signed_number(delay)) return command.refuse(answers::bad_exptime);
    frame.argument = command.range_of(delay);
}

// verbosity <level> [noreply]
void read_verbosity(CommandLine& command) {
    const Arguments arguments(command.words);
    if (arguments.count != 1 && arguments.count != 2) return command.refuse(answers::error);
    command.frame->noreply = arguments.end_in_noreply();
    const std::string_view level = arguments.words[0];
    if (!read_unsigned(level, UINT32_MAX).has_value()) return command.refuse(answers::bad_format);
    command.frame->argument = command.range_of(level);
}

void read_stats(CommandLine& command) {
    const Arguments arguments(command.words);
    if (arguments.count == 0) return;
    if (arguments.count > Arguments::kept || command.words.has_break()) {
        return command.refuse(answers::error);
    }
    command.frame->argument = command.range_of(arguments.words[0]);
}

}  // namespace

Demand read_classic(CommandLine& command) {
    switch (command.frame->verb) {
        case Verb::Get:
        case Verb::Gets:
        case Verb::Gat:
        case Verb::Gats:
            read_get(command);
            return {};
        case Verb::Set:
        case Verb::Add:
        case Verb::Replace:
        case Verb::Append:
        case Verb::Prepend:
        case Verb::Cas:
            return read_update(command);
        case Verb::Incr:
        case Verb::Decr:
        case Verb::Touch:
            read_key_and_number(command);
            return {};
        case Verb::Delete:
            read_delete(command);
            return {};
        case Verb::FlushAll:
            read_flush_all(command);
            return {};
        case Verb::Verbosity:
            read_verbosity(command);
            return {};
        case Verb::Stats:
            read_stats(command);
            return {};
        case Verb::Version:
        case Verb::Quit:
            return {};  // whatever follows the word is ignored, as memcached does
        case Verb::MetaGet:
        case Verb::MetaSet:
        case Verb::MetaDelete:
        case Verb::MetaArithmetic:
        case Verb::MetaDebug:
        case Verb::MetaNoop:
        case Verb::Invalid:
            break;
    }
    RM_ASSERT(false);
}

}  // namespace ringmain::memcached
