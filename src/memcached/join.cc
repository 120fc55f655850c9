// One response from those of the fragments of a get.

#include "ringmain/base/assert.h"
#include "ringmain/memcached/data_block.h"
#include "ringmain/memcached/forward.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "numbers.h"
#include "value_line.h"

namespace ringmain::memcached {

namespace {

// A place in a chain, moving forward only: no response is walked twice, whatever its size.
class Cursor {
  public:
    Cursor() = default;

    explicit Cursor(const Chain& chain) : node_(chain.nodes()) { settle(); }

    [[nodiscard]] bool at_end() const { return node_ == nullptr; }

    // Undefined at the end.
    [[nodiscard]] char byte() const { return node_->block->data[node_->offset + at_]; }

    // What lies in one piece from here on; not at the end.
    [[nodiscard]] std::string_view piece() const {
        return {node_->block->data + node_->offset + at_, node_->size - at_};
    }

    void step() {
        at_ += 1;
        settle();
    }

    // Steps over `text`; false, somewhere in it, when other bytes are there.
    [[nodiscard]] bool skip(std::string_view text) {
        while (!text.empty()) {
            if (at_end()) return false;
            const size_t count = std::min<size_t>(text.size(), node_->size - at_);
            const char* here = node_->block->data + node_->offset + at_;
            if (std::memcmp(here, text.data(), count) != 0) return false;
            at_ += static_cast<uint32_t>(count);
            text.remove_prefix(count);
            settle();
        }
        return true;
    }

    // Steps over `size` bytes and appends them to `target`, small pieces copied, large ones shared.
    [[nodiscard]] bool move(uint64_t size, Chain& target, OpenBlock* open) {
        while (size > 0) {
            if (at_end()) return false;
            const auto count = static_cast<uint32_t>(std::min<uint64_t>(size, node_->size - at_));
            if (!target.append({node_->block, node_->offset + at_, count}, open)) return false;
            at_ += count;
            size -= count;
            settle();
        }
        return true;
    }

  private:
    void settle() {
        while (node_ != nullptr && at_ == node_->size) {
            node_ = node_->next;
            at_ = 0;
        }
    }

    const ChainNode* node_ = nullptr;
    uint32_t at_ = 0;
};

// Of a VALUE line from behind the key on: " <flags> <bytes> [<cas>]\r\n".
struct LineRest {
    bool is_there = true;  // the line is that key's
    bool is_right = false;
    size_t size = 0;         // of these bytes
    uint32_t data_size = 0;  // <bytes>
};

LineRest read_rest(Cursor& cursor) {
    constexpr size_t size_max = 64;  // " 4294967295 2147483645 18446744073709551615\r\n"
    LineRest rest;
    std::array<char, size_max> text = {};
    while (!cursor.at_end() && rest.size < size_max) {
        const char byte = cursor.byte();
        cursor.step();
        text[rest.size] = byte;
        rest.size += 1;
        if (byte == '\n') break;
    }
    const std::string_view line(text.data(), rest.size);
    if (!line.ends_with("\r\n")) return rest;
    const size_t flags_end = line.find(' ', 1);
    if (flags_end == std::string_view::npos) return rest;
    const std::string_view numbers = line.substr(flags_end + 1);
    const auto data_size = read_length(numbers.substr(0, numbers.find_first_of(" \r")));
    if (!data_size.has_value()) return rest;
    rest.is_right = true;
    rest.data_size = *data_size;
    return rest;
}

enum class Moved : uint8_t { Hit, Miss, Failed };

constexpr std::string_view word = "VALUE ";

// The same of a line that lies in one piece and is as usual.
LineRest read_rest(std::string_view piece) {
    const char* const end = piece.data() + piece.size();
    LineRest rest;
    const char* at = read_value_numbers(piece.data(), end, &rest.data_size);
    if (at == nullptr || end - at < 2 || at[0] != '\r' || at[1] != '\n') return rest;
    rest.is_right = true;
    rest.size = static_cast<size_t>(at + 2 - piece.data());
    return rest;
}

// Where no more than the beginning of the line lies in one piece, or it is unusual.
LineRest find_rest(Cursor cursor, std::string_view key) {
    const bool is_its = cursor.skip(word) && cursor.skip(key) && !cursor.at_end();
    if (!is_its || cursor.byte() != ' ') return {.is_there = false};
    return read_rest(cursor);
}

// Moves the VALUE block of `key` when it is the next one. On a miss the cursor stays.
Moved move_value(Cursor& cursor, std::string_view key, Chain& target, OpenBlock* open) {
    if (cursor.at_end()) return Moved::Miss;
    const std::string_view piece = cursor.piece();
    const size_t head_size = word.size() + key.size();
    LineRest rest;
    if (piece.size() > head_size) {
        const bool is_its = ascii::begins_with(piece, "VALUE ") &&
                            std::memcmp(piece.data() + word.size(), key.data(), key.size()) == 0 &&
                            piece[head_size] == ' ';
        if (!is_its) return Moved::Miss;
        rest = read_rest({piece.data() + head_size, piece.size() - head_size});
    }
    if (!rest.is_right) [[unlikely]] {
        rest = find_rest(cursor, key);
    }
    if (!rest.is_there) return Moved::Miss;
    if (!rest.is_right) return Moved::Failed;
    const uint64_t size = head_size + rest.size + rest.data_size + DataBlock::line_end_size;
    return cursor.move(size, target, open) ? Moved::Hit : Moved::Failed;
}

constexpr std::string_view end_line = "END\r\n";

bool join(std::span<const std::string_view> keys,
          std::span<const uint16_t> owners,
          std::span<Cursor> cursors,
          Chain& target,
          OpenBlock* open) {
    for (size_t i = 0; i < keys.size(); ++i) {
        if (move_value(cursors[owners[i]], keys[i], target, open) == Moved::Failed) return false;
    }
    // What is left over was not asked for, or came in another order.
    for (Cursor& cursor : cursors) {
        if (!cursor.skip(end_line) || !cursor.at_end()) return false;
    }
    return target.append_copy(end_line, open);
}

}  // namespace

bool join_values(std::span<const std::string_view> keys,
                 std::span<const uint16_t> owners,
                 std::span<const Chain* const> responses,
                 Chain& target,
                 OpenBlock* open) {
    RM_ASSERT(keys.size() == owners.size());
    constexpr size_t few = 32;
    std::array<Cursor, few> kept;
    std::vector<Cursor> grown;  // more servers than most have
    if (responses.size() > few) grown.resize(responses.size());
    const std::span<Cursor> cursors =
        responses.size() > few ? std::span<Cursor>(grown) : std::span<Cursor>(kept);
    for (size_t i = 0; i < responses.size(); ++i) {
        cursors[i] = Cursor(*responses[i]);
    }
    return join(keys, owners, cursors.first(responses.size()), target, open);
}

}  // namespace ringmain::memcached
