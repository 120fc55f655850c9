// Property: the responses that the parser finds do not depend on how the stream is cut.

#include "ringmain/base/assert.h"
#include "ringmain/resp/response_parser.h"
#include "tests/fuzz/resp/pieces.h"
#include "tests/unit/resp/events.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using ringmain::resp::ResponseParser;
using ringmain::test::CutInput;
using ringmain::test::Events;

std::string events_in_pieces(std::string_view bytes, size_t step) {
    ResponseParser parser;
    Events<ResponseParser> events(parser);
    ringmain::test::for_each_piece(
        bytes, step, [&](std::string_view piece) { events.feed(piece); });
    return events.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const CutInput input(data, size);
    const std::string whole = events_in_pieces(input.bytes, SIZE_MAX);
    RM_ASSERT(ringmain::test::events_byte_by_byte(ResponseParser(), input.bytes) == whole);
    RM_ASSERT(events_in_pieces(input.bytes, input.step) == whole);
    return 0;
}
