// Property: whatever line is rewritten, the parser reads the array as exactly one request with that
// many arguments; and quoting an argument brings it back.

#include "ringmain/base/assert.h"
#include "ringmain/base/hex.h"
#include "ringmain/resp/inline.h"
#include "ringmain/resp/request_parser.h"
#include "ringmain/resp/writer.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace {

using ringmain::Fed;
using ringmain::ParseStatus;
using ringmain::resp::inline_to_array;

void check_array(std::string_view array, uint32_t count) {
    const ringmain::resp::RequestLimits limits;
    ringmain::resp::RequestParser parser(limits);
    const Fed fed = parser.feed(array);
    RM_ASSERT(fed.status == ParseStatus::Complete);
    RM_ASSERT(fed.consumed == array.size());
    RM_ASSERT(parser.frame().argument_count == count);
}

std::string quoted(std::string_view argument) {
    std::string out = "\"";
    for (const char byte : argument) {
        out += "\\x";
        ringmain::append_hex(out, static_cast<uint8_t>(byte));
    }
    return out + "\"";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // A copy of just this size: a sanitizer sees a read behind it.
    const auto copy = std::make_unique<char[]>(size);
    const std::string_view line(copy.get(), size);
    std::copy(data, data + size, copy.get());

    std::string array;
    const std::optional<uint32_t> count = inline_to_array(line, array);
    if (count.has_value() && *count > 0) check_array(array, *count);

    std::string expected;
    ringmain::resp::write_array_header(expected, 1);
    ringmain::resp::write_bulk(expected, line);
    RM_ASSERT(inline_to_array(quoted(line), array) == 1);
    RM_ASSERT(array == expected);
    return 0;
}
