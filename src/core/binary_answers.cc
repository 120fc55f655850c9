#include "ringmain/core/binary_answers.h"

#include "ringmain/base/assert.h"

#include <utility>

namespace ringmain::core {

memcached::BinaryWaiting& BinaryAnswers::expect(const memcached::BinaryFrame& frame) {
    return waiting_.emplace_back(memcached::BinaryWaiting{.opcode = frame.opcode,
                                                          .meaning = frame.meaning,
                                                          .refusal = frame.refusal,
                                                          .opaque = frame.opaque,
                                                          .key = {}});
}

bool BinaryAnswers::write_next(const Bytes* head,
                               std::string_view tail,
                               Chain& target,
                               OpenBlock* open) {
    RM_ASSERT(!waiting_.empty());
    const bool written = memcached::write_response(waiting_.front(), head, tail, target, open);
    waiting_.pop_front();
    return written;
}

bool BinaryAnswers::rewrite_next(BlockPool& blocks, Chain& response, OpenBlock* open) {
    Chain packets(blocks);
    const Bytes bytes(response);
    const bool written = write_next(&bytes, {}, packets, open);
    response = std::move(packets);
    return written;
}

}  // namespace ringmain::core
