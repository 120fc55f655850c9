// ringmain/resp/acl.h - answers ACL CAT from the command table.
//
// As redis 7.0.15 does, but for the order of commands, which is alphabetical here and random there.
// The categories are those that rules of users are written with (resp/commands.h).

#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmain::resp {

// `arguments` are the whole request's: ACL, CAT and perhaps a category.
void answer_acl_cat(std::string& out, std::span<const std::string_view> arguments);

}  // namespace ringmain::resp
