// src/config/option_rows.h - what the rows of the table of options are written with.
//
// A row reaches its member through store<&Pool::timeout_ms> and fetch<&Pool::timeout_ms>; members
// of a pool's placement through store_placement and fetch_placement.

#pragma once

#include "ringmain/config/options.h"

#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace ringmain::config {

inline constexpr int64_t kib = 1024;
inline constexpr int64_t mib = kib * 1024;
inline constexpr int64_t gib = mib * 1024;
inline constexpr int64_t second = 1000;
inline constexpr int64_t hour = 3600 * second;
inline constexpr int64_t longest = 596 * hour;  // what twemproxy's 32 bits of milliseconds hold
inline constexpr int64_t int32_max = INT32_MAX;

// The rows of each section, in the order of the reference.
[[nodiscard]] std::span<const Option> proxy_options();
[[nodiscard]] std::span<const Option> stats_options();
[[nodiscard]] std::span<const Option> admin_options();
[[nodiscard]] std::span<const Option> pool_options();
[[nodiscard]] std::span<const Option> server_options();
[[nodiscard]] std::span<const Option> user_options();

// The struct in `target` that has the member.
template <class Owner>
Owner& owner_of(const Target& target) {
    if constexpr (std::is_same_v<Owner, Proxy>) return *target.proxy;
    if constexpr (std::is_same_v<Owner, Stats>) return *target.stats;
    if constexpr (std::is_same_v<Owner, Admin>) return *target.admin;
    if constexpr (std::is_same_v<Owner, Pool>) return *target.pool;
    if constexpr (std::is_same_v<Owner, Server>) return *target.server;
    if constexpr (std::is_same_v<Owner, User>) return *target.user;
}

template <class T>
void put(T& field, const Value& value) {
    if constexpr (std::is_same_v<T, std::string>) {
        field = value.text;
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        field = value.texts;
    } else if constexpr (std::is_same_v<T, Address>) {
        field = value.address;
    } else if constexpr (std::is_same_v<T, bool>) {
        field = value.number != 0;
    } else if constexpr (std::is_same_v<T, int64_t>) {
        field = value.number;
    } else {
        field = static_cast<T>(value.number);
    }
}

template <class T>
Value take(const T& field) {
    Value value;
    if constexpr (std::is_same_v<T, std::string>) {
        value.text = field;
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        value.texts = field;
    } else if constexpr (std::is_same_v<T, Address>) {
        value.address = field;
    } else if constexpr (std::is_same_v<T, int64_t>) {
        value.number = field;
    } else {
        value.number = static_cast<int64_t>(field);
    }
    return value;
}

template <class Owner, class T>
Owner owner_type(T Owner::*);

template <auto Member>
void store(const Target& target, const Value& value) {
    put(owner_of<decltype(owner_type(Member))>(target).*Member, value);
}

template <auto Member>
Value fetch(const Target& target) {
    return take(owner_of<decltype(owner_type(Member))>(target).*Member);
}

template <auto Member>
void store_placement(const Target& target, const Value& value) {
    put(target.pool->placement.*Member, value);
}

template <auto Member>
Value fetch_placement(const Target& target) {
    return take(target.pool->placement.*Member);
}

}  // namespace ringmain::config
