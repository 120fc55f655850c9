// src/resp/hyperloglog.h - PFCOUNT of several values, as redis 7.0 counts.
//
// A value is what GET gives: "HYLL", an encoding, a cached count, and 16384 registers of 6 bits,
// dense or run-length encoded. Each register of the union is the largest of all.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ringmain::resp {

class HyperLogLog {
  public:
    enum class Merged : uint8_t {
        Yes,
        NotOne,     // no HyperLogLog at all
        Corrupted,  // it begins like one
    };

    [[nodiscard]] Merged merge(std::string_view value);

    [[nodiscard]] int64_t count() const;

  private:
    static constexpr size_t register_count = 16384;

    void merge_dense(std::string_view registers);
    [[nodiscard]] bool merge_sparse(std::string_view runs);
    void raise(size_t index, uint8_t value);

    std::array<uint8_t, register_count> registers_ = {};
};

}  // namespace ringmain::resp
