// tests/fuzz/resp/pieces.h - bytes in blocks of their own size, so that a sanitizer sees every byte
// read behind a piece.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ringmain::test {

// The first byte of the input says how the rest is cut.
struct CutInput {
    CutInput(const uint8_t* data, size_t size) {
        if (size == 0) return;
        step = 1 + size_t{data[0]} % 64;
        bytes = {reinterpret_cast<const char*>(data) + 1, size - 1};
    }

    size_t step = 1;
    std::string_view bytes;
};

// Calls feed(piece) for pieces of `step` bytes.
template <class Feed>
void for_each_piece(std::string_view bytes, size_t step, Feed feed) {
    while (!bytes.empty()) {
        const std::string_view piece = bytes.substr(0, step);
        const auto copy = std::make_unique<char[]>(piece.size());
        piece.copy(copy.get(), piece.size());
        feed(std::string_view(copy.get(), piece.size()));
        bytes.remove_prefix(piece.size());
    }
}

}  // namespace ringmain::test
