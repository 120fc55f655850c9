#include "ringmain/core/user.h"

#include "ringmain/base/assert.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace ringmain::core {

namespace {

PasswordDigest digest_for(const config::User& options) {
    if (!options.password.empty()) return digest_of(options.password);
    const std::optional<PasswordDigest> digest = parse_digest(options.password_sha256);
    RM_ASSERT(digest.has_value());
    return *digest;
}

// What changes a server without touching a key has no flag that says so.
constexpr std::array<std::string_view, 7> settings = {"config|set",
                                                      "config|rewrite",
                                                      "config|resetstat",
                                                      "slowlog|reset",
                                                      "latency|reset",
                                                      "memory|purge",
                                                      "script|flush"};

// Whether it runs or brings a script or a function; others of their category are about them.
bool is_script(const Command& row) {
    constexpr std::array<std::string_view, 3> loads = {
        "script|load", "function|load", "function|restore"};
    if ((row.acl & acl_category::scripting) == 0) return false;
    const bool is_subcommand = row.number == 0;
    return !is_subcommand || std::ranges::find(loads, row.name) != loads.end();
}

// A script may write; those that may not have a name of their own.
bool may_write(const Command& row) {
    if ((row.flags & command_flag::write) != 0) return true;
    if (std::ranges::find(settings, row.name) != settings.end()) return true;
    return is_script(row) && (row.flags & command_flag::readonly) == 0;
}

// Whether not all commands are left. What stands before "+@all" counts no more, and a refusal that
// is taken back as it was given is none.
bool are_limits(const std::vector<resp::Rule>& rules) {
    const auto allows_all = [](const resp::Rule& rule) {
        return rule.allows && rule.categories == resp::Rule::all;
    };
    const auto begin = std::find_if(rules.rbegin(), rules.rend(), allows_all).base();
    const bool begins_with_some = begin == rules.begin() && !rules.empty() && rules.front().allows;
    const auto stays = [end = rules.end()](auto rule) {
        return !rule->allows && std::none_of(rule, end, [&rule](const resp::Rule& later) {
            return later.allows && later.categories == rule->categories &&
                   later.command == rule->command;
        });
    };
    for (auto rule = begin; rule != rules.end(); ++rule) {
        if (stays(rule)) return true;
    }
    return begins_with_some;
}

bool means_scripts(const resp::Rule& rule) {
    return rule.command != nullptr || rule.categories == acl_category::scripting;
}

std::vector<resp::Rule> rules_of(const config::User& options) {
    std::vector<resp::Rule> rules;
    for (const std::string& text : options.commands) {
        const std::optional<resp::Rule> rule = resp::parse_rule(text);
        RM_ASSERT(rule.has_value());
        rules.push_back(*rule);
    }
    return rules;
}

}  // namespace

User::User(const config::User& options)
    : options_(&options),
      digest_(digest_for(options)),
      rules_(rules_of(options)),
      is_limited_(are_limits(rules_)) {}

bool User::may_run(const Command& container, const Command& row) const {
    if ((row.flags & command_flag::no_auth) != 0) return true;  // AUTH, HELLO, QUIT, RESET
    if (options_->access == config::Access::ReadOnly && may_write(row)) return false;
    // A script may run any command, and only its server sees which.
    const bool is_risk = is_limited_ && is_script(row);
    bool allowed = !is_risk && (rules_.empty() || !rules_.front().allows);
    for (const resp::Rule& rule : rules_) {
        if (!rule.fits(container, row)) continue;
        allowed = rule.allows && (!is_risk || allowed || means_scripts(rule));
    }
    return allowed;
}

bool User::may_run_unknown() const {
    return options_->access == config::Access::ReadWrite && rules_.empty() && has_all_keys();
}

bool User::may_use(std::string_view key) const {
    return has_all_keys() || std::ranges::any_of(options_->keys, [key](const std::string& prefix) {
               return key.starts_with(prefix);
           });
}

}  // namespace ringmain::core
