#include "ringmain/core/shared_text.h"

#include <algorithm>
#include <cstring>

namespace ringmain::core {

// Words are stored with release and loaded with acquire, so that none moves over the version.

void SharedText::write(std::string_view text) {
    uint32_t version = version_.load(std::memory_order_relaxed);
    if (version % 2 != 0) return;
    if (!version_.compare_exchange_strong(version, version + 1, std::memory_order_acq_rel)) return;
    text = text.substr(0, size_max);
    size_.store(static_cast<uint32_t>(text.size()), std::memory_order_release);
    for (size_t i = 0; i * word_size < text.size(); ++i) {
        const std::string_view part = text.substr(i * word_size, word_size);
        uint64_t word = 0;
        std::memcpy(&word, part.data(), part.size());
        words_[i].store(word, std::memory_order_release);
    }
    version_.store(version + 2, std::memory_order_release);
}

std::string SharedText::read() const {
    constexpr int tries = 100;
    for (int i = 0; i < tries; ++i) {
        const uint32_t version = version_.load(std::memory_order_acquire);
        if (version % 2 != 0) continue;
        const size_t size = std::min<size_t>(size_.load(std::memory_order_acquire), size_max);
        std::array<char, size_max> bytes = {};
        for (size_t at = 0; at < size; at += word_size) {
            const uint64_t word = words_[at / word_size].load(std::memory_order_acquire);
            std::memcpy(bytes.data() + at, &word, word_size);
        }
        if (version_.load(std::memory_order_acquire) != version) continue;
        return std::string(bytes.data(), size);
    }
    return {};
}

}  // namespace ringmain::core
