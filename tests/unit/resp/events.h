// tests/unit/resp/events.h - what a parser says about a stream, as one text.
//
// Two ways to cut a stream are equal when their texts are. Keeps the bytes of an unfinished frame
// as the proxy does, so that the text shows the arguments themselves.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/resp/request_parser.h"
#include "ringmain/resp/response_parser.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace ringmain::test {

inline std::string describe(const resp::RequestFrame& frame, std::string_view bytes) {
    if (frame.oversized) return "oversized " + std::to_string(frame.argument_count);
    RM_ASSERT(frame.size == bytes.size());
    if (frame.is_inline) {
        RM_ASSERT(frame.argument_count == 0);
        return "inline " + std::string(bytes);
    }
    if (frame.argument_count == 0) return "nothing";
    std::string text = std::to_string(frame.argument_count);
    for (size_t i = 0; i < frame.argument_count && i < frame.arguments.size(); ++i) {
        const ByteRange& range = frame.arguments[i];
        RM_ASSERT(range.end() + 2 <= bytes.size());
        text += ' ';
        text += bytes.substr(range.offset, range.size);
    }
    return text;
}

inline std::string describe(const resp::ResponseFrame& frame, std::string_view bytes) {
    RM_ASSERT(frame.size == bytes.size());
    std::string text(1, frame.type);
    if (frame.is_null) text += "null";
    return text + std::to_string(frame.number) + " of " + std::to_string(frame.size);
}

inline bool is_discarding(const resp::RequestParser& parser) {
    return parser.discarding();
}

inline bool is_discarding(const resp::ResponseParser&) {
    return false;
}

template <class Parser>
class Events {
  public:
    explicit Events(Parser& parser) : parser_(&parser) {}

    void feed(std::string_view piece) {
        while (!piece.empty() && !failed_) {
            const Fed fed = parser_->feed(piece);
            RM_ASSERT(fed.consumed <= piece.size());
            kept_ += piece.substr(0, fed.consumed);
            switch (fed.status) {
                case ParseStatus::Complete:
                    RM_ASSERT(fed.consumed > 0);
                    text_ += "<" + describe(parser_->frame(), kept_) + ">";
                    kept_.clear();
                    parser_->next();
                    break;
                case ParseStatus::NeedMore:
                    RM_ASSERT(fed.consumed == piece.size());
                    break;
                case ParseStatus::Error:
                    text_ += "error: " + std::string(parser_->error());
                    failed_ = true;
                    return;
            }
            piece.remove_prefix(fed.consumed);
        }
    }

    // With what is left over: how much was kept and how much of a body is missing.
    [[nodiscard]] std::string text() const {
        if (failed_ || kept_.empty()) return text_;
        const std::string missing = std::to_string(parser_->bytes_missing());
        if (is_discarding(*parser_)) return text_ + "discarding, missing " + missing;
        return text_ + "kept " + std::to_string(kept_.size()) + ", missing " + missing;
    }

  private:
    Parser* parser_;
    std::string text_;
    std::string kept_;
    bool failed_ = false;
};

template <class Parser>
std::string events_of(Parser parser, std::string_view bytes) {
    Events<Parser> events(parser);
    events.feed(bytes);
    return events.text();
}

template <class Parser>
std::string events_of(Parser parser, std::string_view head, std::string_view tail) {
    Events<Parser> events(parser);
    events.feed(head);
    events.feed(tail);
    return events.text();
}

template <class Parser>
std::string events_byte_by_byte(Parser parser, std::string_view bytes) {
    Events<Parser> events(parser);
    for (size_t i = 0; i < bytes.size(); ++i)
        events.feed(bytes.substr(i, 1));
    return events.text();
}

}  // namespace ringmain::test
