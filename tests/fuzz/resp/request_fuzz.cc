// Property: the requests that the parser finds do not depend on how the stream is cut, and each one
// it accepts is spelled as it would be written anew.

#include "ringmain/base/assert.h"
#include "ringmain/resp/request_parser.h"
#include "ringmain/resp/writer.h"
#include "tests/fuzz/resp/pieces.h"
#include "tests/unit/resp/events.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using ringmain::Fed;
using ringmain::ParseStatus;
using ringmain::resp::RequestFrame;
using ringmain::resp::RequestLimits;
using ringmain::resp::RequestParser;
using ringmain::test::CutInput;
using ringmain::test::Events;

std::string events_in_pieces(RequestParser parser, std::string_view bytes, size_t step) {
    Events<RequestParser> events(parser);
    ringmain::test::for_each_piece(
        bytes, step, [&](std::string_view piece) { events.feed(piece); });
    return events.text();
}

void check_spelling(RequestParser parser, std::string_view bytes) {
    while (!bytes.empty()) {
        const Fed fed = parser.feed(bytes);
        if (fed.status != ParseStatus::Complete) return;
        const RequestFrame& frame = parser.frame();
        if (frame.argument_count > 0 && frame.argument_count <= RequestFrame::arguments_kept &&
            !frame.oversized) {
            std::string anew;
            ringmain::resp::write_array_header(anew, frame.argument_count);
            for (uint32_t i = 0; i < frame.argument_count; ++i) {
                const ringmain::ByteRange& range = frame.arguments[i];
                ringmain::resp::write_bulk(anew, bytes.substr(range.offset, range.size));
            }
            RM_ASSERT(anew == bytes.substr(0, frame.size));
        }
        bytes.remove_prefix(fed.consumed);
        parser.next();
    }
}

void check(const RequestParser& parser, const CutInput& input) {
    const std::string whole = events_in_pieces(parser, input.bytes, SIZE_MAX);
    RM_ASSERT(ringmain::test::events_byte_by_byte(parser, input.bytes) == whole);
    RM_ASSERT(events_in_pieces(parser, input.bytes, input.step) == whole);
    check_spelling(parser, input.bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const CutInput input(data, size);
    const RequestLimits usual;
    RequestParser parser(usual);
    check(parser, input);
    parser.set_authenticated(false);
    check(parser, input);
    // Limits that a short input can reach.
    const RequestLimits low = {
        .arguments_max = 9, .bulk_size_max = 40, .request_size_max = 60, .inline_size_max = 20};
    check(RequestParser(low), input);
    return 0;
}
