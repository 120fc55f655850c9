#include "ringmain/memcached/binary_parser.h"

#include "ringmain/base/assert.h"

#include <algorithm>

namespace ringmain::memcached {

namespace {

// What a text command may say of the size of its data block.
constexpr uint32_t size_max_of_text = INT32_MAX - 2;

struct Sizes {
    uint32_t extras;
    uint32_t key;
    uint64_t value;
};

bool has_shape_of(BinaryCommand command, const Sizes& sizes) {
    const bool has_key = sizes.key > 0;
    const bool has_value = sizes.value > 0;
    switch (command) {
        case BinaryCommand::Get:
        case BinaryCommand::Delete:
            return sizes.extras == 0 && has_key && !has_value;
        case BinaryCommand::GetAndTouch:
        case BinaryCommand::Touch:
            return sizes.extras == 4 && has_key && !has_value;
        case BinaryCommand::Set:
        case BinaryCommand::Add:
        case BinaryCommand::Replace:
            return sizes.extras == 8 && has_key;
        case BinaryCommand::Append:
        case BinaryCommand::Prepend:
            return sizes.extras == 0 && has_key;
        case BinaryCommand::Increment:
        case BinaryCommand::Decrement:
            return sizes.extras == 20 && has_key && !has_value;
        case BinaryCommand::Flush:
            return (sizes.extras == 0 || sizes.extras == 4) && !has_key && !has_value;
        case BinaryCommand::Noop:
        case BinaryCommand::Version:
        case BinaryCommand::Quit:
        case BinaryCommand::SaslList:
            return sizes.extras == 0 && !has_key && !has_value;
        case BinaryCommand::Stat:
            return sizes.extras == 0 && !has_value;
        case BinaryCommand::Verbosity:
            return sizes.extras == 4 && !has_key && !has_value;
        case BinaryCommand::Sasl:
            return sizes.extras == 0 && has_key;
        case BinaryCommand::Unknown:
            return true;
    }
    return false;
}

bool is_served(BinaryCommand command) {
    return command != BinaryCommand::SaslList && command != BinaryCommand::Sasl &&
           command != BinaryCommand::Unknown;
}

}  // namespace

Fed BinaryParser::feed(std::string_view bytes) {
    size_t consumed = 0;
    if (header_size_ < binary_header_size) {
        if (bytes.empty()) return {};
        if (header_size_ == 0 && bytes.front() != binary_request_magic) {
            return {.status = ParseStatus::Error, .consumed = 0};
        }
        consumed = std::min<size_t>(bytes.size(), binary_header_size - header_size_);
        bytes.copy(header_.data() + header_size_, consumed);
        header_size_ += static_cast<uint32_t>(consumed);
        if (header_size_ < binary_header_size) {
            return {.status = ParseStatus::NeedMore, .consumed = consumed};
        }
        read_header();
    }
    const uint64_t count = std::min<uint64_t>(body_left_, bytes.size() - consumed);
    if (key_left_ > 0) keep_key(bytes.substr(consumed, static_cast<size_t>(count)));
    body_left_ -= count;
    consumed += static_cast<size_t>(count);
    return {.status = body_left_ > 0 ? ParseStatus::NeedMore : ParseStatus::Complete,
            .consumed = consumed};
}

void BinaryParser::next() {
    RM_DCHECK(header_size_ == binary_header_size && body_left_ == 0);
    frame_ = {};
    header_size_ = 0;
}

void BinaryParser::read_header() {
    const std::string_view header(header_.data(), header_.size());
    frame_.opcode = static_cast<uint8_t>(header[1]);
    frame_.meaning = meaning_of(frame_.opcode);
    frame_.opaque = read_uint32(header.substr(12));
    frame_.cas = read_uint64(header.substr(16));
    const uint32_t key_size = read_uint16(header.substr(2));
    const uint32_t extras_size = static_cast<unsigned char>(header[4]);
    const uint32_t body_size = read_uint32(header.substr(8));
    frame_.size = uint64_t{binary_header_size} + body_size;
    body_left_ = body_size;

    if (extras_size + key_size > body_size) return refuse(BinaryStatus::UnknownCommand, true);
    if (key_size > key_size_max) return refuse(BinaryStatus::InvalidArguments, true);
    const uint32_t value_size = body_size - extras_size - key_size;
    const BinaryCommand command = frame_.meaning.command;
    if (!has_shape_of(command, {.extras = extras_size, .key = key_size, .value = value_size})) {
        // As memcached does it: this one is unknown in another shape.
        if (command == BinaryCommand::Verbosity) return refuse(BinaryStatus::UnknownCommand, false);
        return refuse(BinaryStatus::InvalidArguments, true);
    }
    if (!is_served(command)) return refuse(BinaryStatus::UnknownCommand, false);
    const uint64_t value_size_max = std::min<uint64_t>(limits_->value_size_max, size_max_of_text);
    if (value_size > value_size_max) {
        if (command == BinaryCommand::Set) {
            before_key_ = extras_size;
            key_left_ = key_size;
            key_.clear();
        }
        return refuse(BinaryStatus::TooLarge, false);
    }

    frame_.extras = {.offset = binary_header_size, .size = extras_size};
    frame_.key = {.offset = frame_.extras.end(), .size = key_size};
    frame_.value = {.offset = frame_.key.end(), .size = value_size};
}

void BinaryParser::keep_key(std::string_view body) {
    const size_t before = std::min<size_t>(before_key_, body.size());
    const std::string_view piece = body.substr(before, key_left_);
    before_key_ -= static_cast<uint32_t>(before);
    key_left_ -= static_cast<uint32_t>(piece.size());
    key_.append(piece);
    frame_.removes = key_;
}

void BinaryParser::refuse(BinaryStatus status, bool hang_up) {
    frame_.refusal = status;
    frame_.hang_up = hang_up;
    if (!hang_up) return;
    frame_.size = binary_header_size;
    body_left_ = 0;
}

}  // namespace ringmain::memcached
