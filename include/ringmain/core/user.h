// ringmain/core/user.h - what a user of a pool may do.
//
// Made from the options of one user, whose text was checked when it was read; owned by its pool.
// Who presents redis_auth, or needs no password, is no user and may do everything.

#pragma once

#include "ringmain/base/password.h"
#include "ringmain/config/config.h"
#include "ringmain/protocol/command.h"
#include "ringmain/resp/commands.h"

#include <string>
#include <string_view>
#include <vector>

namespace ringmain::core {

class User {
  public:
    explicit User(const config::User& options);

    [[nodiscard]] const std::string& name() const { return options_->name; }

    [[nodiscard]] const config::User& options() const { return *options_; }

    [[nodiscard]] bool has_password(const PasswordDigest& presented) const {
        return equal_in_constant_time(presented, digest_);
    }

    // A request whose container and row these are (the same for most). Keys are another question.
    [[nodiscard]] bool may_run(const Command& container, const Command& row) const;

    // What is not in the table: nobody knows what it does.
    [[nodiscard]] bool may_run_unknown() const;

    [[nodiscard]] bool has_all_keys() const { return options_->keys.empty(); }

    [[nodiscard]] bool may_use(std::string_view key) const;

  private:
    const config::User* options_;
    PasswordDigest digest_;
    std::vector<resp::Rule> rules_;
    bool is_limited_ = false;  // by them
};

}  // namespace ringmain::core
