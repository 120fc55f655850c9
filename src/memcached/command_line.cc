#include "command_line.h"

#include "answers.h"
#include "numbers.h"
#include "verbs.h"

namespace ringmain::memcached {

namespace {

// A browser that was lured here must not get a second line: its body is somebody else's text.
// memcached hangs up on a last word of "HTTP/..."; the other two are redis's rule.
bool is_http(std::string_view first, CommandLine& command) {
    if (first == "POST" || first == "Host:") return true;
    std::string_view last = first;
    for (std::string_view word = last; !word.empty(); word = command.words.next()) {
        last = word;
    }
    return last.starts_with("HTTP/");
}

// "slabs reassign 1 2" and "slabs automove 1 0.8": what memcached says of the words, empty when it
// would do it.
std::string_view mistake_of_slabs(Words words) {
    const std::string_view what = words.next();
    const std::string_view first = words.next();
    const std::string_view second = words.next();
    const bool has_more = !words.next().empty();
    const bool reassigns = what == "reassign" && !second.empty() && !has_more;
    const bool moves = what == "automove" && !first.empty();
    if (!reassigns && !moves) return answers::error;
    const bool are_numbers = is_signed_number(first) && (!reassigns || is_signed_number(second));
    // Of automove the second word is a fraction, for memcached to read.
    return are_numbers ? std::string_view() : answers::bad_format;
}

// Of which a last word of "noreply" silences memcached, be the others right or wrong. It answers
// `slabs reassign`, `lru_crawler`, `shutdown` and what it does not know all the same.
bool is_silenced(std::string_view word, Words words) {
    const std::string_view what = words.next();
    std::string_view last = what;
    size_t count = 0;
    for (std::string_view next = what; !next.empty(); next = words.next()) {
        last = next;
        count += 1;
    }
    if (last != "noreply") return false;
    if (word == "slabs") return what == "automove" && count > 1;
    if (word == "cache_memlimit") return count <= 2;
    return word == "lru" || word == "extstore" || word == "watch";
}

Demand refuse_unknown(std::string_view word, CommandLine& command) {
    const Words words = command.words;
    if (is_http(word, command)) return {.hang_up = true};
    command.frame->noreply = is_silenced(word, words);
    const std::string_view mistake = word == "slabs" ? mistake_of_slabs(words) : std::string_view();
    command.refuse(mistake.empty() ? refusal_of(word) : mistake);
    return {};
}

}  // namespace

Demand refuse_all(const CommandLine& command) {
    command.refuse(answers::unknown_end);
    return {.is_last = true};
}

Demand skip_data(const CommandLine& command, std::string_view length) {
    const std::optional<uint32_t> size = read_length(loose_number(length));
    if (!size.has_value()) return refuse_all(command);
    return {.has_data = true, .data_size = *size};
}

Demand read_command_line(std::string_view line, RequestFrame& frame) {
    CommandLine command = {.line = line, .words = Words(line), .frame = &frame};
    frame.line = {0, static_cast<uint32_t>(line.size())};
    const std::string_view word = command.words.next();
    frame.verb = verb_of(word);
    if (frame.verb == Verb::Invalid) return refuse_unknown(word, command);
    return is_meta(frame.verb) ? read_meta(command) : read_classic(command);
}

}  // namespace ringmain::memcached
