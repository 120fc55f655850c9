#include "ringmain/memcached/response_parser.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/memcached/request_parser.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "numbers.h"
#include "value_line.h"
#include "words.h"

namespace ringmain::memcached {

namespace {

constexpr uint32_t error_line_size_max = 64 * 1024;

// How much of a line is looked at: all of a VALUE or VA line, the first word of others.
constexpr uint32_t head_size_max = 2048;

// Behind "VALUE ".
constexpr uint32_t key_offset = 6;

constexpr uint64_t dropped_stats_max =
    std::numeric_limits<uint32_t>::max();  // that nobody waits for

bool is_error_line(std::string_view head) {
    return ascii::begins_with(head, "ERROR") || ascii::begins_with(head, "CLIENT_ERROR") ||
           ascii::begins_with(head, "SERVER_ERROR");
}

bool is_stats_line(std::string_view head) {
    return ascii::begins_with(head, "STAT ") || ascii::begins_with(head, "ITEM ") ||
           ascii::begins_with(head, "PREFIX ");
}

constexpr std::string_view broken = "a line with a CR or a NUL in it";

// A client's key may have one, and so may a prefix of it: meta responses, which repeat keys, are
// not looked at.
bool is_broken(std::string_view head) {
    return std::ranges::any_of(head, breaks_line) && !ascii::begins_with(head, "PREFIX ");
}

// Size of the capital word that every response but a number begins with; 0 when there is none.
uint16_t word_size_of(std::string_view head) {
    constexpr size_t longest = 16;  // CLIENT_ERROR has 12
    const size_t size_max = std::min(head.size(), longest);
    size_t size = 0;
    while (size < size_max && ((head[size] >= 'A' && head[size] <= 'Z') || head[size] == '_')) {
        size += 1;
    }
    const bool is_whole = size == head.size() || head[size] == ' ';
    return is_whole ? static_cast<uint16_t>(size) : uint16_t{0};
}

// What incr and decr say.
bool is_number_line(std::string_view head) {
    return ascii::parse_uint64(head).has_value();
}

uint16_t code_of(std::string_view head) {
    const auto first = static_cast<unsigned char>(head[0]);
    const auto second = head.size() > 1 ? static_cast<unsigned char>(head[1]) : 0;
    return static_cast<uint16_t>(first << 8 | second);
}

}  // namespace

Fed ResponseParser::feed(std::string_view bytes) {
    size_t at = 0;
    while (at < bytes.size()) {
        if (may_take_whole_values(bytes[at])) {
            at += take_whole_values(bytes.substr(at));
            if (at == bytes.size()) break;
        }
        const uint64_t size_before = frame_.size + line_size_;
        const std::string_view rest = bytes.substr(at);
        const Step step = body_.left() > 0 ? take_body(rest) : take_line(rest);
        if (step == Step::Error) return {.status = ParseStatus::Error, .consumed = 0};
        at += frame_.size + line_size_ - size_before;
        if (step == Step::Complete) return {.status = ParseStatus::Complete, .consumed = at};
    }
    return {.status = ParseStatus::NeedMore, .consumed = at};
}

void ResponseParser::next() {
    RM_DCHECK(body_.left() == 0 && line_size_ == 0);
    frame_ = {};
    expect_ = Expect::Any;
}

void ResponseParser::take_values_singly(bool singly) {
    RM_DCHECK(at_start());
    frame_.singly = singly;
}

void ResponseParser::go_on_to_end() {
    RM_DCHECK(in_single_value());
    frame_.singly = false;
}

// Takes the bytes up to the first line feed, or all of them.
ResponseParser::Step ResponseParser::take_line(std::string_view bytes) {
    const void* found = std::memchr(bytes.data(), '\n', bytes.size());
    if (found == nullptr) return keep_line(bytes);
    const auto end = static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
    const std::string_view piece(bytes.data(), end);
    if (line_size_ == 0) {
        if (piece.size() > error_line_size_max) return fail("a line is too long");
        line_size_ = static_cast<uint32_t>(piece.size());
        if (piece.empty() || piece.back() != '\r') return fail("a line does not end in CR LF");
        return end_line(piece.substr(0, head_size_max));
    }
    if (!piece.empty() && keep_line(piece) == Step::Error) return Step::Error;
    if (last_byte_ != '\r') return fail("a line does not end in CR LF");
    return end_line(line_);
}

ResponseParser::Step ResponseParser::keep_line(std::string_view bytes) {
    line_.append(bytes.substr(0, head_size_max - std::min<size_t>(head_size_max, line_.size())));
    last_byte_ = bytes.back();
    // The first bytes are kept from here on, and the error words are shorter than any limit.
    const uint32_t size_max = is_error_line(line_) ? error_line_size_max : response_line_size_max;
    if (line_size_ + bytes.size() > size_max) return fail("a line is too long");
    line_size_ += static_cast<uint32_t>(bytes.size());
    return Step::More;
}

// `head` is the line with its CR, cut to the size that is looked at.
ResponseParser::Step ResponseParser::end_line(std::string_view head) {
    if (line_size_ > response_line_size_max) {
        const bool may_be_long = is_error_line(head) && line_size_ <= error_line_size_max;
        if (!may_be_long) return fail("a line is too long");
    }
    const bool is_whole = head.size() == line_size_;
    if (is_whole) head.remove_suffix(1);
    if (head.empty()) return fail("an empty line");

    // The lines that announce a data block are needed whole.
    if (!is_whole && (ascii::begins_with(head, "VALUE ") || ascii::begins_with(head, "VA "))) {
        return fail("a VALUE line is too long");
    }
    const uint64_t size = uint64_t{line_size_} + 1;
    const Step step = expect_ == Expect::Any ? first_line(head) : later_line(head);
    frame_.size += size;
    line_size_ = 0;
    line_.clear();
    return step;
}

ResponseParser::Step ResponseParser::first_line(std::string_view head) {
    frame_.code = code_of(head);
    if (ascii::is(head, "END")) {
        frame_.kind = ResponseKind::Values;
        return Step::Complete;
    }
    if (ascii::begins_with(head, "VALUE ")) {
        frame_.kind = ResponseKind::Values;
        expect_ = Expect::Values;
        return value_line(head);
    }
    if (ascii::begins_with(head, "VA ")) return meta_value_line(head);
    if (is_stats_line(head)) {
        frame_.kind = ResponseKind::Stats;
        expect_ = Expect::Stats;
        return is_broken(head) ? fail(broken) : Step::More;
    }
    if (is_error_line(head)) {
        frame_.kind = ResponseKind::Error;
        return is_broken(head) ? fail(broken) : Step::Complete;
    }
    frame_.word_size = word_size_of(head);
    if (frame_.word_size == head.size()) return Step::Complete;
    if (frame_.word_size == 0) {
        return is_number_line(head) ? Step::Complete : fail("not a response");
    }
    if (frame_.word_size != 2) return is_broken(head) ? fail(broken) : Step::Complete;
    if (ascii::begins_with(head, "ME ")) {
        const std::string_view key = Words(head.substr(3)).next();
        frame_.first_key = {3, static_cast<uint32_t>(key.size())};
    } else {
        note_key(head, 2);
    }
    return Step::Complete;
}

// Behind a VALUE block or a STAT line.
ResponseParser::Step ResponseParser::later_line(std::string_view head) {
    if (expect_ == Expect::Values && ascii::begins_with(head, "VALUE ")) return value_line(head);
    if (ascii::is(head, "END")) return Step::Complete;
    if (is_error_line(head)) {
        frame_.behind = frame_.kind;
        frame_.error_size = line_size_ + 1;
        frame_.kind = ResponseKind::Error;
        return is_broken(head) ? fail(broken) : Step::Complete;
    }
    if (expect_ == Expect::Stats && is_stats_line(head)) {
        if (is_broken(head)) return fail(broken);
        const bool is_bounded = frame_.size + line_size_ < dropped_stats_max;
        return is_bounded ? Step::More : fail("the response is too large");
    }
    return fail("a line that does not belong here");
}

// The blocks behind the first one that are at hand with all their bytes and are as usual: the first
// that is not is left to the steps, which would take these, too. Returns their size.
size_t ResponseParser::take_whole_values(std::string_view bytes) {
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    for (;;) {
        const std::string_view rest(at, static_cast<size_t>(end - at));
        if (!ascii::begins_with(rest, "VALUE ")) break;
        const size_t key_end = find_special(rest, key_offset);
        const size_t key_size = key_end - key_offset;
        uint32_t size = 0;
        const char* const numbers_end = read_value_numbers(at + key_end, end, &size);
        if (numbers_end == nullptr || key_size - 1 >= key_size_max) break;
        const ptrdiff_t left = end - numbers_end;
        if (left < size + ptrdiff_t{4} || !is_line_end(numbers_end)) break;
        const char* const data_end = numbers_end + 2 + size;
        if (!is_line_end(data_end)) break;
        frame_.value_count += 1;
        if (keeps_keys_) kept_keys_.push_back(rest.substr(key_offset, key_size));
        at = data_end + 2;
    }
    const auto taken = static_cast<size_t>(at - bytes.data());
    frame_.size += taken;
    return taken;
}

// VALUE <key> <flags> <bytes> [<cas>]
ResponseParser::Step ResponseParser::value_line(std::string_view head) {
    const size_t key_end = find_special(head, key_offset);
    const size_t key_size = key_end - key_offset;
    uint32_t size = 0;
    const char* const end = head.data() + head.size();
    const char* rest = read_value_numbers(head.data() + key_end, end, &size);
    if (rest != end || key_size - 1 >= key_size_max) [[unlikely]] {
        return unusual_value_line(head);
    }
    return begin_value(head.substr(key_offset, key_size), size);
}

ResponseParser::Step ResponseParser::unusual_value_line(std::string_view head) {
    Words words(head.substr(key_offset));
    const std::string_view key = words.next();
    const std::string_view flags = words.next();
    const std::string_view size = words.next();
    const std::string_view cas = words.next();
    const bool is_right = !key.empty() && key.size() <= key_size_max && words.next().empty() &&
                          words.is_regular() && !words.has_break() &&
                          read_unsigned(flags, UINT64_MAX).has_value() &&
                          (cas.empty() || read_unsigned(cas, UINT64_MAX).has_value());
    if (!is_right) return fail("a malformed VALUE line");
    return begin_value(key, read_length(size));
}

ResponseParser::Step ResponseParser::begin_value(std::string_view key,
                                                 std::optional<uint32_t> size) {
    if (frame_.value_count == 0) {
        frame_.first_key = {key_offset, static_cast<uint32_t>(key.size())};
    }
    frame_.value_count += 1;
    if (keeps_keys_) [[unlikely]] {
        return begin_kept_value(key, size);
    }
    if (frame_.singly) key_.assign(key);
    return begin_body(size);
}

// Not part of begin_value(): the common case would save registers for it.
[[gnu::noinline]] ResponseParser::Step ResponseParser::begin_kept_value(
    std::string_view key, std::optional<uint32_t> size) {
    if (!line_.empty()) key = key_.assign(key);
    kept_keys_.push_back(key);
    return begin_body(size);
}

// VA <bytes> <flags>*
ResponseParser::Step ResponseParser::meta_value_line(std::string_view head) {
    frame_.kind = ResponseKind::MetaValue;
    Words words(head.substr(3));
    const std::string_view size = words.next();
    if (size.empty()) return fail("a malformed length");
    note_key(head, static_cast<size_t>(size.data() + size.size() - head.data()));
    return begin_body(read_length(size));
}

// The flags k and b of a meta response, among the words behind `from`.
void ResponseParser::note_key(std::string_view head, size_t from) {
    Words words(head.substr(from));
    for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
        if (word == "b") frame_.key_is_base64 = true;
        if (word.front() != 'k') continue;
        frame_.first_key = {static_cast<uint32_t>(word.data() + 1 - head.data()),
                            static_cast<uint32_t>(word.size() - 1)};
    }
}

ResponseParser::Step ResponseParser::begin_body(std::optional<uint32_t> size) {
    if (!size.has_value()) return fail("a malformed length");
    body_.begin(*size);
    return Step::More;
}

ResponseParser::Step ResponseParser::take_body(std::string_view bytes) {
    frame_.size += body_.take(bytes);
    if (!body_.ends_right()) return fail("a data block does not end where its length says");
    const bool is_alone = frame_.kind == ResponseKind::MetaValue || frame_.singly;
    return body_.left() == 0 && is_alone ? Step::Complete : Step::More;
}

ResponseParser::Step ResponseParser::fail(std::string_view text) {
    error_ = text;
    return Step::Error;
}

}  // namespace ringmain::memcached
