// tests/fuzz/memcached/tell.h - what a parser finds in a piece of a stream.

#pragma once

#include "ringmain/base/assert.h"
#include "ringmain/protocol/frame.h"

#include <string_view>

namespace ringmain::memcached {

// `told` is given each frame, and what is wrong with the rest.
template <class Parser, class Told>
void feed(Parser& parser, std::string_view piece, Told& told) {
    while (!piece.empty() && !told.is_failed) {
        const Fed fed = parser.feed(piece);
        switch (fed.status) {
            case ParseStatus::NeedMore:
                RM_ASSERT(fed.consumed == piece.size());
                return;
            case ParseStatus::Complete:
                RM_ASSERT(fed.consumed > 0);
                told.add(parser.frame());
                parser.next();
                piece.remove_prefix(fed.consumed);
                break;
            case ParseStatus::Error:
                told.is_failed = true;
                if constexpr (requires { parser.error(); }) told.text += parser.error();
                break;
        }
    }
}

}  // namespace ringmain::memcached
