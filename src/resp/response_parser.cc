#include "ringmain/resp/response_parser.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"

#include <optional>

#include "wire.h"

namespace ringmain::resp {

namespace {

// Those of RESP2 first, and '>': in RESP2 somebody's subscription may have it sent.
constexpr std::string_view text_types = "+-,(#_";
constexpr std::string_view number_types = ":$*>!=%~|";
constexpr std::string_view old_text_types = text_types.substr(0, 2);
constexpr std::string_view old_number_types = number_types.substr(0, 4);
// "txt:" in front of a verbatim string.
constexpr int64_t verbatim_prefix_size = 4;

bool is_one_of(std::string_view types, char type) {
    return types.find(type) != std::string_view::npos;
}

// Where the first CR or LF is; `end` when there is none.
inline const char* find_line_end(const char* at, const char* end) {
    while (at != end && *at != '\r' && *at != '\n') {
        ++at;
    }
    return at;
}

// A whole line, "+OK\r\n". Returns what follows, or null.
inline const char* read_line(const char* begin, const char* end) {
    const char* at = find_line_end(begin + 1, end);
    if (end - at < wire::line_end_size || !wire::is_line_end(at)) return nullptr;
    if (at - begin - 1 > ptrdiff_t{response_line_size_max}) return nullptr;
    return at + wire::line_end_size;
}

// A whole value of the usual types; `number` and `is_null` as in the frame. Returns what follows,
// or null.
inline const char* read_value(const char* begin, const char* end, int64_t* number, bool* is_null) {
    switch (*begin) {
        case '$': {
            uint32_t size = 0;
            const char* body = wire::read_bulk(begin, end, &size);
            if (body != nullptr) {
                *number = int64_t{size};
                return body + size + wire::line_end_size;
            }
            constexpr std::string_view null = "$-1\r\n";
            if (!std::string_view(begin, end).starts_with(null)) return nullptr;
            *number = -1;
            *is_null = true;
            return begin + null.size();
        }
        case '+':
        case '-':
            return read_line(begin, end);
        case ':':
            return wire::read_integer(begin + 1, end, number);
        default:
            return nullptr;
    }
}

}  // namespace

Fed ResponseParser::feed(std::string_view bytes) {
    if (state_ == State::Start) {
        const size_t size = take_whole(bytes);
        if (size > 0) return {ParseStatus::Complete, size};
    }
    return resume(bytes);
}

// The usual responses, all of it in this piece. Returns its size, or 0 with nothing changed.
inline size_t ResponseParser::take_whole(std::string_view bytes) {
    if (bytes.empty()) return 0;
    const char* const begin = bytes.data();
    int64_t number = 0;
    bool is_null = false;
    const char* rest = read_value(begin, begin + bytes.size(), &number, &is_null);
    if (rest == nullptr) return 0;
    const auto size = static_cast<size_t>(rest - begin);
    frame_ = {.size = size, .type = *begin, .is_null = is_null, .number = number};
    return size;
}

Fed ResponseParser::resume(std::string_view bytes) {
    RM_ASSERT(state_ != State::Done);
    size_t consumed = 0;
    while (consumed < bytes.size() && state_ != State::Done && state_ != State::Failed) {
        const size_t taken = step(bytes.substr(consumed));
        consumed += taken;
        position_ += taken;
    }
    if (state_ == State::Failed) return {ParseStatus::Error, consumed};
    if (state_ != State::Done) return {ParseStatus::NeedMore, consumed};
    frame_.size = position_;
    return {ParseStatus::Complete, consumed};
}

// Takes at least one byte of `bytes`, which is not empty, except at the start of a frame.
size_t ResponseParser::step(std::string_view bytes) {
    switch (state_) {
        case State::Start:
            frame_ = {};
            values_missing_ = 1;
            state_ = State::Value;
            return 0;
        case State::Value:
            return take_elements(bytes);
        case State::Line:
            return take_line(bytes);
        case State::Number:
            return take_digit(bytes.front());
        case State::LineEnd:
            return take_line_end(bytes.front());
        case State::Body:
            return take_body(bytes);
        case State::Done:
        case State::Failed:
            break;
    }
    RM_ASSERT(false);
    return 0;
}

// Inside an aggregate most values are usual ones, too.
size_t ResponseParser::take_elements(std::string_view bytes) {
    const char* const begin = bytes.data();
    const char* const end = begin + bytes.size();
    const char* at = begin;
    // The response proper, behind its attributes, is not for the short cut: it is described.
    while (at != end && values_missing_ > 0 && frame_.type != 0) {
        int64_t number = 0;
        bool is_null = false;
        const char* rest = read_value(at, end, &number, &is_null);
        if (rest == nullptr) break;
        if (*at != '$') [[unlikely]] {
            frame_.only_strings = false;
        }
        values_missing_ -= 1;
        at = rest;
    }
    if (values_missing_ == 0) state_ = State::Done;
    if (at == begin) return take_header(bytes);
    return static_cast<size_t>(at - begin);
}

size_t ResponseParser::take_header(std::string_view bytes) {
    type_ = bytes.front();
    // Only an attribute may stand before the response proper, and all its values are counted off
    // by then: one value is missing, and it has no type yet.
    outermost_ = values_missing_ == 1 && frame_.type == 0 && type_ != '|';
    if (outermost_) {
        frame_.type = type_;
    } else if (type_ != '$' && type_ != '_') {
        frame_.only_strings = false;
    }

    const bool is_old = version_ == Version::Resp2;
    if (is_one_of(is_old ? old_text_types : text_types, type_)) {
        line_size_ = 0;
        state_ = State::Line;
        return 1;
    }
    if (!is_one_of(is_old ? old_number_types : number_types, type_)) {
        const bool is_known = is_one_of(text_types, type_) || is_one_of(number_types, type_);
        fail(is_known ? Problem::UnaskedType : Problem::UnknownType);
        return 1;
    }
    // Out of band means between responses, never inside one.
    if (type_ == '>' && !outermost_) {
        fail(Problem::NestedPush);
        return 1;
    }
    uint32_t number = 0;
    const char* rest = wire::read_size(bytes.data() + 1, bytes.data() + bytes.size(), &number);
    if (rest == nullptr) {
        number_ = {};
        state_ = State::Number;
        return 1;
    }
    end_number(int64_t{number});
    return static_cast<size_t>(rest - bytes.data());
}

size_t ResponseParser::take_line(std::string_view bytes) {
    size_t taken = 0;
    for (const char byte : bytes) {
        taken += 1;
        if (byte == '\r') {
            state_ = State::LineEnd;
            break;
        }
        // A client that ends lines at a bare LF would see two responses.
        if (byte == '\n') {
            fail(Problem::NoLineEnd);
            break;
        }
        if (line_size_ == response_line_size_max) {
            fail(Problem::EndlessLine);
            break;
        }
        if (!fits_scalar(byte)) {
            fail(Problem::InvalidScalar);
            break;
        }
        line_size_ += 1;
    }
    return taken;
}

// Whether `byte` may stand at line_size_ in a value of this type.
bool ResponseParser::fits_scalar(char byte) const {
    switch (type_) {
        case '+':
        case '-':
            return true;
        case '#':
            return line_size_ == 0 && (byte == 't' || byte == 'f');
        case '(':
            return true;  // redis passes on whatever a script calls a big number
        case ',':
            // Decimal, exponent, inf, nan: what they mean is the client's affair.
            return ascii::is_digit(byte) || is_one_of("+-.eEinfa", byte);
        default:
            return false;  // nothing stands in a null
    }
}

size_t ResponseParser::take_digit(char byte) {
    if (byte == '\r') {
        state_ = State::LineEnd;
    } else if (!number_.take(byte) || number_.size() > Number::size_max) {
        fail(Problem::InvalidNumber);
    }
    return 1;
}

size_t ResponseParser::take_line_end(char byte) {
    if (byte != '\n') {
        fail(Problem::NoLineEnd);
        return 1;
    }
    if (is_one_of(text_types, type_)) {
        end_scalar();
        return 1;
    }
    const std::optional<int64_t> number = number_.value();
    if (number.has_value()) {
        end_number(*number);
    } else {
        fail(Problem::InvalidNumber);
    }
    return 1;
}

void ResponseParser::end_scalar() {
    const bool needs_text = is_one_of(",#", type_);
    if (needs_text && line_size_ == 0) {
        fail(Problem::InvalidScalar);
        return;
    }
    if (outermost_ && type_ == '_') {
        frame_.is_null = true;
        frame_.number = -1;
    }
    end_value();
}

void ResponseParser::end_number(int64_t number) {
    if (outermost_) frame_.number = number;
    switch (type_) {
        case ':':
            end_value();
            return;
        case '$':
        case '*':
            if (number == -1) {
                if (outermost_) frame_.is_null = true;
                end_value();
                return;
            }
            break;
        case '=':
            if (number < verbatim_prefix_size) {
                fail(Problem::InvalidNumber);
                return;
            }
            break;
        default:
            break;
    }
    if (number < 0) {
        fail(Problem::InvalidNumber);
    } else if (is_one_of("$!=", type_)) {
        begin_body(number);
    } else {
        begin_elements(number);
    }
}

void ResponseParser::begin_body(int64_t size) {
    if (size > response_bulk_size_max) {
        fail(Problem::TooLong);
        return;
    }
    body_ = Body(static_cast<uint64_t>(size));
    state_ = State::Body;
}

void ResponseParser::begin_elements(int64_t count) {
    if (count > response_element_count_max) {
        fail(Problem::TooMany);
        return;
    }
    const bool in_pairs = type_ == '%' || type_ == '|';
    values_missing_ += static_cast<uint64_t>(count) * (in_pairs ? 2 : 1);
    if (values_missing_ > response_values_missing_max) {
        fail(Problem::TooMany);
        return;
    }
    // The value that an attribute belongs to is still to come.
    if (type_ == '|') {
        state_ = State::Value;
    } else {
        end_value();
    }
}

void ResponseParser::end_value() {
    RM_ASSERT(values_missing_ > 0);
    values_missing_ -= 1;
    state_ = values_missing_ == 0 ? State::Done : State::Value;
}

size_t ResponseParser::take_body(std::string_view bytes) {
    const std::optional<size_t> taken = body_.skip(bytes);
    if (!taken.has_value()) {
        fail(Problem::NoLineEnd);
        return 1;
    }
    if (body_.missing() == 0) end_value();
    return *taken;
}

void ResponseParser::fail(Problem problem) {
    problem_ = problem;
    state_ = State::Failed;
}

std::string_view ResponseParser::error() const {
    switch (problem_) {
        case Problem::None:
            return {};
        case Problem::UnknownType:
            return "unknown type of response";
        case Problem::UnaskedType:
            return "type of RESP3 in RESP2";
        case Problem::NestedPush:
            return "push inside a response";
        case Problem::InvalidNumber:
            return "invalid number";
        case Problem::InvalidScalar:
            return "invalid boolean, double, big number or null";
        case Problem::NoLineEnd:
            return "CR LF expected";
        case Problem::EndlessLine:
            return "line longer than 1 GiB";
        case Problem::TooLong:
            return "string longer than 1 GiB";
        case Problem::TooMany:
            return "too many elements";
    }
    RM_ASSERT(false);
    return {};
}

}  // namespace ringmain::resp
