// Passwords and users that reloads change.

#include "tests/sim/talker.h"
#include "tests/unit/core/wire.h"

namespace ringmain::sim {

using test::resp;

using Kind = Expected::Kind;

namespace {

constexpr std::string_view wrong_password =
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

}  // namespace

// Mostly with the right password; else with the one before, or with none that ever was.
std::string Talker::speak_auth(Prng& prng) {
    if (is_logging_in_) return {};
    is_logging_in_ = true;
    const Doorkeeper& door = truth_->doors[worker_];
    Expected& expected = expect(Kind::Auth, "+OK\r\n");
    if (wants_user_ && door.has_user) {
        expected.name = "user";
        return resp({"AUTH", "user", "its password"});
    }
    if (prng.below(5) != 0) return resp({"AUTH", door.password});
    expected.exact = wrong_password;
    if (door.before == door.password || prng.below(2) == 0) {
        expected.name = "never";
        return resp({"AUTH", "nonsense"});
    }
    return resp({"AUTH", door.before});
}

// While no reload has come in between it is known to the letter.
std::string Talker::judge_auth(const Expected& next, std::string_view answer, Instant now) {
    is_logging_in_ = false;
    const bool is_settled = truth_->doors[worker_].changed_at < next.asked;
    if (answer != "+OK\r\n" && answer != wrong_password) return "no answer to a password";
    if (answer == "+OK\r\n") {
        authenticated_ = true;
        is_user_ = next.name == "user";
        login_asked_ = next.asked;
        login_heard_ = now;
    }
    if (answer == next.exact || (!is_settled && next.name != "never")) return {};
    return answer == wrong_password ? "the right password is refused" : "a wrong password is taken";
}

bool Talker::may_be_cut_off() const {
    return is_user_ && truth_->doors[worker_].user_gone_at >= login_asked_;
}

// Of a request of a user: whether there is no such user any more, and what is wrong with that.
bool Talker::is_shut_out(const Expected& next, std::string_view answer, std::string* wrong) {
    const bool hears_so =
        answer.starts_with("-NOAUTH ") ||
        answer.starts_with("-EXECABORT Transaction discarded because of: NOAUTH ") ||
        answer.starts_with("-ERR Protocol error: unauthenticated ");
    const Instant gone_at = truth_->doors[worker_].user_gone_at;
    if (!hears_so) {
        // What has too few arguments is refused before that.
        const bool must = gone_at > login_heard_ && gone_at < next.asked &&
                          !(next.kind == Kind::Local && answer == next.exact && answer[0] == '-');
        if (must) *wrong = "it is answered though its user is gone";
        return must;
    }
    if (!may_be_cut_off()) {
        *wrong = "it is not let in, and its user is there";
    }
    authenticated_ = false;
    doubt(next);
    return true;
}

}  // namespace ringmain::sim
