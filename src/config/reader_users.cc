// The users of a pool.

#include "ringmain/base/password.h"
#include "ringmain/resp/commands.h"

#include <algorithm>

#include "address.h"
#include "reader.h"
#include "scan.h"
#include "words.h"

namespace ringmain::config {

namespace {

constexpr size_t user_count_max = 1024;  // of a pool

}  // namespace

void Reader::read_users(const Node& list, Pool& pool) {
    if (list.kind != Node::Kind::Array) {
        findings_->error(list.place,
                         "'users' must be a list of tables, as in users = [{ name = \"app\", "
                         "password = \"...\" }], not " +
                             std::string(name_of(list.kind)));
        return;
    }
    if (tree_->first(list) == nullptr && !tree_->has_gaps) {
        findings_->error(list.place,
                         "'users' is empty: it would keep nobody out; leave it out for that, "
                         "or name one, as in users = [{ name = \"app\", password = \"...\" }]");
        return;
    }
    for (const Node* node = tree_->first(list); node != nullptr; node = tree_->next(*node)) {
        if (findings_->full()) return;
        if (pool.users.size() == user_count_max) {
            findings_->error(node->place,
                             "a pool has at most " + std::to_string(user_count_max) + " users");
            return;
        }
        User user;
        if (!read_user(*node, user)) continue;
        const bool is_known =
            std::ranges::find(pool.users, user.name, &User::name) != pool.users.end();
        if (is_known) {
            findings_->error(tree_->find(*node, "name")->place,
                             "two users of [pool." + pool.name + "] have the name " +
                                 quoted(user.name) + "; rename one");
        }
        pool.users.push_back(std::move(user));
    }
}

bool Reader::read_user(const Node& node, User& user) {
    const size_t errors_before = findings_->error_count();
    if (node.kind != Node::Kind::Table) {
        findings_->error(node.place,
                         "a user is a table { name, password, access, keys, commands }, not " +
                             std::string(name_of(node.kind)));
        return false;
    }
    read_section(Section::User, node, {.user = &user}, "a user");
    if (findings_->error_count() > errors_before) return false;
    const Node* name = tree_->find(node, "name");
    if (name == nullptr) {
        findings_->error(node.place, "a user has no 'name'");
        return false;
    }
    const Status status = check_name("the user's name", user.name);
    if (!status.ok()) {
        findings_->error(name->place,
                         holds_an_acl_password(user.name)
                             ? "a password is no part of the user's name (it is 'password' of the "
                               "user); write the name alone, as in name = \"app\""
                             : status.error());
    }
    if (user.name == "default") {
        findings_->error(name->place,
                         "'default' is who presents redis_auth, and may do everything; give the "
                         "user another name");
    }
    check_password(node, user);
    check_commands(node, user);
    return findings_->error_count() == errors_before;
}

void Reader::check_password(const Node& node, const User& user) {
    const std::string who =
        holds_an_acl_password(user.name) ? "the user" : "user " + quoted(user.name);
    const bool has_both = !user.password.empty() && !user.password_sha256.empty();
    if (has_both || (user.password.empty() && user.password_sha256.empty())) {
        findings_->error(node.place,
                         who + " needs one of password and password_sha256" +
                             (has_both ? ", and has both" : ""));
        return;
    }
    if (user.password.empty() && !parse_digest(user.password_sha256).has_value()) {
        findings_->error(tree_->find(node, "password_sha256")->place,
                         "'password_sha256' of " + who +
                             " is not 64 hexadecimal digits, as `printf %s PASSWORD | sha256sum` "
                             "writes them");
    }
}

void Reader::check_commands(const Node& node, const User& user) {
    const Node* list = tree_->find(node, "commands");
    if (list == nullptr) return;
    const Node* place = tree_->first(*list);
    for (const std::string& rule : user.commands) {
        if (findings_->full()) return;
        if (!resp::parse_rule(rule).has_value()) {
            findings_->error(place->place,
                             (holds_an_acl_password(rule)
                                  ? "a password is no rule (it is 'password' of the user)"
                                  : quoted(rule) + " is no rule") +
                                 ": write \"+get\", \"-flushall\", \"+client|id\", "
                                 "\"+@read\" or \"-@dangerous\", with a command or a category "
                                 "that redis has, or \"+@all\"");
        }
        place = tree_->next(*place);
    }
}

}  // namespace ringmain::config
