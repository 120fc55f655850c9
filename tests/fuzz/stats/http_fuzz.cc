// Property: a request is read in two pieces as it is read whole; what is read has no control
// characters, and is never longer than what was fed.

#include "ringmain/base/assert.h"
#include "ringmain/stats/http.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace {

using ringmain::stats::HttpReader;
using Status = HttpReader::Status;

bool is_clean(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char byte) {
        return byte == '\t' || (byte >= ' ' && byte != 0x7F) || byte < 0;
    });
}

void check_cut(std::string_view bytes, size_t cut, const HttpReader& whole, HttpReader::Fed fed) {
    HttpReader reader;
    HttpReader::Fed again = reader.feed(bytes.substr(0, cut));
    if (again.status == Status::NeedMore) {
        RM_ASSERT(again.consumed == cut);
        again = reader.feed(bytes.substr(cut));
        again.consumed += cut;
    }
    RM_ASSERT(again.status == fed.status);
    RM_ASSERT(again.consumed == fed.consumed);
    RM_ASSERT(reader.error() == whole.error());
    RM_ASSERT(reader.request().method == whole.request().method);
    RM_ASSERT(reader.request().path == whole.request().path);
    RM_ASSERT(reader.request().accept == whole.request().accept);
    RM_ASSERT(reader.request().keep_alive == whole.request().keep_alive);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // A copy of just this size: a sanitizer sees a read behind it.
    const auto copy = std::make_unique<char[]>(size);
    std::copy(data, data + size, copy.get());
    const std::string_view bytes(copy.get(), size);

    HttpReader whole;
    const HttpReader::Fed fed = whole.feed(bytes);
    RM_ASSERT(fed.consumed <= size);
    RM_ASSERT((fed.status == Status::Error) == (whole.error() != 0));
    if (fed.status == Status::NeedMore) RM_ASSERT(fed.consumed == size);
    if (fed.status == Status::Complete) {
        RM_ASSERT(is_clean(whole.request().accept));
        RM_ASSERT(whole.request().path.starts_with('/'));
    }
    const size_t step = size < 64 ? 1 : size / 16;
    for (size_t cut = 0; cut <= size; cut += step) {
        check_cut(bytes, cut, whole, fed);
    }
    return 0;
}
