// The meta commands.
//
// Flags are checked as far as the stream's safety and our own use of them need it: their number,
// duplicates, numbers in range, the key's encoding. What a letter means is the server's business,
// so that the flags of later versions pass, too.

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <span>

#include "answers.h"
#include "base64.h"
#include "command_line.h"
#include "numbers.h"

namespace ringmain::memcached {

namespace {

// With the command, the key and the length of ms.
constexpr size_t words_max = 19;
constexpr size_t opaque_size_max = 32;  // with the letter O

struct MetaWords {
    std::array<std::string_view, words_max> words;
    size_t count = 1;  // the command was read already

    explicit MetaWords(Words& line) {
        for (std::string_view word = line.next(); !word.empty(); word = line.next()) {
            if (count < words_max) words[count] = word;
            count += 1;
        }
    }

    [[nodiscard]] std::string_view key() const { return words[1]; }
};

// Empty when the argument of the flag is right, or none of ours to check.
std::string_view check_argument(std::string_view flag) {
    const std::string_view argument = flag.substr(1);
    switch (flag.front()) {
        case 'N':
        case 'R':
        case 'T':
            return is_signed_number(argument) ? std::string_view{} : answers::bad_token;
        case 'C':
            return read_unsigned(argument, UINT64_MAX) ? std::string_view{} : answers::bad_token;
        case 'F':
            return read_unsigned(argument, UINT32_MAX) ? std::string_view{} : answers::bad_format;
        case 'J':
            return read_unsigned(argument, UINT64_MAX) ? std::string_view{} : answers::bad_initial;
        case 'D':
            return read_unsigned(argument, UINT64_MAX) ? std::string_view{}
                                                       : answers::bad_meta_delta;
        case 'M':
            return argument.size() == 1 ? std::string_view{} : answers::bad_mode_size;
        default:
            return {};
    }
}

// An item that was not stored with b has no mark that says how its key is to be written: memcached
// 1.6 writes out what it is.
bool has_line_end(std::string_view key) {
    return key.find_first_of("\r\n") != std::string_view::npos;
}

// Notes q and b. Empty when all is right. A flag that is no letter is no version's; some servers
// cannot read the line then, and take the data of ms for requests.
std::string_view read_flags(const MetaWords& words, size_t first, RequestFrame& frame) {
    std::bitset<127> seen;
    bool breaks_lines = false;
    std::string_view answer;
    bool is_opaque_too_long = false;
    for (size_t i = first; i < words.count; ++i) {
        const std::string_view flag = words.words[i];
        const auto letter = static_cast<unsigned char>(flag.front());
        if (letter >= seen.size() || seen.test(letter)) return answers::duplicate_flag;
        if (!ascii::is_letter(flag.front())) return answers::invalid_flag;
        seen.set(letter);
        const std::string_view wrong = check_argument(flag);
        if (!wrong.empty()) answer = wrong;
        if (letter == 'q') frame.quiet = true;
        if (letter == 'O') is_opaque_too_long = flag.size() > opaque_size_max;
        if (letter == 'b') {
            frame.base64_key = true;
            const DecodedKey key = decode_base64(words.key());
            if (key.size == 0) answer = answers::bad_key;
            breaks_lines = has_line_end(key.view());
        }
    }
    const bool echoes = frame.verb == Verb::MetaGet || frame.verb == Verb::MetaArithmetic;
    if (answer.empty() && breaks_lines && echoes && seen.test('k')) {
        answer = answers::unspeakable_key;
    }
    if (answer.empty() && is_opaque_too_long) return answers::opaque_too_long;
    return answer;
}

// md and ma have one text for all that may be wrong with a flag, save the opaque.
std::string_view answer_of(Verb verb, std::string_view answer) {
    const bool is_terse = verb == Verb::MetaDelete || verb == Verb::MetaArithmetic;
    const bool is_own = answer == answers::opaque_too_long || answer == answers::unspeakable_key;
    return is_terse && !is_own ? answers::bad_or_duplicate_flag : answer;
}

// me <key> [b]: other words are ignored by the server, q included.
void read_debug(CommandLine& command, const MetaWords& words) {
    RequestFrame& frame = *command.frame;
    if (words.count > words_max) return command.refuse(answers::flags_too_long);
    if (words.count > 2 && words.words[2] == "b") {
        frame.base64_key = true;
        const DecodedKey key = decode_base64(words.key());
        if (key.size == 0) return command.refuse(answers::bad_format);
        if (has_line_end(key.view())) return command.refuse(answers::unspeakable_debug);
    }
    frame.is_canonical = command.words.is_regular();
    command.keep_key(words.key());
}

// The common part of mg, ms, md and ma.
void read_key_and_flags(CommandLine& command, const MetaWords& words, size_t first_flag) {
    RequestFrame& frame = *command.frame;
    if (words.count > words_max) {
        return command.refuse(frame.verb == Verb::MetaGet ? answers::get_flags_too_long
                                                          : answers::flags_too_long);
    }
    const std::string_view wrong = read_flags(words, first_flag, frame);
    if (!wrong.empty()) return command.refuse(answer_of(frame.verb, wrong));
    frame.is_canonical = command.words.is_regular() && !frame.quiet;
    command.keep_key(words.key());
}

// A flag of ms that all versions take which know ms, and that is spelled as all of them read it.
bool is_plain_flag(std::string_view flag) {
    constexpr std::string_view modes = "EAPRS";
    const std::string_view argument = flag.substr(1);
    switch (flag.front()) {
        case 'b':
        case 'c':
        case 'I':
        case 'k':
        case 'O':
        case 'q':
            return true;
        case 'C':
        case 'F':
            return is_canonical_number(argument);
        case 'T':
            return is_canonical_time(argument);
        case 'M':
            return modes.find(argument) != std::string_view::npos;
        default:
            return false;
    }
}

// No flag of any version begins so: a key with a blank in it has moved the length.
bool is_moved_length(std::string_view flag) {
    return ascii::is_digit(flag.front());
}

// ms <key> <length> <flags>*
Demand read_set(CommandLine& command, const MetaWords& words, bool is_right) {
    constexpr size_t words_before = 3;
    if (words.count < words_before) return refuse_all(command);
    const std::optional<uint32_t> data_size = read_length(words.words[2]);
    if (!data_size.has_value()) command.refuse(answers::bad_format);
    if (is_right && data_size.has_value()) read_key_and_flags(command, words, words_before);

    const size_t count = std::min(words.count, words_max);
    const auto flags = std::span(words.words).subspan(words_before, count - words_before);
    if (command.frame->verb == Verb::Invalid) {
        if (std::ranges::any_of(flags, is_moved_length)) return refuse_all(command);
        if (!data_size.has_value()) return skip_data(command, words.words[2]);
    } else {
        const bool is_plain = std::ranges::all_of(flags, is_plain_flag);
        command.frame->version_need = is_plain ? VersionNeed::Plain : VersionNeed::Unusual;
    }
    if (!is_canonical_number(words.words[2])) command.frame->is_canonical = false;
    return {.has_data = true, .data_size = *data_size};
}

bool is_known_flag(std::string_view flag) {
    constexpr std::string_view letters = "bcfhklqstuvCDEFIJLMNOPRT";
    constexpr std::string_view modes = "EAPRSeaprs";
    if (flag.front() == 'M') return modes.find(flag[1]) != std::string_view::npos;
    return letters.find(flag.front()) != std::string_view::npos;
}

}  // namespace

bool has_known_flags(std::string_view line) {
    constexpr size_t words_before = 3;
    Words words(line);
    for (size_t i = 0; i < words_before; ++i) {
        static_cast<void>(words.next());
    }
    for (std::string_view flag = words.next(); !flag.empty(); flag = words.next()) {
        if (!is_known_flag(flag)) return false;
    }
    return true;
}

Demand read_meta(CommandLine& command) {
    const Verb verb = command.frame->verb;
    if (verb == Verb::MetaNoop) return {};
    const MetaWords words(command.words);
    if (words.count < 2) {
        if (verb == Verb::MetaSet) return refuse_all(command);
        command.refuse(verb == Verb::MetaDebug ? answers::bad_format : answers::error);
        return {};
    }
    const bool is_right = words.key().size() <= key_size_max && !command.words.has_break();
    if (!is_right) command.refuse(answers::bad_format);
    if (verb == Verb::MetaSet) return read_set(command, words, is_right);
    if (!is_right) return {};
    if (verb == Verb::MetaDebug) {
        read_debug(command, words);
    } else {
        read_key_and_flags(command, words, 2);
    }
    return {};
}

}  // namespace ringmain::memcached
