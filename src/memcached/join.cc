// One response from those of the fragments of a get.

#include "ringmain/base/assert.h"
#include "ringmain/buffer/cursor.h"
#include "ringmain/buffer/slice_run.h"
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

constexpr std::string_view word = "VALUE ";
constexpr uint64_t unusual = std::numeric_limits<uint64_t>::max();

// Size of the VALUE block of `key` that `piece` begins with. 0: another is next, or none. Unusual:
// neither can be told here.
uint64_t usual_value(std::string_view piece, std::string_view key) {
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
    return static_cast<uint64_t>(at - piece.data()) + data_size + 2 * DataBlock::line_end_size;
}

// Of a VALUE line from behind the key on, " <flags> <bytes> [<cas>]\r\n", and of the block behind
// it: the size. 0: the line is none.
uint64_t unusual_rest(Cursor cursor) {
    constexpr size_t size_max = 64;  // " 4294967295 2147483645 18446744073709551615\r\n"
    std::array<char, size_max> text = {};
    size_t size = 0;
    while (!cursor.at_end() && size < size_max) {
        const char byte = cursor.take_byte();
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

// The same of a line that is cut, or spelled in another way. Unusual: it is none.
[[gnu::cold]] uint64_t unusual_value(Cursor cursor, std::string_view key) {
    const bool is_its = cursor.skip_text(word) && cursor.skip_text(key) && !cursor.at_end();
    if (!is_its || cursor.piece().front() != ' ') return 0;
    const uint64_t rest = unusual_rest(cursor);
    return rest > 0 ? word.size() + key.size() + rest : unusual;
}

bool join(std::span<const std::string_view> keys,
          std::span<const uint16_t> owners,
          std::span<Cursor> cursors,
          Chain& target,
          OpenBlock* open) {
    SliceRun run(target, open);
    for (size_t i = 0; i < keys.size(); ++i) {
        Cursor& cursor = cursors[owners[i]];
        uint64_t size = usual_value(cursor.piece(), keys[i]);
        if (size == unusual) [[unlikely]] {
            size = unusual_value(cursor, keys[i]);
            if (size == unusual) return false;
        }
        if (size > 0 && !run.add(cursor, size)) return false;
    }
    if (!run.flush()) return false;
    // What is left over was not asked for, or came in another order.
    for (Cursor& cursor : cursors) {
        if (!cursor.skip_text(end_of_values) || !cursor.at_end()) return false;
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
