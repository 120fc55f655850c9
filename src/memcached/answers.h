// src/memcached/answers.h - what a client is told about a line that is not forwarded.
//
// The texts are those of memcached 1.6.18, save those that begin with "CLIENT_ERROR ringmain:".

#pragma once

#include <string_view>

namespace ringmain::memcached::answers {

inline constexpr std::string_view error = "ERROR\r\n";
inline constexpr std::string_view bad_format = "CLIENT_ERROR bad command line format\r\n";
inline constexpr std::string_view delete_usage =
    "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
inline constexpr std::string_view bad_data = "CLIENT_ERROR bad data chunk\r\n";
inline constexpr std::string_view bad_delta = "CLIENT_ERROR invalid numeric delta argument\r\n";
inline constexpr std::string_view bad_exptime = "CLIENT_ERROR invalid exptime argument\r\n";
inline constexpr std::string_view too_large = "SERVER_ERROR object too large for cache\r\n";
inline constexpr std::string_view line_too_long = "CLIENT_ERROR line too long\r\n";

// Meta commands.
inline constexpr std::string_view bad_key = "CLIENT_ERROR error decoding key\r\n";
inline constexpr std::string_view duplicate_flag = "CLIENT_ERROR duplicate flag\r\n";
inline constexpr std::string_view invalid_flag = "CLIENT_ERROR invalid flag\r\n";
inline constexpr std::string_view bad_or_duplicate_flag =
    "CLIENT_ERROR invalid or duplicate flag\r\n";
inline constexpr std::string_view bad_token = "CLIENT_ERROR bad token in command line format\r\n";
inline constexpr std::string_view bad_mode_size = "CLIENT_ERROR incorrect length for M token\r\n";
inline constexpr std::string_view bad_initial = "CLIENT_ERROR invalid numeric initial value\r\n";
inline constexpr std::string_view bad_meta_delta = "CLIENT_ERROR invalid numeric delta value\r\n";
inline constexpr std::string_view opaque_too_long = "CLIENT_ERROR opaque token too long\r\n";
inline constexpr std::string_view get_flags_too_long =
    "CLIENT_ERROR options flags are too long\r\n";
inline constexpr std::string_view flags_too_long = "CLIENT_ERROR options flags too long\r\n";

inline constexpr std::string_view unknown_end =
    "CLIENT_ERROR ringmain: nobody knows where the data of this line ends\r\n";

// What the server writes out as it is would be read as responses to others.
inline constexpr std::string_view unspeakable_key =
    "CLIENT_ERROR ringmain: a response cannot hold this key: leave out the flag k\r\n";
inline constexpr std::string_view unspeakable_debug =
    "CLIENT_ERROR ringmain: a response cannot hold this key: ask the server\r\n";

}  // namespace ringmain::memcached::answers
