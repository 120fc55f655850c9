// ringmain/resp/arguments.h - the places of all arguments of a request.
//
// A frame keeps the first eight. Requests with more (MGET, MSET, EVAL) are walked once again, from
// header to header: bodies are not read.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/resp/request_parser.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ringmain::resp {

// Replaces `arguments` by the frame's, the command's name first. `bytes` are the whole frame as the
// request parser completed it: an array, neither inline nor oversized.
void find_arguments(const RequestFrame& frame,
                    const Bytes& bytes,
                    std::vector<ByteRange>& arguments);

// No word, number or digest that is looked for is as long, nor is more of one shown: of an argument
// that may be any so much is looked at, for how long it is is the client's choice.
inline constexpr uint32_t word_size_max = 128;

// Copies of some of them, which come in order, or of as much of each.
[[nodiscard]] std::vector<std::string> texts_of(const Bytes& bytes,
                                                std::span<const ByteRange> arguments,
                                                uint32_t size_max = UINT32_MAX);

}  // namespace ringmain::resp
