// src/resp/elements.h - elements of sets by their bytes.

#pragma once

#include "ringmain/base/siphash.h"

#include <cstddef>
#include <string_view>
#include <unordered_map>

namespace ringmain::resp {

struct ElementHash {
    SipKey key;

    [[nodiscard]] size_t operator()(std::string_view element) const {
        return siphash13(key, element);
    }
};

template <class T>
using ByElement = std::unordered_map<std::string_view, T, ElementHash>;

template <class T>
[[nodiscard]] ByElement<T> by_element(size_t count, SipKey key) {
    return ByElement<T>(count, ElementHash{key});
}

}  // namespace ringmain::resp
