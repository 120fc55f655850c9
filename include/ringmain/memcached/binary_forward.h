// ringmain/memcached/binary_forward.h - binary requests as text ones, and text responses as binary.
//
// Servers are spoken to in text, whatever the client speaks: the connections are the same for all.
//
//   get getq getk getkq      gets KEY                          so that it shares a line with others
//   gat gatq gatk gatkq      gats TIME KEY
//   touch                    mg KEY f c TTIME
//   set add replace          ms KEY SIZE c FFLAGS TTIME        and ME, MR or, with a cas, CCAS
//   append prepend           ms KEY SIZE c MA|MP               and CCAS
//   delete                   md KEY                            and CCAS
//   increment decrement      ma KEY v c DDELTA MI|MD           and NTIME JINITIAL, CCAS
//   flush verbosity stat     flush_all, verbosity, stats
//   noop version             mn, version: answered here
//
// A key that text cannot hold is written in base64 (flag b), and a get of it as mg. Silence is no
// matter of the server's: a quiet request is written as the other one, and write_response() leaves
// out what its client does not want.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/memcached/binary_parser.h"
#include "ringmain/memcached/request_parser.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmain::memcached {

// Of a key that has to be written in base64, which must not be larger than a key may be.
inline constexpr uint32_t binary_key_encoded_max = key_size_max / 4 * 3;

// The key of the stat whose answer is no list of figures, and the name of what it is.
inline constexpr std::string_view binary_detail_dump = "detail dump";
inline constexpr std::string_view binary_detail_name = "detailed";

enum class Rewritten : uint8_t {
    Yes,
    KeyTooLong,   // more than binary_key_encoded_max bytes, some of which text cannot hold; the
                  // request's verb is what it would be
    UnknownStat,  // of a name that text cannot hold
    NoMemory,     // the arena is exhausted
};

// Appends the request in text to `target`, which is empty, and describes it in `request` as the
// text parser would. Not for a refused frame, nor for quit.
[[nodiscard]] Rewritten rewrite_request(const BinaryFrame& frame,
                                        const Bytes& bytes,
                                        Chain& target,
                                        RequestFrame& request);

// The line of it alone, of one with a value, which need not be there: the rest of the text is the
// value and the end of a line. Its description is that of the whole.
[[nodiscard]] Rewritten rewrite_line(const BinaryFrame& frame,
                                     const Bytes& bytes,
                                     Chain& target,
                                     RequestFrame& request);

// What is kept of a request until its answer is there.
struct BinaryWaiting {
    uint8_t opcode = 0;
    BinaryMeaning meaning;
    // Other than Success: the answer is an error of this status, and the response its text as it
    // is; but of what is too large a text of its own, whatever the response.
    BinaryStatus refusal = BinaryStatus::Success;
    uint32_t opaque = 0;
    std::string key;  // only of those whose response has it; of a stat binary_detail_name
};

// Appends what answers the request: no packet, one, or of stat many. The response is `head`, then
// `tail`; `head` may be null. False when the arena is exhausted.
[[nodiscard]] bool write_response(const BinaryWaiting& request,
                                  const Bytes* head,
                                  std::string_view tail,
                                  Chain& target,
                                  OpenBlock* open);

// What is in front of the value in a response that brings one.
struct BinaryBegun {
    uint32_t line_size = 0;   // in text
    uint32_t value_size = 0;  // which follows, in text and in the packet
};

// Appends the packet that answers a read up to its value; of the response no more has to be there
// than its line. Null when the arena is exhausted, or the line is not all there.
[[nodiscard]] std::optional<BinaryBegun> begin_response(const BinaryWaiting& request,
                                                        const Bytes& head,
                                                        Chain& target,
                                                        OpenBlock* open);

}  // namespace ringmain::memcached
