// src/core/access_reasons.h - how it is said that a server was given up over the user, the password
// or the database that the configuration gives it. That says nothing of it with others
// (Health::follow).

#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace ringmain::core {

inline constexpr std::string_view password_refused = "refused the password";
inline constexpr std::string_view user_refused = "refused user '";
inline constexpr std::string_view password_wanted =
    "wants a password that it was not given (redis_auth, or password of the server): ";
inline constexpr std::string_view database_refused = "refused the database (redis_db = ";

[[nodiscard]] inline bool is_over_access(std::string_view reason) {
    constexpr std::array all = {password_refused, user_refused, password_wanted, database_refused};
    return std::ranges::any_of(
        all, [&](std::string_view beginning) { return reason.starts_with(beginning); });
}

}  // namespace ringmain::core
