// ringmain/memcached/server_version.h - what a server's answer to "version" says about it.
//
// `ms KEY SIZE FLAGS` is memcached's since 1.6.10. Releases before that read the line in another
// way (1.6.0 to 1.6.9: the size was a flag) or not at all, answer an error, and take the data that
// follows for commands.

#pragma once

#include <string_view>

namespace ringmain::memcached {

// Whether whoever answers so may be sent `ms`: memcached 1.6.10 and newer, and whatever is none of
// memcached's releases. `answer` is the line without its end.
[[nodiscard]] bool takes_meta_set(std::string_view answer);

// "1.6.9" of "VERSION 1.6.9"; all of it where it begins otherwise.
[[nodiscard]] std::string_view version_in(std::string_view answer);

}  // namespace ringmain::memcached
