#include "ringmain/resp/request_parser.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"

#include <algorithm>

#include "text.h"
#include "wire.h"

namespace ringmain::resp {

namespace {

// Redis gives up on a header line of this size.
constexpr uint32_t header_size_max = 64 * 1024;
constexpr std::string_view expected_dollar = "expected '$', got ' '";
constexpr size_t echo_index = expected_dollar.size() - 2;

}  // namespace

RequestParser::RequestParser(const RequestLimits& limits) : limits_(&limits) {
    RM_ASSERT(limits.request_size_max <= UINT32_MAX);
    static_assert(std::tuple_size_v<decltype(expected_)> == expected_dollar.size());
}

Fed RequestParser::feed(std::string_view bytes) {
    if (state_ == State::Start && authenticated_) {
        const size_t size = take_whole(bytes);
        if (size > 0) return {ParseStatus::Complete, size};
    }
    return resume(bytes);
}

// Nearly every request: few arguments, all of it in this piece. Returns its size, or 0 with nothing
// changed but places in frame_ that mean nothing yet.
inline size_t RequestParser::take_whole(std::string_view bytes) {
    constexpr std::string_view shortest = "*1\r\n$0\r\n\r\n";
    if (bytes.size() < shortest.size()) return 0;
    const char* const begin = bytes.data();
    const char* const end = begin + bytes.size();
    const uint32_t count = wire::digit(begin[1]);
    // Count 0 wraps around and is out of range, too.
    if (begin[0] != '*' || count - 1 >= RequestFrame::arguments_kept) return 0;
    if (!wire::is_line_end(begin + 2)) return 0;

    const char* at = begin + 4;
    for (uint32_t i = 0; i < count; ++i) {
        uint32_t size = 0;
        const char* body = wire::read_bulk(at, end, &size);
        if (body == nullptr) return 0;
        frame_.arguments[i] = {.offset = static_cast<uint32_t>(body - begin), .size = size};
        at = body + size + wire::line_end_size;
    }

    // A frame that is within both limits has no bulk beyond its own.
    const auto size = static_cast<uint64_t>(at - begin);
    if (size > limits_->request_size_max || size > limits_->bulk_size_max) return 0;
    if (count > limits_->arguments_max) return 0;
    frame_.size = static_cast<uint32_t>(size);
    frame_.argument_count = count;
    frame_.is_inline = false;
    frame_.oversized = false;
    frame_.long_name = false;
    return size;
}

Fed RequestParser::resume(std::string_view bytes) {
    RM_ASSERT(state_ != State::Done);
    size_t consumed = 0;
    while (consumed < bytes.size() && state_ != State::Done && state_ != State::Failed) {
        const size_t taken = step(bytes.substr(consumed));
        consumed += taken;
        position_ += taken;
    }
    if (state_ == State::Failed) return {ParseStatus::Error, consumed};
    if (state_ != State::Done) return {ParseStatus::NeedMore, consumed};
    finish();
    return {ParseStatus::Complete, consumed};
}

// Takes at least one byte of `bytes`, which is not empty, except where the first one begins a line.
size_t RequestParser::step(std::string_view bytes) {
    switch (state_) {
        case State::Start:
            return start(bytes.front());
        case State::Count:
        case State::Length:
            return take_digit(bytes.front());
        case State::CountEnd:
            if (bytes.front() == '\n') {
                begin_array();
            } else {
                fail(Problem::InvalidCount);
            }
            return 1;
        case State::LengthEnd:
            if (bytes.front() == '\n') {
                begin_body(static_cast<uint64_t>(*number_.value()), 1);
            } else {
                fail(Problem::InvalidLength);
            }
            return 1;
        case State::Argument:
            return take_arguments(bytes);
        case State::Body:
            return take_body(bytes);
        case State::Line:
            return take_line(bytes);
        case State::Done:
        case State::Failed:
            break;
    }
    RM_ASSERT(false);
    return 0;
}

size_t RequestParser::start(char byte) {
    frame_.argument_count = 0;
    frame_.is_inline = false;
    frame_.oversized = false;
    frame_.long_name = false;
    if (byte == '*') {
        number_ = {};
        state_ = State::Count;
        return 1;
    }
    first_word_ = {};
    line_is_endless_ = false;
    state_ = State::Line;
    return 0;
}

// A byte that fits no length is refused at once, not at the end of its line.
size_t RequestParser::take_digit(char byte) {
    const bool is_count = state_ == State::Count;
    if (byte != '\r') {
        if (!number_.take(byte)) {
            fail(is_count ? Problem::InvalidCount : Problem::InvalidLength);
        } else if (number_.size() > header_size_max) {
            fail(is_count ? Problem::EndlessCount : Problem::EndlessLength);
        }
        return 1;
    }
    const std::optional<int64_t> value = number_.value();
    if (is_count) {
        const bool fits = value.has_value() && *value <= int64_t{limits_->arguments_max};
        if (fits) {
            state_ = State::CountEnd;
        } else {
            fail(Problem::InvalidCount);
        }
    } else {
        if (value.has_value() && *value >= 0) {
            state_ = State::LengthEnd;
        } else {
            fail(Problem::InvalidLength);
        }
    }
    return 1;
}

void RequestParser::begin_array() {
    const int64_t count = *number_.value();
    if (count <= 0) {
        state_ = State::Done;
        return;
    }
    if (!authenticated_ && count > int64_t{unauthenticated_arguments_max}) {
        fail(Problem::TooManyBeforeAuth);
        return;
    }
    frame_.argument_count = static_cast<uint32_t>(count);
    arguments_left_ = frame_.argument_count;
    state_ = State::Argument;
}

size_t RequestParser::take_arguments(std::string_view bytes) {
    const char* const begin = bytes.data();
    const char* const end = begin + bytes.size();
    const char* at = begin;
    while (arguments_left_ > 0) {
        uint32_t size = 0;
        const char* body = wire::read_bulk(at, end, &size);
        if (body == nullptr || size > bulk_size_max()) break;
        const uint64_t offset = position_ + static_cast<uint64_t>(body - begin);
        if (offset + size + wire::line_end_size > limits_->request_size_max) break;
        keep_argument(offset, size);
        arguments_left_ -= 1;
        at = body + size + wire::line_end_size;
    }
    if (arguments_left_ == 0) state_ = State::Done;
    if (at == begin) return take_header(bytes);
    return static_cast<size_t>(at - begin);
}

// The header of an argument that the short cut left alone.
size_t RequestParser::take_header(std::string_view bytes) {
    if (bytes.front() != '$') {
        std::copy(expected_dollar.begin(), expected_dollar.end(), expected_.begin());
        // Redis echoes any byte but CR and LF. The answer is one line of text, so no other control
        // byte belongs in it either.
        if (is_printable(bytes.front())) expected_[echo_index] = bytes.front();
        fail(Problem::NoDollar);
        return 1;
    }
    uint32_t size = 0;
    const char* body = wire::read_size(bytes.data() + 1, bytes.data() + bytes.size(), &size);
    if (body == nullptr) {
        number_ = {};
        state_ = State::Length;
        return 1;
    }
    const auto header_size = static_cast<size_t>(body - bytes.data());
    begin_body(size, header_size);
    return header_size;
}

uint64_t RequestParser::bulk_size_max() const {
    const uint64_t max = limits_->bulk_size_max;
    return authenticated_ ? max : std::min(max, unauthenticated_bulk_size_max);
}

// `header_size` bytes in front of the body are not yet counted in position_.
void RequestParser::begin_body(uint64_t size, uint64_t header_size) {
    if (size > limits_->bulk_size_max) {
        fail(Problem::InvalidLength);
        return;
    }
    if (size > bulk_size_max()) {
        fail(Problem::TooLongBeforeAuth);
        return;
    }
    body_ = Body(size);
    const uint64_t offset = position_ + header_size;
    if (offset + body_.missing() > limits_->request_size_max) frame_.oversized = true;
    const bool is_name = arguments_left_ == frame_.argument_count;
    if (is_name && size > limits_->name_size_max && !frame_.oversized) {
        frame_.oversized = true;
        frame_.long_name = true;
    }
    if (!frame_.oversized) keep_argument(offset, size);
    state_ = State::Body;
}

void RequestParser::keep_argument(uint64_t offset, uint64_t size) {
    const uint32_t index = frame_.argument_count - arguments_left_;
    if (index >= RequestFrame::arguments_kept) return;
    frame_.arguments[index] = {.offset = static_cast<uint32_t>(offset),
                               .size = static_cast<uint32_t>(size)};
}

size_t RequestParser::take_body(std::string_view bytes) {
    const std::optional<size_t> taken = body_.skip(bytes);
    if (!taken.has_value()) {
        fail(Problem::NoLineEnd);
        return 1;
    }
    if (body_.missing() == 0) {
        arguments_left_ -= 1;
        state_ = arguments_left_ == 0 ? State::Done : State::Argument;
    }
    return *taken;
}

size_t RequestParser::take_line(std::string_view bytes) {
    RM_ASSERT(position_ <= limits_->inline_size_max);
    const size_t room = limits_->inline_size_max - position_;
    // One byte more than the longest line: there its '\n' must be at the latest.
    const std::string_view part = bytes.substr(0, room + 1);
    const size_t line = std::min(part.find('\n'), part.size());
    line_is_endless_ =
        line_is_endless_ || part.substr(0, line).find('\0') != std::string_view::npos;
    const size_t size = line_is_endless_ ? part.size() : line;
    for (const char byte : part.substr(0, size)) {
        if (first_word_.ended) break;
        first_word_.take(byte);
    }
    if (size < part.size()) {
        end_line();
        return size + 1;
    }
    if (size > room) fail(Problem::EndlessLine);
    return size;
}

void RequestParser::end_line() {
    if (first_word_.is_http()) {
        fail(Problem::CrossProtocol);
        return;
    }
    frame_.is_inline = first_word_.size > 0;
    state_ = State::Done;
}

void RequestParser::finish() {
    RM_ASSERT(frame_.oversized || position_ <= UINT32_MAX);
    frame_.size = static_cast<uint32_t>(std::min<uint64_t>(position_, UINT32_MAX));
}

void RequestParser::fail(Problem problem) {
    problem_ = problem;
    state_ = State::Failed;
}

std::string_view RequestParser::error() const {
    switch (problem_) {
        case Problem::None:
        case Problem::CrossProtocol:
            return {};
        case Problem::InvalidCount:
            return "invalid multibulk length";
        case Problem::InvalidLength:
            return "invalid bulk length";
        case Problem::EndlessCount:
            return "too big mbulk count string";
        case Problem::EndlessLength:
            return "too big bulk count string";
        case Problem::EndlessLine:
            return "too big inline request";
        case Problem::NoDollar:
            return {expected_.data(), expected_.size()};
        case Problem::NoLineEnd:
            return "invalid line end after bulk";
        case Problem::TooManyBeforeAuth:
            return "unauthenticated multibulk length";
        case Problem::TooLongBeforeAuth:
            return "unauthenticated bulk length";
    }
    RM_ASSERT(false);
    return {};
}

void RequestParser::FirstWord::take(char byte) {
    if (is_blank(byte)) {
        ended = size > 0;
        return;
    }
    if (size < text.size()) {
        text[size] = ascii::lower(byte);
        size += 1;
    }
}

bool RequestParser::FirstWord::is_http() const {
    const std::string_view word(text.data(), size);
    return word == "post" || word == "host:";
}

}  // namespace ringmain::resp
