// tests/unit/memcached/story.h - what a stream of requests or responses comes to, as one line.
//
// The story of "get a\r\nfoo\r\nget b" is "get(a) | ERROR | ...": a request by its word, its keys
// and its data; a refusal by its answer, "-" when it is silent; "..." for an unfinished one;
// "closed: text" when the parser gave up. Told for every cut of the bytes, it must stay the same.

#pragma once

#include "ringmain/memcached/request_parser.h"
#include "ringmain/memcached/response_parser.h"
#include "tests/guard_page.h"
#include "tests/split.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::memcached::test {

inline const std::string too_long_key(251, 'k');
inline constexpr const char* bad_format = "CLIENT_ERROR bad command line format";
inline constexpr const char* unknown_end =
    "closed: CLIENT_ERROR ringmain: nobody knows where the data of this line ends";

inline std::string text(std::string_view bytes) {
    return std::string(bytes);
}

inline std::string without_line_end(std::string_view text) {
    if (text.ends_with("\r\n")) text.remove_suffix(2);
    return std::string(text);
}

inline std::string_view cut_out(std::string_view bytes, ByteRange range) {
    return bytes.substr(range.offset, range.size);
}

// Feeds pieces to a parser; `bytes_` is the whole stream, for whoever describes a frame.
template <class Parser>
class Teller {
  public:
    Teller(Parser parser, ringmain::test::GuardedPieces& guarded)
        : parser_(std::move(parser)), guarded_(&guarded) {}

    template <class Describe>
    void feed(std::string_view piece, Describe describe) {
        while (!piece.empty() && !closed_) {
            const Fed fed = parser_.feed(guarded_->place(piece));
            switch (fed.status) {
                case ParseStatus::NeedMore:
                    REQUIRE(fed.consumed == piece.size());
                    seen_.append(piece);
                    piece = {};
                    break;
                case ParseStatus::Complete: {
                    REQUIRE(fed.consumed <= piece.size());
                    seen_.append(piece.substr(0, fed.consumed));
                    piece.remove_prefix(fed.consumed);
                    REQUIRE(parser_.frame().size == seen_.size() - frame_begin_);
                    const auto frame = std::string_view(seen_).substr(frame_begin_);
                    add(describe(parser_.frame(), frame));
                    frame_begin_ = seen_.size();
                    parser_.next();
                    break;
                }
                case ParseStatus::Error:
                    closed_ = true;
                    add("closed: " + without_line_end(parser_.error()));
                    break;
            }
        }
    }

    [[nodiscard]] std::string story() {
        if (!closed_ && frame_begin_ < seen_.size()) add("...");
        return told_;
    }

  private:
    void add(const std::string& text) { told_ += told_.empty() ? text : " | " + text; }

    Parser parser_;
    ringmain::test::GuardedPieces* guarded_;
    std::string seen_;
    size_t frame_begin_ = 0;
    bool closed_ = false;
    std::string told_;
};

inline std::string describe_request(const RequestFrame& frame, std::string_view bytes) {
    if (frame.verb == Verb::Invalid) {
        return frame.answer.empty() ? "-" : without_line_end(frame.answer);
    }
    const std::string_view line = cut_out(bytes, frame.line);
    const size_t begin = line.find_first_not_of(' ');
    std::string text(line.substr(begin, line.find(' ', begin) - begin));
    text += '(';
    for (uint32_t i = 0; i < frame.key_count && i < RequestFrame::keys_kept; ++i) {
        if (i > 0) text += ',';
        text += cut_out(bytes, frame.keys[i]);
    }
    text += ')';
    if (frame.argument.size > 0) text += "@" + std::string(cut_out(bytes, frame.argument));
    if (frame.data.offset > 0) text += "=" + std::string(cut_out(bytes, frame.data));
    if (frame.noreply) text += " noreply";
    if (frame.quiet) text += " quiet";
    if (frame.base64_key) text += " base64";
    return text;
}

inline std::vector<std::string_view> single_bytes(std::string_view bytes) {
    std::vector<std::string_view> pieces;
    for (size_t i = 0; i < bytes.size(); ++i)
        pieces.push_back(bytes.substr(i, 1));
    return pieces;
}

// The story that `parser` and `describe` tell, after checking that it is the same for every cut and
// byte by byte. `parser` is copied for each.
template <class Parser, class Describe>
std::string story_by(const Parser& parser, Describe describe, std::string_view bytes) {
    ringmain::test::GuardedPieces guarded(bytes.size());
    const auto tell = [&](const std::vector<std::string_view>& pieces) {
        Teller<Parser> teller(parser, guarded);
        for (const std::string_view piece : pieces)
            teller.feed(piece, describe);
        return teller.story();
    };
    const std::string story = tell({bytes});
    ringmain::test::for_each_split(bytes, [&](std::string_view head, std::string_view tail) {
        CAPTURE(head);
        CHECK(tell({head, tail}) == story);
    });
    CHECK(tell(single_bytes(bytes)) == story);
    return story;
}

inline std::string story_of(std::string_view bytes, const RequestLimits& limits = {}) {
    return story_by(RequestParser(limits), describe_request, bytes);
}

}  // namespace ringmain::memcached::test
