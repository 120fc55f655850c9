// src/precompiled.h - what most sources take from the standard library, read once per target.
//
// Nothing includes it: Meson puts it in front of each file when clang compiles (meson.build).
// Sources include what they use all the same: tools/check_includes.py tells.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>
