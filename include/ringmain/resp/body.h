// ringmain/resp/body.h - the bytes of a bulk and the line end behind them, skipped by count.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmain::resp {

class Body {
  public:
    Body() = default;

    explicit Body(uint64_t size) : missing_(size + line_end_size) {}

    // Bytes still to come, the line end included.
    [[nodiscard]] uint64_t missing() const { return missing_; }

    // How many of `bytes` belong to the body; nothing when its line end is not CR LF.
    [[nodiscard]] std::optional<size_t> skip(std::string_view bytes) {
        size_t taken = 0;
        if (missing_ > line_end_size) {
            taken = static_cast<size_t>(std::min<uint64_t>(missing_ - line_end_size, bytes.size()));
            missing_ -= taken;
        }
        while (missing_ > 0 && taken < bytes.size()) {
            const char expected = missing_ == line_end_size ? '\r' : '\n';
            if (bytes[taken] != expected) return std::nullopt;
            missing_ -= 1;
            taken += 1;
        }
        return taken;
    }

  private:
    static constexpr uint64_t line_end_size = 2;

    uint64_t missing_ = 0;
};

}  // namespace ringmain::resp
