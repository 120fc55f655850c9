// ringmain/resp/arguments.h - the places of all arguments of a request.
//
// A frame keeps the first eight. Requests with more (MGET, MSET, EVAL) are walked once again, from
// header to header: bodies are not read.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/protocol/frame.h"
#include "ringmain/resp/request_parser.h"

#include <cstdint>
#include <vector>

namespace ringmain::resp {

// Replaces `arguments` by the frame's, the command's name first. `bytes` are the whole frame as the
// request parser completed it: an array, neither inline nor oversized.
void find_arguments(const RequestFrame& frame,
                    const Bytes& bytes,
                    std::vector<ByteRange>& arguments);

}  // namespace ringmain::resp
