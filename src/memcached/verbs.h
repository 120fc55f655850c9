// src/memcached/verbs.h - command words, and what is said about those that are not served.

#pragma once

#include "ringmain/memcached/request_parser.h"

#include <string_view>

namespace ringmain::memcached {

// Invalid for every word that is not a command here. Case matters, as it does to memcached.
[[nodiscard]] Verb verb_of(std::string_view word);

// The answer to a word that is no command here.
[[nodiscard]] std::string_view refusal_of(std::string_view word);

}  // namespace ringmain::memcached
