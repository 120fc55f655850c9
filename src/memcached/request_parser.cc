#include "ringmain/memcached/request_parser.h"

#include "ringmain/base/assert.h"
#include "ringmain/memcached/binary.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "answers.h"
#include "command_line.h"

namespace ringmain::memcached {

namespace {

// A buffer that grew beyond this is given back when its line is done.
constexpr size_t line_capacity_kept = 512;

// A get may follow as many, as in memcached, which resets a connection that sends another long
// line. It takes a long gat when it happens to have all of it at once: clients send those, too.
constexpr size_t leading_blanks_max = 100;

bool is_get_line(std::string_view line) {
    const size_t begin = line.substr(0, leading_blanks_max + 1).find_first_not_of(' ');
    if (begin == std::string_view::npos) return false;
    line.remove_prefix(begin);
    return line.starts_with("get ") || line.starts_with("gets ") || line.starts_with("gat ") ||
           line.starts_with("gats ");
}

}  // namespace

Fed RequestParser::feed(std::string_view bytes) {
    RM_DCHECK(state_ <= State::Data);
    if (state_ == State::Data) return feed_data(bytes, 0);
    if (bytes.empty()) return {};
    // No text command begins with this byte; later it is a line like any that is none.
    if (state_ == State::Fresh && line_.empty() && bytes.front() == binary_request_magic) {
        state_ = State::Binary;
        return {.status = ParseStatus::Error};
    }

    const void* found = std::memchr(bytes.data(), '\n', bytes.size());
    if (found == nullptr) return keep_line(bytes);
    const auto end = static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
    const std::string_view rest = bytes.substr(end + 1);
    if (line_.empty()) return end_line(bytes.substr(0, end), rest, end + 1);
    append_bounded(bytes.substr(0, end));
    return end_line(line_, rest, end + 1);
}

void RequestParser::next() {
    RM_DCHECK(state_ == State::Complete);
    frame_ = {};
    state_ = State::Line;
    if (line_.capacity() > line_capacity_kept) {
        std::string().swap(line_);
    } else {
        line_.clear();
    }
}

Fed RequestParser::keep_line(std::string_view bytes) {
    append_bounded(bytes);
    if (is_too_long(line_, line_.size())) return fail(answers::line_too_long);
    return {.status = ParseStatus::NeedMore, .consumed = bytes.size()};
}

// One byte more than the longest line suffices to know that a line is too long.
void RequestParser::append_bounded(std::string_view bytes) {
    const size_t size_max =
        size_t{std::max(limits_->line_size_max, limits_->get_line_size_max)} + 1;
    line_.append(bytes.substr(0, size_max - std::min(size_max, line_.size())));
}

bool RequestParser::is_too_long(std::string_view line, size_t size) const {
    if (size <= limits_->line_size_max) return false;
    return size > limits_->get_line_size_max || !is_get_line(line);
}

// `rest` is what follows the line feed in this piece.
Fed RequestParser::end_line(std::string_view line, std::string_view rest, size_t consumed) {
    // With the carriage return that it is sent with.
    const size_t size_sent = line.size() + (line.ends_with('\r') ? 0 : 1);
    if (is_too_long(line, size_sent)) return fail(answers::line_too_long);
    const auto size = static_cast<uint32_t>(line.size() + 1);
    const bool has_return = line.size() > 1 && line.back() == '\r';
    if (has_return) line.remove_suffix(1);

    const Demand demand = read_command_line(line, frame_);
    if (demand.hang_up) return fail({});
    if (demand.is_last) return fail(frame_.answer);
    if (!has_return) frame_.is_canonical = false;
    frame_.size = size;
    if (!demand.has_data) return complete(consumed);

    if (demand.data_size > limits_->value_size_max && frame_.verb != Verb::Invalid) {
        refuse_value(line);
    }
    frame_.data = {size, demand.data_size};
    frame_.size = size + demand.data_size + DataBlock::line_end_size;
    data_.begin(demand.data_size);
    state_ = State::Data;
    return feed_data(rest, consumed);
}

// The line may be in line_.
void RequestParser::refuse_value(std::string_view line) {
    const bool is_meta = frame_.verb == Verb::MetaSet && has_known_flags(line);
    if (frame_.verb == Verb::Set || is_meta) {
        std::string removal(is_meta ? "md " : "delete ");
        removal.append(line.substr(frame_.keys[0].offset, frame_.keys[0].size));
        if (frame_.base64_key) removal += " b";
        line_ = std::move(removal.append("\r\n"));
        frame_.removal = line_;
    }
    frame_.verb = Verb::Invalid;
    frame_.is_too_large = true;
    frame_.answer = frame_.noreply ? std::string_view{} : answers::too_large;
}

Fed RequestParser::feed_data(std::string_view bytes, size_t consumed) {
    consumed += data_.take(bytes);
    if (data_.left() > 0) return {.status = ParseStatus::NeedMore, .consumed = consumed};

    if (data_.ends_right() || frame_.is_too_large) return complete(consumed);
    // Behind a line that was refused it may be no data at all, and data what follows.
    if (frame_.verb == Verb::Invalid) return fail(frame_.answer);
    frame_.verb = Verb::Invalid;
    frame_.answer = frame_.noreply ? std::string_view{} : answers::bad_data;
    return complete(consumed);
}

Fed RequestParser::complete(size_t consumed) {
    state_ = State::Complete;
    return {.status = ParseStatus::Complete, .consumed = consumed};
}

Fed RequestParser::fail(std::string_view text) {
    state_ = State::Failed;
    error_ = text;
    line_ = {};
    return {.status = ParseStatus::Error, .consumed = 0};
}

}  // namespace ringmain::memcached
