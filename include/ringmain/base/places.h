// ringmain/base/places.h - where in a list each element is, by its name or number.
//
// For many questions at once: to look for each of thousands among all takes long.

#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

namespace ringmain {

// `key`: a member, or a function. Of those that have the same the first one counts. The result only
// looks at keys that are strings, which outlive it: a function gives a reference to one.
template <class List, class Key>
[[nodiscard]] auto places_by(const List& list, Key key) {
    using Given = std::invoke_result_t<Key&, decltype(list[0])>;
    constexpr bool is_text = std::is_same_v<std::remove_cvref_t<Given>, std::string>;
    static_assert(!is_text || std::is_reference_v<Given>);
    using Kept = std::conditional_t<is_text, std::string_view, std::remove_cvref_t<Given>>;
    std::unordered_map<Kept, size_t> places;
    places.reserve(std::size(list));
    for (size_t i = 0; i < std::size(list); ++i) {
        places.try_emplace(std::invoke(key, list[i]), i);
    }
    return places;
}

}  // namespace ringmain
