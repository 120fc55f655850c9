#include "ringmain/core/binary_answers.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <utility>

namespace ringmain::core {

memcached::BinaryWaiting& BinaryAnswers::expect(const memcached::BinaryFrame& frame) {
    return waiting_.emplace_back(memcached::BinaryWaiting{.opcode = frame.opcode,
                                                          .meaning = frame.meaning,
                                                          .refusal = frame.refusal,
                                                          .opaque = frame.opaque,
                                                          .key = {}});
}

bool BinaryAnswers::write_part(const Bytes& part, Chain& target, OpenBlock* open) {
    uint32_t begin = 0;
    if (!value_left_.has_value()) {
        const auto begun = memcached::begin_response(waiting_.front(), part, target, open);
        if (!begun.has_value()) return false;
        begin = begun->line_size;
        value_left_ = begun->value_size;
    }
    const uint32_t size = take(part.size() - begin);
    return size == 0 || part.append_to(target, {.offset = begin, .size = size}, open);
}

uint32_t BinaryAnswers::take(uint32_t size) {
    RM_ASSERT(value_left_.has_value());
    size = std::min(size, *value_left_);
    *value_left_ -= size;
    return size;
}

bool BinaryAnswers::write_next(const Bytes* head,
                               std::string_view tail,
                               Chain& target,
                               OpenBlock* open) {
    RM_ASSERT(!waiting_.empty());
    const bool has_begun = value_left_.has_value();
    const bool written =
        has_begun ? head == nullptr || write_part(*head, target, open)
                  : memcached::write_response(waiting_.front(), head, tail, target, open);
    value_left_.reset();
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
