#include "ringmain/memcached/forward.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base64.h"
#include "numbers.h"
#include "words.h"

namespace ringmain::memcached {

namespace {

// Collects the words of one line and hands them over in pieces that are worth a call.
class LineWriter {
  public:
    // What lies in `piece_` is written before it is read.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
    explicit LineWriter(Chain& target) : target_(&target) {}

    void word(std::string_view text) {
        if (!is_first_) put(' ');
        is_first_ = false;
        put(text);
    }

    // Words with a blank before each.
    void add(std::string_view text) { put(text); }

    [[nodiscard]] bool end() {
        put("\r\n");
        flush();
        return is_right_;
    }

  private:
    void put(char byte) {
        if (size_ == piece_.size()) flush();
        piece_[size_] = byte;
        size_ += 1;
    }

    void put(std::string_view text) {
        if (text.size() > piece_.size() - size_) flush();
        if (text.size() > piece_.size()) {
            is_right_ = is_right_ && target_->append_copy(text, nullptr);
            return;
        }
        std::memcpy(piece_.data() + size_, text.data(), text.size());
        size_ += text.size();
    }

    void flush() {
        is_right_ = is_right_ && target_->append_copy({piece_.data(), size_}, nullptr);
        size_ = 0;
    }

    Chain* target_;
    std::array<char, 512> piece_;
    size_t size_ = 0;
    bool is_first_ = true;
    bool is_right_ = true;
};

// How many words of a line matter to the server, the command included; what stands behind them is
// "noreply" or what memcached ignores.
size_t words_wanted(const RequestFrame& frame) {
    constexpr size_t all = std::numeric_limits<size_t>::max();
    switch (frame.verb) {
        case Verb::Set:
        case Verb::Add:
        case Verb::Replace:
        case Verb::Append:
        case Verb::Prepend:
            return 5;
        case Verb::Cas:
            return 6;
        case Verb::Incr:
        case Verb::Decr:
        case Verb::Touch:
            return 3;
        case Verb::Delete:
            return 2;
        case Verb::FlushAll:
        case Verb::Verbosity:
            return frame.argument.size > 0 ? 2 : 1;
        case Verb::Version:
        case Verb::Quit:
        case Verb::MetaNoop:
            return 1;
        case Verb::Get:
        case Verb::Gets:
        case Verb::Gat:
        case Verb::Gats:
        case Verb::Stats:
        case Verb::MetaGet:
        case Verb::MetaSet:
        case Verb::MetaDelete:
        case Verb::MetaArithmetic:
        case Verb::MetaDebug:
            return all;
        case Verb::Invalid:
            break;
    }
    RM_ASSERT(false);
}

// Whether the word at that position is a number; not those within flags of meta commands.
bool is_number_at(Verb verb, size_t position) {
    const bool has_one =
        verb == Verb::Incr || verb == Verb::Decr || verb == Verb::Touch || verb == Verb::MetaSet;
    const bool begins_with_one =
        is_get_and_touch(verb) || verb == Verb::FlushAll || verb == Verb::Verbosity;
    return (is_update(verb) && position >= 2) || (has_one && position == 2) ||
           (begins_with_one && position == 1);
}

bool is_time_at(Verb verb, size_t position) {
    const bool begins_with_one = is_get_and_touch(verb) || verb == Verb::FlushAll;
    return (is_update(verb) && position == 3) || (verb == Verb::Touch && position == 2) ||
           (begins_with_one && position == 1);
}

std::string_view canonical_word(Verb verb, size_t position, std::string_view word) {
    if (is_time_at(verb, position)) return canonical_time(word);
    return is_number_at(verb, position) ? canonical_number(word) : word;
}

// Behind this many words the flags of a meta command begin.
size_t flags_position(Verb verb) {
    return verb == Verb::MetaSet ? 3 : 2;
}

}  // namespace

void keys_of(const RequestFrame& frame,
             const Bytes& bytes,
             std::string& scratch,
             std::vector<ByteRange>& keys) {
    keys.clear();
    if (frame.key_count <= RequestFrame::keys_kept) {
        keys.assign(frame.keys.begin(), frame.keys.begin() + frame.key_count);
        return;
    }
    const std::string_view line = bytes.view(frame.line, scratch);
    if (frame.is_canonical) {  // one blank before each key
        keys.resize(frame.key_count);
        ByteRange* next = keys.data();
        const ByteRange* const last = next + frame.key_count - 1;
        uint32_t begin = frame.keys[0].offset;
        static_cast<void>(each_blank(line, begin, [&](size_t end) {
            RM_ASSERT(next != last);
            *next = {begin, static_cast<uint32_t>(end) - begin};
            next += 1;
            begin = static_cast<uint32_t>(end) + 1;
        }));
        RM_ASSERT(next == last);
        *next = {begin, static_cast<uint32_t>(line.size()) - begin};
        return;
    }
    Words words(line);
    std::string_view word = words.next();
    if (is_get_and_touch(frame.verb)) word = words.next();
    keys.reserve(frame.key_count);
    for (word = words.next(); !word.empty(); word = words.next()) {
        keys.push_back(
            {static_cast<uint32_t>(word.data() - line.data()), static_cast<uint32_t>(word.size())});
    }
    RM_ASSERT(keys.size() == frame.key_count);
}

size_t find_ahead(const Bytes& keys,
                  std::span<const std::string_view> named,
                  std::string& scratch,
                  uint32_t& at) {
    constexpr uint32_t looked_at = 4096;
    std::string_view rest;  // from `at` on: as much as is looked at, and at least one key
    size_t found = 0;
    while (found < named.size() && at < keys.size()) {
        const std::string_view key = named[found];
        if (rest.size() <= key_size_max && at + rest.size() < keys.size()) {
            rest = keys.view({at, std::min(keys.size() - at, looked_at)}, scratch);
        }
        const bool is_it =
            rest.starts_with(key) && (rest.size() == key.size() || rest[key.size()] == ' ');
        const size_t size = is_it ? key.size() : std::min(rest.find(' '), rest.size());
        const auto step = static_cast<uint32_t>(std::min(size + 1, rest.size()));
        rest.remove_prefix(step);
        at += step;
        if (is_it) found += 1;
    }
    return found;
}

std::string_view placed_key(const RequestFrame& frame, const Bytes& bytes, std::string& scratch) {
    RM_ASSERT(frame.key_count > 0);
    const std::string_view key = bytes.view(frame.keys[0], scratch);
    if (!frame.base64_key) return key;
    scratch.assign(decode_base64(key).view());
    return scratch;
}

std::string_view named_key(const ResponseFrame& frame, const Bytes& bytes, std::string& scratch) {
    const std::string_view key = bytes.view(frame.first_key, scratch);
    if (!frame.key_is_base64) return key;
    // The reader takes no more than a key may have; whoever names a longer one names another.
    if (key.size() > key_size_max) return {};
    scratch.assign(decode_base64(key).view());
    return scratch;
}

bool write_request(const RequestFrame& frame, const Bytes& bytes, Chain& target) {
    RM_ASSERT(frame.verb != Verb::Invalid);
    const uint32_t size = std::min(frame.size, bytes.size());
    if (frame.is_canonical) return bytes.append_to(target, {0, size}, nullptr, Sharing::Sparing);

    std::string scratch;
    Words words(bytes.view(frame.line, scratch));
    LineWriter line(target);
    const size_t wanted = words_wanted(frame);
    size_t position = 0;
    for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
        if (position == wanted) break;
        const bool is_quiet_flag =
            frame.quiet && position >= flags_position(frame.verb) && word.front() == 'q';
        if (!is_quiet_flag) line.word(canonical_word(frame.verb, position, word));
        position += 1;
    }
    if (frame.verb == Verb::Delete && needs_zero(bytes.view(frame.keys[0], scratch))) {
        line.word("0");
    }
    if (!line.end()) return false;
    if (!has_data_block(frame.verb)) return true;
    return bytes.append_to(
        target, {frame.data.offset, size - frame.data.offset}, nullptr, Sharing::Sparing);
}

bool extend_get(std::string_view key, Chain& target) {
    RM_ASSERT(key.size() <= key_size_max);
    if (!target.take_back(line_end.size())) return false;
    // All that is read is written before.
    std::array<char, 1 + key_size_max + line_end.size()> text;  // NOLINT(*-pro-type-member-init)
    text[0] = ' ';
    key.copy(text.data() + 1, key.size());
    line_end.copy(text.data() + 1 + key.size(), line_end.size());
    const bool written = target.append_copy({text.data(), key.size() + 3}, nullptr);
    RM_ASSERT(written);
    return true;
}

bool write_fragment(const RequestFrame& frame,
                    const Bytes& bytes,
                    std::span<const ByteRange> keys,
                    Chain& target) {
    RM_ASSERT(is_get(frame.verb));
    std::string scratch;
    LineWriter line(target);
    line.word(word_of(frame.verb));
    if (is_get_and_touch(frame.verb)) {
        line.word(canonical_time(bytes.view(frame.argument, scratch)));
    }
    // Keys that stand side by side are taken over in one piece, each with the blank before it.
    constexpr uint32_t piece_size_max = 4096;  // bounds what is put together when it crosses blocks
    ChainPlace place;
    for (size_t i = 0; i < keys.size();) {
        const uint32_t begin = keys[i].offset - 1;
        uint32_t end = keys[i].end();
        for (i += 1; i < keys.size() && keys[i].offset == end + 1; ++i) {
            if (end - begin >= piece_size_max) break;
            end = keys[i].end();
        }
        line.add(bytes.view({begin, end - begin}, scratch, place));
    }
    return line.end();
}

}  // namespace ringmain::memcached
