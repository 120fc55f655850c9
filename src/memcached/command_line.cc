#include "command_line.h"

#include "answers.h"
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

Demand refuse_unknown(std::string_view word, CommandLine& command) {
    if (is_http(word, command)) return {.hang_up = true};
    command.refuse(refusal_of(word));
    return {};
}

}  // namespace

Demand read_command_line(std::string_view line, RequestFrame& frame) {
    CommandLine command = {.line = line, .words = Words(line), .frame = &frame};
    frame.line = {0, static_cast<uint32_t>(line.size())};
    const std::string_view word = command.words.next();
    frame.verb = verb_of(word);
    if (frame.verb == Verb::Invalid) return refuse_unknown(word, command);
    return is_meta(frame.verb) ? read_meta(command) : read_classic(command);
}

}  // namespace ringmain::memcached
