#include "hyperloglog.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ringmain::resp {

namespace {

constexpr size_t header_size = 16;
constexpr uint32_t register_bits = 6;
constexpr uint8_t register_max = 63;
constexpr int hash_bits = 50;  // of which a register holds the place of the first one
constexpr char encoding_dense = 0;
constexpr char encoding_sparse = 1;

uint32_t byte_at(std::string_view bytes, size_t index) {
    return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0;
}

// Two series of "New cardinality estimation algorithms for HyperLogLog sketches" (O. Ertl), in the
// order of redis's operations: the last bit counts.
double tau(double x) {
    if (x == 0. || x == 1.) return 0.;
    double before = 0;
    double y = 1.0;
    double z = 1 - x;
    do {
        x = std::sqrt(x);
        before = z;
        y *= 0.5;
        z -= std::pow(1 - x, 2) * y;
    } while (before != z);
    return z / 3;
}

double sigma(double x) {
    if (x == 1.) return std::numeric_limits<double>::infinity();
    double before = 0;
    double y = 1;
    double z = x;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

}  // namespace

void HyperLogLog::raise(size_t index, uint8_t value) {
    registers_[index] = std::max(registers_[index], value);
}

void HyperLogLog::merge_dense(std::string_view registers) {
    for (size_t i = 0; i < register_count; ++i) {
        const size_t bit = i * register_bits;
        const uint32_t both = byte_at(registers, bit / 8) | (byte_at(registers, bit / 8 + 1) << 8);
        raise(i, static_cast<uint8_t>((both >> (bit % 8)) & register_max));
    }
}

// 00zzzzzz: z + 1 zeroes; 01zzzzzz zzzzzzzz: the same, longer; 1vvvvvnn: n + 1 times v + 1.
bool HyperLogLog::merge_sparse(std::string_view runs) {
    size_t index = 0;
    for (size_t at = 0; at < runs.size(); ++at) {
        const uint32_t byte = byte_at(runs, at);
        if ((byte & 0x80) != 0) {
            const auto value = static_cast<uint8_t>(((byte >> 2) & 0x1f) + 1);
            const size_t end = index + (byte & 0x3) + 1;
            if (end > register_count) return false;
            for (; index < end; ++index) {
                raise(index, value);
            }
        } else if ((byte & 0x40) != 0) {
            at += 1;
            index += (((byte & 0x3f) << 8) | byte_at(runs, at)) + 1;
        } else {
            index += (byte & 0x3f) + 1;
        }
    }
    return index == register_count;
}

HyperLogLog::Merged HyperLogLog::merge(std::string_view value) {
    if (value.size() < header_size || !value.starts_with("HYLL")) return Merged::NotOne;
    const char encoding = value[4];
    const std::string_view registers = value.substr(header_size);
    if (encoding == encoding_dense) {
        constexpr size_t dense_size = (register_count * register_bits + 7) / 8;
        if (registers.size() != dense_size) return Merged::NotOne;
        merge_dense(registers);
        return Merged::Yes;
    }
    if (encoding != encoding_sparse) return Merged::NotOne;
    return merge_sparse(registers) ? Merged::Yes : Merged::Corrupted;
}

int64_t HyperLogLog::count() const {
    std::array<int, register_max + 1> histogram = {};
    for (const uint8_t value : registers_) {
        histogram[value] += 1;
    }
    constexpr double m = register_count;
    constexpr double alpha_infinity = 0.721347520444481703680;  // 0.5 / ln 2
    double z = m * tau((m - histogram[hash_bits + 1]) / m);
    for (int i = hash_bits; i >= 1; --i) {
        z += histogram[static_cast<size_t>(i)];
        z *= 0.5;
    }
    z += m * sigma(histogram[0] / m);
    return std::llround(alpha_infinity * m * m / z);
}

}  // namespace ringmain::resp
