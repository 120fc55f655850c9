// ringmain/core/binary_answers.h - the answers to a client that speaks memcached's binary protocol.
//
// Requests of such a client are taken as text ones (core/memcached_binary_front.cc), and what comes
// of them, a server's response or an error of ours, is text until it goes into the client's output,
// in its turn: there it is written as packets. What a packet repeats of its request waits here
// meanwhile.
//
//   client FIFO:  [request] [request] [request]
//   waiting:      [opcode, opaque, key] ...          the same order; while a request is being taken
//                                                    one more, the last
//
// Every answer takes the oldest, a silent one too.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/memcached/binary_forward.h"
#include "ringmain/memcached/binary_parser.h"

#include <cstddef>
#include <deque>
#include <string_view>

namespace ringmain::core {

class BinaryAnswers {
  public:
    // A request is being taken. The reference is good until the next call.
    memcached::BinaryWaiting& expect(const memcached::BinaryFrame& frame);

    // An answer comes behind `requests` others, perhaps one that no request asked for: an error in
    // the middle of a frame, which is named as far as it is there.
    void expect_beyond(size_t requests, const memcached::BinaryFrame& frame) {
        if (waiting_.size() <= requests) expect(frame);
    }

    // The answer to the oldest, in text: `head`, which may be null, and `tail`. Appends it to
    // `target` in packets. False when the arena is exhausted.
    [[nodiscard]] bool write_next(const Bytes* head,
                                  std::string_view tail,
                                  Chain& target,
                                  OpenBlock* open);

    // The same in place.
    [[nodiscard]] bool rewrite_next(BlockPool& blocks, Chain& response, OpenBlock* open);

  private:
    std::deque<memcached::BinaryWaiting> waiting_;
};

}  // namespace ringmain::core
