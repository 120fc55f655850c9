// Binary requests, written in text.

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/memcached/binary_forward.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base64.h"
#include "words.h"

namespace ringmain::memcached {

namespace {

// Room for a key and all numbers that a command may have.
class Line {
  public:
    Line() = default;

    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    ~Line() = default;

    void begin(std::string_view command) { put(command); }

    ByteRange word(std::string_view text) {
        put(" ");
        const ByteRange range = {.offset = size_, .size = static_cast<uint32_t>(text.size())};
        put(text);
        return range;
    }

    ByteRange number(uint64_t value) { return word(ascii::Decimal(value).view()); }

    void flag(std::string_view letter, uint64_t value) {
        word(letter);
        put(ascii::Decimal(value).view());
    }

    [[nodiscard]] uint32_t size() const { return size_; }

    [[nodiscard]] std::string_view end() {
        put(line_end);
        return {text_.data(), size_};
    }

  private:
    void put(std::string_view text) {
        RM_ASSERT(text.size() <= text_.size() - size_);
        std::memcpy(text_.data() + size_, text.data(), text.size());
        size_ += static_cast<uint32_t>(text.size());
    }

    std::array<char, 512> text_ = {};
    uint32_t size_ = 0;
};

// Text has 31 bits for a time, binary 32. What is beyond lies after 2038 either way.
uint32_t text_time(uint32_t time) {
    return std::min<uint32_t>(time, INT32_MAX);
}

struct Key {
    std::string_view text;  // as it is written
    bool is_encoded = false;
};

struct Source {
    const BinaryFrame* frame;
    std::string_view extras;
    Key key;
};

uint32_t extra_time(const Source& source, size_t offset) {
    return text_time(read_uint32(source.extras.substr(offset)));
}

void write_key(const Source& source, Line& line, RequestFrame& request) {
    request.key_count = 1;
    request.keys[0] = line.word(source.key.text);
    request.base64_key = source.key.is_encoded;
}

void write_base64_flag(const Source& source, Line& line) {
    if (source.key.is_encoded) line.word("b");
}

void write_cas(const Source& source, Line& line) {
    if (source.frame->cas != 0) line.flag("C", source.frame->cas);
}

// get, gat, touch
void write_read(const Source& source, Line& line, RequestFrame& request) {
    const BinaryCommand command = source.frame->meaning.command;
    if (source.key.is_encoded) {
        line.begin("mg");
        request.verb = Verb::MetaGet;
        write_key(source, line, request);
        write_base64_flag(source, line);
        line.word("f");
        line.word("c");
        if (command != BinaryCommand::Touch) line.word("v");
        if (command != BinaryCommand::Get) line.flag("T", extra_time(source, 0));
        return;
    }
    // To a touch the value is of no use; but mg would take the win of a stale one.
    if (command == BinaryCommand::GetAndTouch || command == BinaryCommand::Touch) {
        line.begin("gats");
        request.verb = Verb::Gats;
        request.argument = line.number(extra_time(source, 0));
        write_key(source, line, request);
        return;
    }
    line.begin("gets");
    request.verb = Verb::Gets;
    write_key(source, line, request);
}

std::string_view mode_of(const BinaryFrame& frame) {
    const BinaryCommand command = frame.meaning.command;
    if (command == BinaryCommand::Append) return "MA";
    if (command == BinaryCommand::Prepend) return "MP";
    if (command == BinaryCommand::Increment) return "MI";
    if (command == BinaryCommand::Decrement) return "MD";
    // A cas decides alone: there must be a value that has it.
    if (frame.cas != 0) return {};
    if (command == BinaryCommand::Add) return "ME";
    if (command == BinaryCommand::Replace) return "MR";
    return {};
}

void write_mode(const Source& source, Line& line) {
    const std::string_view mode = mode_of(*source.frame);
    if (!mode.empty()) line.word(mode);
}

void write_set(const Source& source, Line& line, RequestFrame& request) {
    line.begin("ms");
    request.verb = Verb::MetaSet;
    request.version_need = VersionNeed::Binary;
    write_key(source, line, request);
    line.number(source.frame->value.size);
    write_base64_flag(source, line);
    line.word("c");
    if (!source.extras.empty()) {
        line.flag("F", read_uint32(source.extras));
        line.flag("T", extra_time(source, 4));
    }
    write_mode(source, line);
    write_cas(source, line);
}

void write_delete(const Source& source, Line& line, RequestFrame& request) {
    line.begin("md");
    request.verb = Verb::MetaDelete;
    write_key(source, line, request);
    write_base64_flag(source, line);
    write_cas(source, line);
    if (source.frame->cas != 0) request.version_need = VersionNeed::Binary;
}

void write_arithmetic(const Source& source, Line& line, RequestFrame& request) {
    line.begin("ma");
    request.verb = Verb::MetaArithmetic;
    write_key(source, line, request);
    write_base64_flag(source, line);
    line.word("v");
    line.word("c");
    line.flag("D", read_uint64(source.extras));
    write_mode(source, line);
    const auto time = read_uint32(source.extras.substr(16));
    if (time != binary_no_creation) {
        line.flag("N", text_time(time));
        line.flag("J", read_uint64(source.extras.substr(8)));
    }
    write_cas(source, line);
}

void write_stat(std::string_view kind, Line& line, RequestFrame& request) {
    line.begin("stats");
    request.verb = Verb::Stats;
    if (kind.empty()) return;
    // The first of the words.
    const size_t end = std::min(kind.find(' '), kind.size());
    request.argument = line.word(kind.substr(0, end));
    if (end < kind.size()) line.word(kind.substr(end + 1));
}

void write_line(const Source& source, Line& line, RequestFrame& request) {
    switch (source.frame->meaning.command) {
        case BinaryCommand::Get:
        case BinaryCommand::GetAndTouch:
        case BinaryCommand::Touch:
            return write_read(source, line, request);
        case BinaryCommand::Set:
        case BinaryCommand::Add:
        case BinaryCommand::Replace:
        case BinaryCommand::Append:
        case BinaryCommand::Prepend:
            return write_set(source, line, request);
        case BinaryCommand::Delete:
            return write_delete(source, line, request);
        case BinaryCommand::Increment:
        case BinaryCommand::Decrement:
            return write_arithmetic(source, line, request);
        case BinaryCommand::Flush: {
            line.begin("flush_all");
            request.verb = Verb::FlushAll;
            if (!source.extras.empty()) request.argument = line.number(extra_time(source, 0));
            return;
        }
        case BinaryCommand::Verbosity: {
            line.begin("verbosity");
            request.verb = Verb::Verbosity;
            request.argument = line.number(read_uint32(source.extras));
            return;
        }
        case BinaryCommand::Stat:
            return write_stat(source.key.text, line, request);
        case BinaryCommand::Noop:
            request.verb = Verb::MetaNoop;
            return line.begin("mn");
        case BinaryCommand::Version:
            request.verb = Verb::Version;
            return line.begin("version");
        case BinaryCommand::Quit:
        case BinaryCommand::SaslList:
        case BinaryCommand::Sasl:
        case BinaryCommand::Unknown:
            break;
    }
    RM_ASSERT(false);
}

bool fits_into_text(std::string_view key) {
    return find_special(key, 0) == key.size();
}

constexpr std::array<std::string_view, 3> details = {binary_detail_dump, "detail on", "detail off"};

bool is_detail(std::string_view key) {
    return std::find(details.begin(), details.end(), key) != details.end();
}

// Of these memcached looks at the beginning only.
std::string_view stat_name(std::string_view key) {
    constexpr std::array<std::string_view, 2> others = {"reset", "settings"};
    for (const std::string_view name : details) {
        if (key.starts_with(name)) return name;
    }
    for (const std::string_view name : others) {
        if (key.starts_with(name)) return name;
    }
    return key;
}

}  // namespace

Rewritten rewrite_line(const BinaryFrame& frame,
                       const Bytes& bytes,
                       Chain& target,
                       RequestFrame& request) {
    RM_ASSERT(frame.refusal == BinaryStatus::Success);
    bool is_too_long = false;
    std::string extras_scratch;
    std::string key_scratch;
    EncodedKey encoded;
    Source source = {.frame = &frame,
                     .extras = bytes.view(frame.extras, extras_scratch),
                     .key = {.text = bytes.view(frame.key, key_scratch)}};
    std::string_view& key = source.key.text;
    if (frame.meaning.command == BinaryCommand::Stat) {
        key = stat_name(key);
        const bool is_right = key.starts_with("detail") ? is_detail(key) : fits_into_text(key);
        if (!is_right) return Rewritten::UnknownStat;
    } else if (!fits_into_text(key)) {
        is_too_long = key.size() > binary_key_encoded_max;
        encoded = encode_base64(key.substr(0, binary_key_encoded_max));
        source.key = {.text = encoded.view(), .is_encoded = true};
    }

    request = {};
    Line line;
    write_line(source, line, request);
    if (is_too_long) return Rewritten::KeyTooLong;
    request.line = {.offset = 0, .size = line.size()};
    const std::string_view text = line.end();
    request.is_canonical = request.key_count > 0;  // as the text parser has it
    request.size = static_cast<uint32_t>(text.size());
    if (!target.append_copy(text, nullptr)) return Rewritten::NoMemory;
    if (request.verb == Verb::MetaSet) {
        request.data = {.offset = request.size, .size = frame.value.size};
        request.size += frame.value.size + DataBlock::line_end_size;
    }
    return Rewritten::Yes;
}

Rewritten rewrite_request(const BinaryFrame& frame,
                          const Bytes& bytes,
                          Chain& target,
                          RequestFrame& request) {
    const Rewritten done = rewrite_line(frame, bytes, target, request);
    if (done != Rewritten::Yes || request.verb != Verb::MetaSet) return done;
    const bool written =
        bytes.append_to(target, frame.value, nullptr) && target.append_copy(line_end, nullptr);
    return written ? Rewritten::Yes : Rewritten::NoMemory;
}

}  // namespace ringmain::memcached
