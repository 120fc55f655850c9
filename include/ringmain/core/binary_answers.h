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
// Every answer takes the oldest, a silent one too. One that is passed on as it comes begins as a
// packet when it is its turn, and takes it when its end has come.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/memcached/binary_forward.h"
#include "ringmain/memcached/binary_parser.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
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

    // Of the last request there will be no answer here: it is taken again, or has no end.
    void forget_last() { waiting_.pop_back(); }

    // A part of the answer to the oldest, which brings a value: in text, the first with all of its
    // line. Of what comes behind the value nothing is written. False when the arena is exhausted,
    // or it is no such answer.
    [[nodiscard]] bool write_part(const Bytes& part, Chain& target, OpenBlock* open);

    // Of a later part what is the value's.
    [[nodiscard]] Slice of_value(Slice part) { return part.cut(0, take(part.size)); }

    // The answer to the oldest has begun, and all of its value is written.
    [[nodiscard]] bool has_all_of_value() const { return value_left_ == 0; }

    // The answer to the oldest, in text, or what is left of it: `head`, which may be null, and
    // `tail`. Appends it to `target` in packets. False when the arena is exhausted.
    [[nodiscard]] bool write_next(const Bytes* head,
                                  std::string_view tail,
                                  Chain& target,
                                  OpenBlock* open);

    // The same in place.
    [[nodiscard]] bool rewrite_next(BlockPool& blocks, Chain& response, OpenBlock* open);

  private:
    [[nodiscard]] uint32_t take(uint32_t size);

    std::deque<memcached::BinaryWaiting> waiting_;
    std::optional<uint32_t> value_left_;  // of the answer to the oldest, which has begun
};

}  // namespace ringmain::core
