#include "ringmain/resp/pop.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/resp/commands.h"
#include "ringmain/resp/writer.h"

#include <algorithm>

#include "key_search.h"

namespace ringmain::resp {

namespace {

std::string upper(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), ascii::upper);
    return result;
}

// "0.100"; a wait of no time would be one for ever.
std::string seconds_of(Duration duration) {
    const int64_t ms = std::max<int64_t>((duration.ns + 999'999) / 1'000'000, 1);
    const std::string rest = std::to_string(1000 + ms % 1000).substr(1);
    return std::to_string(ms / 1000) + "." + rest;
}

// LEFT, RIGHT, MIN or MAX, and behind it COUNT, as redis reads them.
std::string_view mistake_of(const Pop& pop) {
    constexpr std::string_view syntax = "-ERR syntax error\r\n";
    const bool is_list = pop.question.front() == 'L';
    const std::vector<std::string>& all = pop.options;
    if (all.empty()) return syntax;
    if (!is_word(all[0], is_list ? "left" : "min") && !is_word(all[0], is_list ? "right" : "max")) {
        return syntax;
    }
    if (all.size() == 1) return "";
    if (all.size() == 2 || !is_word(all[1], "count")) return syntax;
    const std::optional<int64_t> count = ascii::parse_int64(all[2]);
    if (!count.has_value() || *count < 1) return "-ERR count should be greater than 0\r\n";
    return all.size() == 3 ? "" : syntax;
}

void write_keys(std::string& text, std::span<const std::string_view> keys) {
    for (const std::string_view key : keys) {
        write_bulk(text, key);
    }
}

}  // namespace

std::string_view read_pop(const Command& command,
                          std::span<const std::string> words,
                          std::span<const uint32_t> keys,
                          Pop& pop) {
    RM_ASSERT(command.crossing == Crossing::Popped);
    RM_ASSERT(!keys.empty());
    pop.waits = command.handling == Handling::Blocking;
    pop.counts_keys = command.key_specs[0].find == KeySpec::Find::KeyNumber;
    pop.name = upper(command.name);
    pop.question = pop.waits ? pop.name.substr(1) : pop.name;
    for (const uint32_t key : keys) {
        pop.keys.push_back(words[key]);
    }
    if (pop.counts_keys) {
        pop.options.assign(words.begin() + keys.back() + 1, words.end());
        if (const std::string_view mistake = mistake_of(pop); !mistake.empty()) return mistake;
    }
    if (!pop.waits) return "";
    return read_seconds(pop.counts_keys ? words[1] : words.back(), pop.wait_ms);
}

std::string question_text(const Pop& pop, size_t first, size_t count) {
    RM_ASSERT(count == 1 || (pop.counts_keys && count > 0));
    RM_ASSERT(first + count <= pop.keys.size());
    std::string text;
    const size_t counted = pop.counts_keys ? 1 : 0;
    write_array_header(text, 1 + counted + count + pop.options.size());
    write_bulk(text, pop.question);
    if (pop.counts_keys) write_bulk(text, std::to_string(count));
    for (const std::string& key : std::span(pop.keys).subspan(first, count)) {
        write_bulk(text, key);
    }
    for (const std::string& option : pop.options) {
        write_bulk(text, option);
    }
    return text;
}

std::string wait_text(const Pop& pop, std::span<const std::string_view> keys, Duration wait) {
    RM_ASSERT(pop.waits);
    std::string text;
    const std::string seconds = seconds_of(wait);
    if (pop.counts_keys) {
        write_array_header(text, 3 + keys.size() + pop.options.size());
        write_bulk(text, pop.name);
        write_bulk(text, seconds);
        write_bulk(text, std::to_string(keys.size()));
        write_keys(text, keys);
        for (const std::string& option : pop.options) {
            write_bulk(text, option);
        }
        return text;
    }
    write_array_header(text, 2 + keys.size());
    write_bulk(text, pop.name);
    write_keys(text, keys);
    write_bulk(text, seconds);
    return text;
}

bool fits_question(const Pop& pop, const ResponseFrame& frame) {
    if (pop.counts_keys) return fits_wait(pop, frame);
    // ZPOPMIN has an empty array where others have nothing.
    if (pop.question.front() == 'Z') {
        return frame.type == '*' && !frame.is_null && (frame.number == 2 || frame.number == 0);
    }
    return frame.type == '$' || frame.type == '_';
}

bool fits_wait(const Pop& pop, const ResponseFrame& frame) {
    const bool has_score = pop.question.front() == 'Z' && !pop.counts_keys;
    const int64_t size = has_score ? 3 : 2;
    return frame.type == '_' || (frame.type == '*' && (frame.is_null || frame.number == size));
}

bool is_nothing(const ResponseFrame& frame) {
    return frame.is_null || frame.type == '_' || (frame.type == '*' && frame.number == 0);
}

PopHead head_of(const Pop& pop, size_t key) {
    PopHead head;
    if (pop.counts_keys) return head;
    const bool has_score = pop.question.front() == 'Z';
    write_array_header(head.text, has_score ? 3 : 2);
    write_bulk(head.text, pop.keys[key]);
    // "*2\r\n" is what the frame was checked for.
    head.skip = has_score ? 4 : 0;
    return head;
}

}  // namespace ringmain::resp
