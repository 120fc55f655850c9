// One response from those of the fragments of a get.

#include "ringmain/base/assert.h"
#include "ringmain/memcached/data_block.h"
#include "ringmain/memcached/forward.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "numbers.h"
#include "value_line.h"
#include "words.h"

namespace ringmain::memcached {

namespace {

// A place in a chain, moving forward only: no response is walked twice, whatever its size.
class Cursor {
  public:
    Cursor() = default;

    explicit Cursor(const Chain& chain) : node_(chain.nodes()) { enter(); }

    [[nodiscard]] bool at_end() const { return node_ == nullptr; }

    // What lies in one piece from here on; empty at the end.
    [[nodiscard]] std::string_view piece() const {
        return {at_, static_cast<size_t>(piece_end_ - at_)};
    }

    // Steps over that many bytes of the piece, and returns them.
    Slice take(size_t size) {
        const auto offset = static_cast<uint32_t>(at_ - node_->block->data);
        const Slice taken = {node_->block, offset, static_cast<uint32_t>(size)};
        at_ += size;
        if (at_ == piece_end_) [[unlikely]] {
            node_ = node_->next;
            enter();
        }
        return taken;
    }

    // Steps over `text`; false, somewhere in it, when other bytes are there.
    [[nodiscard]] bool skip(std::string_view text) {
        while (!text.empty()) {
            if (at_end()) return false;
            const size_t count = std::min(text.size(), piece().size());
            if (std::memcmp(at_, text.data(), count) != 0) return false;
            text.remove_prefix(count);
            take(count);
        }
        return true;
    }

    // Steps over `size` bytes and appends them to `target`, small pieces copied, large ones shared.
    [[nodiscard]] bool move(uint64_t size, Chain& target, OpenBlock* open) {
        while (size > 0) {
            if (at_end()) return false;
            const auto count = static_cast<size_t>(std::min<uint64_t>(size, piece().size()));
            if (!target.append(take(count), open)) return false;
            size -= count;
        }
        return true;
    }

  private:
    // The first node from this one on that is not empty.
    void enter() {
        while (node_ != nullptr && node_->size == 0) {
            node_ = node_->next;
        }
        at_ = node_ == nullptr ? nullptr : node_->block->data + node_->offset;
        piece_end_ = node_ == nullptr ? nullptr : at_ + node_->size;
    }

    const ChainNode* node_ = nullptr;
    const char* at_ = nullptr;
    const char* piece_end_ = nullptr;
};

constexpr std::string_view word = "VALUE ";
constexpr size_t unusual = std::numeric_limits<size_t>::max();

// Size of the VALUE block of `key` that `piece` begins with. 0: another is next, or none. Unusual:
// neither can be told here.
size_t usual_value(std::string_view piece, std::string_view key) {
    if (piece.empty() || piece.front() != 'V') return 0;
    const size_t head_size = word.size() + key.size();
    if (piece.size() <= head_size) return unusual;
    const bool is_its = ascii::begins_with(piece, "VALUE ") && piece[head_size] == ' ' &&
                        is_same(piece.data() + word.size(), key.data(), key.size());
    if (!is_its) return 0;
    const char* const end = piece.data() + piece.size();
    uint32_t data_size = 0;
    const char* const at = read_value_numbers(piece.data() + head_size, end, &data_size);
    if (at == nullptr || end - at < 2 || !is_line_end(at)) return unusual;
    return static_cast<size_t>(at - piece.data()) + data_size + 2 * DataBlock::line_end_size;
}

// Of a VALUE line from behind the key on, " <flags> <bytes> [<cas>]\r\n", and of the block behind
// it: the size. 0: the line is none.
uint64_t unusual_rest(Cursor cursor) {
    constexpr size_t size_max = 64;  // " 4294967295 2147483645 18446744073709551615\r\n"
    std::array<char, size_max> text = {};
    size_t size = 0;
    while (!cursor.at_end() && size < size_max) {
        const char byte = cursor.piece().front();
        cursor.take(1);
        text[size] = byte;
        size += 1;
        if (byte == '\n') break;
    }
    const std::string_view line(text.data(), size);
    if (!line.ends_with("\r\n")) return 0;
    const size_t flags_end = line.find(' ', 1);
    if (flags_end == std::string_view::npos) return 0;
    const std::string_view numbers = line.substr(flags_end + 1);
    const auto data_size = read_length(numbers.substr(0, numbers.find_first_of(" \r")));
    return data_size.has_value() ? size + *data_size + DataBlock::line_end_size : 0;
}

// Neighbouring values of one response, which are appended in one piece.
class Run {
  public:
    Run(Chain& target, OpenBlock* open) : target_(&target), open_(open) {}

    [[nodiscard]] bool add(Slice value) {
        if (value.block == slice_.block && value.offset == slice_.offset + slice_.size) {
            slice_.size += value.size;
            return true;
        }
        const bool is_kept = flush();
        slice_ = value;
        return is_kept;
    }

    [[nodiscard]] bool flush() {
        const Slice slice = std::exchange(slice_, {});
        return slice.size == 0 || target_->append(slice, open_);
    }

    // What crosses blocks. False when it is cut, and when the arena is exhausted.
    [[nodiscard]] bool add_large(Cursor& cursor, uint64_t size) {
        return flush() && cursor.move(size, *target_, open_);
    }

    // The VALUE block of `key` when it is the next one, of which the line is cut or spelled in
    // another way. False also when the line is none.
    [[nodiscard, gnu::cold]] bool add_unusual(Cursor& cursor, std::string_view key) {
        Cursor rest = cursor;
        const bool is_its = rest.skip(word) && rest.skip(key) && !rest.at_end();
        if (!is_its || rest.piece().front() != ' ') return true;
        const uint64_t size = unusual_rest(rest);
        return size > 0 && add_large(cursor, word.size() + key.size() + size);
    }

  private:
    Chain* target_;
    OpenBlock* open_;
    Slice slice_;
};

bool join(std::span<const std::string_view> keys,
          std::span<const uint16_t> owners,
          std::span<Cursor> cursors,
          Chain& target,
          OpenBlock* open) {
    Run run(target, open);
    for (size_t i = 0; i < keys.size(); ++i) {
        Cursor& cursor = cursors[owners[i]];
        const std::string_view piece = cursor.piece();
        const size_t size = usual_value(piece, keys[i]);
        if (size == 0) continue;
        if (size <= piece.size()) [[likely]] {
            if (!run.add(cursor.take(size))) return false;
        } else if (size == unusual) {
            if (!run.add_unusual(cursor, keys[i])) return false;
        } else if (!run.add_large(cursor, size)) {
            return false;
        }
    }
    if (!run.flush()) return false;
    // What is left over was not asked for, or came in another order.
    for (Cursor& cursor : cursors) {
        if (!cursor.skip(end_of_values) || !cursor.at_end()) return false;
    }
    return target.append_copy(end_of_values, open);
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
