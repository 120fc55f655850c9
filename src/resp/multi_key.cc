#include "ringmain/resp/multi_key.h"

#include "ringmain/base/assert.h"
#include "ringmain/buffer/slice_run.h"
#include "ringmain/resp/response_parser.h"

#include <algorithm>
#include <string>

#include "read_header.h"
#include "wire.h"

namespace ringmain::resp {

namespace {

struct Element {
    uint64_t size = 0;  // 0: there is none
    bool is_null = false;
};

// A string or null that lies in one piece, as nearly all do.
Element usual_element(std::string_view piece) {
    const char* const end = piece.data() + piece.size();
    uint32_t size = 0;
    const char* body = wire::read_bulk(piece.data(), end, &size);
    if (body != nullptr) {
        return {.size = static_cast<uint64_t>(body - piece.data()) + size + wire::line_end_size};
    }
    constexpr std::string_view null = "$-1\r\n";
    return piece.starts_with(null) ? Element{.size = null.size(), .is_null = true} : Element{};
}

// The value that starts at `cursor`; nothing when the bytes end before it does.
std::optional<ResponseFrame> next_value(Cursor cursor) {
    ResponseParser parser;
    while (!cursor.at_end()) {
        const Fed fed = parser.feed(cursor.piece());
        if (fed.status == ParseStatus::Complete) return parser.frame();
        if (fed.status == ParseStatus::Error) return std::nullopt;
        cursor.skip(fed.consumed);
    }
    return std::nullopt;
}

// What starts at `cursor`.
Element next_element(const Cursor& cursor) {
    const Element usual = usual_element(cursor.piece());
    if (usual.size > 0) return usual;
    const std::optional<ResponseFrame> value = next_value(cursor);
    if (!value.has_value()) return {};
    return {.size = value->size, .is_null = value->is_null};
}

// Whether each fragment's array has as many elements as it was asked for keys.
bool open_sources(const Join& join, std::vector<JoinSource>& sources) {
    sources.clear();
    for (const Chain* response : join.responses) {
        Cursor cursor(*response);
        const std::optional<uint64_t> count = read_header(cursor, '*');
        if (!count.has_value()) return false;
        sources.push_back({.cursor = cursor, .elements_left = *count});
    }
    for (const uint16_t owner : join.owners) {
        RM_ASSERT(owner < sources.size());
        JoinSource& source = sources[owner];
        if (source.elements_left == 0) return false;
        source.elements_left -= 1;
    }
    return std::all_of(sources.begin(), sources.end(), [](const JoinSource& source) {
        return source.elements_left == 0;
    });
}

// The only value in `response`, whole; nothing when it is anything else.
std::optional<ResponseFrame> only_value(const Chain& response) {
    const std::optional<ResponseFrame> value = next_value(Cursor(response));
    if (!value.has_value() || value->size != response.size()) return std::nullopt;
    return value;
}

}  // namespace

// Headers that the parser accepted have one spelling only: keys that stand side by side are taken
// over in one piece, headers and all.
bool write_fragment(const Split& split,
                    std::span<const uint32_t> keys,
                    Chain& target,
                    OpenBlock* open) {
    RM_ASSERT(!keys.empty() && (keys.back() + 1) * split.step < split.arguments.size());
    const bool named = target.append_copy(Header('*', 1 + keys.size() * split.step).view(), open) &&
                       target.append_copy(Header('$', split.name.size()).view(), open) &&
                       target.append_copy(split.name, open) && target.append_copy("\r\n", open);
    if (!named) return false;

    Cursor cursor(*split.bytes);
    // Where the argument behind `index` starts, its header included.
    const auto end_of = [&split](size_t index) {
        return split.arguments[index].end() + uint32_t{wire::line_end_size};
    };
    for (size_t i = 0; i < keys.size();) {
        const uint32_t begin = end_of(size_t{keys[i]} * split.step);
        size_t next = size_t{keys[i]} + 1;
        for (i += 1; i < keys.size() && keys[i] == next; ++i) {
            next += 1;
        }
        const uint32_t size = end_of(next * split.step) - begin;
        if (split.bytes->is_contiguous()) {
            const bool is_kept =
                split.bytes->append_to(target, {begin, size}, open, Sharing::Sparing);
            if (!is_kept) return false;
            continue;
        }
        cursor.skip(begin - cursor.position());
        if (!cursor.append_to(target, size, open, Sharing::Sparing)) return false;
    }
    return true;
}

JoinStatus join_arrays(const Join& join,
                       std::vector<JoinSource>& sources,
                       Chain& target,
                       OpenBlock* open) {
    if (!open_sources(join, sources)) return JoinStatus::WrongShape;
    if (!target.append_copy(Header('*', join.owners.size()).view(), open)) {
        return JoinStatus::NoMemory;
    }
    const std::string_view null = null_response(join.version);
    SliceRun run(target, open);
    for (const uint16_t owner : join.owners) {
        Cursor& cursor = sources[owner].cursor;
        const Element element = next_element(cursor);
        RM_ASSERT(element.size > 0);
        bool appended = false;
        if (element.is_null && !cursor.piece().starts_with(null)) {
            cursor.skip(element.size);
            appended = run.flush() && target.append_copy(null, open);
        } else {
            appended = run.add(cursor, element.size);
        }
        if (!appended) return JoinStatus::NoMemory;
    }
    return run.flush() ? JoinStatus::Joined : JoinStatus::NoMemory;
}

std::optional<int64_t> sum_integers(std::span<const Chain* const> responses) {
    int64_t sum = 0;
    for (const Chain* response : responses) {
        const std::optional<ResponseFrame> value = only_value(*response);
        if (!value.has_value() || value->type != ':') return std::nullopt;
        if (__builtin_add_overflow(sum, value->number, &sum)) return std::nullopt;
    }
    return sum;
}

bool all_ok(std::span<const Chain* const> responses) {
    std::string scratch;
    return std::all_of(responses.begin(), responses.end(), [&scratch](const Chain* response) {
        if (response->size() != ok_response.size()) return false;
        const ByteRange whole = {.offset = 0, .size = static_cast<uint32_t>(ok_response.size())};
        return response->view(whole, scratch) == ok_response;
    });
}

}  // namespace ringmain::resp
