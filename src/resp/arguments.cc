#include "ringmain/resp/arguments.h"

#include "ringmain/base/assert.h"
#include "ringmain/buffer/cursor.h"

#include <optional>

#include "read_header.h"
#include "wire.h"

namespace ringmain::resp {

namespace {

uint32_t size_in_header(Cursor& cursor, char type) {
    const std::optional<uint64_t> size = read_header(cursor, type);
    RM_ASSERT(size.has_value());  // a parser has accepted it
    return static_cast<uint32_t>(*size);
}

// Of a frame that lies in one piece. False, with nothing known, when a header has more digits than
// the short cut reads.
bool find_in_piece(std::string_view piece, uint32_t count, std::vector<ByteRange>& arguments) {
    const char* const begin = piece.data();
    const char* const end = begin + piece.size();
    uint32_t size = 0;
    const char* at = wire::read_size(begin + 1, end, &size);
    if (at == nullptr) return false;
    arguments.resize(count);
    for (ByteRange& argument : arguments) {
        const char* body = wire::read_bulk(at, end, &size);
        if (body == nullptr) return false;
        argument = {.offset = static_cast<uint32_t>(body - begin), .size = size};
        at = body + size + wire::line_end_size;
    }
    RM_ASSERT(at == end);
    return true;
}

}  // namespace

void find_arguments(const RequestFrame& frame,
                    const Bytes& bytes,
                    std::vector<ByteRange>& arguments) {
    RM_ASSERT(!frame.is_inline);
    RM_ASSERT(!frame.oversized);
    arguments.clear();
    if (frame.argument_count <= RequestFrame::arguments_kept) {
        const auto* first = frame.arguments.begin();
        arguments.assign(first, first + frame.argument_count);
        return;
    }
    const uint32_t count = frame.argument_count;
    if (bytes.is_contiguous() && find_in_piece(bytes.slice().view(), count, arguments)) return;
    arguments.clear();
    Cursor cursor(bytes);
    const uint32_t written_count = size_in_header(cursor, '*');
    RM_ASSERT(written_count == count);
    arguments.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
        const uint32_t size = size_in_header(cursor, '$');
        arguments.push_back({.offset = static_cast<uint32_t>(cursor.position()), .size = size});
        cursor.skip(uint64_t{size} + wire::line_end_size);
    }
    RM_ASSERT(cursor.position() == frame.size);
}

std::vector<std::string> texts_of(const Bytes& bytes,
                                  std::span<const ByteRange> arguments,
                                  uint32_t size_max) {
    std::vector<std::string> texts;
    texts.reserve(arguments.size());
    std::string scratch;
    ChainPlace place;  // there may be a million of them
    for (const ByteRange& range : arguments) {
        texts.emplace_back(bytes.view(range.first(size_max), scratch, place));
    }
    return texts;
}

}  // namespace ringmain::resp
