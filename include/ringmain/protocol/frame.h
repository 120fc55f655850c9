// ringmain/protocol/frame.h - the words that the parsers of every protocol share.
//
// A frame names places in the byte stream by their offset from the frame's first byte, never by
// pointer: the bytes lie in a chain of blocks, and a block may end anywhere.

#pragma once

#include "ringmain/base/byte_range.h"

#include <cstddef>
#include <cstdint>

namespace ringmain {

enum class ParseStatus : uint8_t {
    Complete,  // one whole frame; `consumed` bytes of this piece belong to it
    NeedMore,  // a correct beginning, all bytes of this piece consumed
    Error,     // not this protocol; the parser's error() says what to answer
};

struct Fed {
    ParseStatus status = ParseStatus::NeedMore;
    size_t consumed = 0;
};

}  // namespace ringmain
