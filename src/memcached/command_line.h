// src/memcached/command_line.h - checks one command line and says what must follow it.
//
// The checks are memcached's, in its order, with its answers; see the request parser's header for
// where we are stricter. Every offset that is stored counts from the first byte of the line.

#pragma once

#include "ringmain/memcached/request_parser.h"

#include <cstdint>
#include <string_view>

#include "words.h"

namespace ringmain::memcached {

struct Demand {
    bool hang_up = false;    // not for us: close without a word
    bool is_last = false;    // refused, and nobody knows where the next request begins: close
    bool has_data = false;   // a data block follows; of an Invalid request: to be swallowed
    uint32_t data_size = 0;  // without its line end
};

// `line` has no line end. Fills all of `frame` that the line tells.
[[nodiscard]] Demand read_command_line(std::string_view line, RequestFrame& frame);

// For the readers below: a line of which the first word has been read.
struct CommandLine {
    std::string_view line;
    Words words;
    RequestFrame* frame;

    [[nodiscard]] ByteRange range_of(std::string_view word) const {
        return {static_cast<uint32_t>(word.data() - line.data()),
                static_cast<uint32_t>(word.size())};
    }

    void keep_key(std::string_view key) const {
        if (frame->key_count < RequestFrame::keys_kept) {
            frame->keys[frame->key_count] = range_of(key);
        }
        frame->key_count += 1;
    }

    void refuse(std::string_view answer) const {
        frame->verb = Verb::Invalid;
        frame->answer = frame->noreply ? std::string_view{} : answer;
    }
};

[[nodiscard]] Demand read_classic(CommandLine& command);
[[nodiscard]] Demand read_meta(CommandLine& command);

// Of a line that is refused, or may be another than it seems: it is not known which bytes behind it
// are its data, and none of them may be run.
[[nodiscard]] Demand refuse_all(const CommandLine& command);

// Of a refused line: its data, if it is known where that ends.
[[nodiscard]] Demand skip_data(const CommandLine& command, std::string_view length);

// Of an ms that was found right: some memcached takes it. What none takes leaves the older value.
[[nodiscard]] bool has_known_flags(std::string_view line);

}  // namespace ringmain::memcached
