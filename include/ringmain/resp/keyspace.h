// ringmain/resp/keyspace.h - the section Keyspace of INFO, of several servers as of one.

#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmain::resp {

// Appends a line for each database that a text has, in the order of their numbers:
// "db0:keys=3,expires=1,avg_ttl=500\r\n". Numbers are added up, avg_ttl is the mean over all keys
// that expire. `texts` are the bodies of INFO's answers; what is no such line is passed over.
void add_up_keyspaces(std::span<const std::string_view> texts, std::string& out);

}  // namespace ringmain::resp
