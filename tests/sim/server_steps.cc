// Commands whose keys may live on several servers, and the scripts that carry values from one to
// another.

#include "tests/sim/answers.h"
#include "tests/sim/server.h"
#include "tests/unit/core/wire.h"

#include <algorithm>
#include <array>

namespace ringmain::sim {

using test::bulk;

namespace {

constexpr std::string_view fetch_begin = "local t=redis.pcall('PEXPIRETIME'";
constexpr std::string_view carry_begin = "local n=#KEYS ";
constexpr std::string_view add_begin = "local r=redis.pcall('SET',KEYS[2]";
constexpr std::string_view foreign_mark = ":ringmain:";

// Of a value and of a set, as DUMP gives it. Only these two read it.
constexpr char dumped_value = 'V';
constexpr char dumped_set = 'S';

std::string integer(size_t number) {
    return ":" + std::to_string(number) + "\r\n";
}

bool is_carried(std::string_view key) {
    return key.starts_with("s:kR") || key.starts_with("s:kS");
}

std::string dump_of(const std::set<std::string>& members) {
    std::string text(1, dumped_set);
    for (const std::string& member : members) {
        text += std::to_string(member.size()) + " " + member;
    }
    return text;
}

std::set<std::string> members_in(std::string_view dump) {
    std::set<std::string> members;
    size_t at = 1;
    while (at < dump.size()) {
        const size_t blank = dump.find(' ', at);
        const auto size = static_cast<size_t>(number_in(dump.substr(at, blank - at)).value_or(0));
        members.emplace(dump.substr(blank + 1, size));
        at = blank + 1 + size;
    }
    return members;
}

}  // namespace

bool is_fetch(const std::vector<std::string>& arguments) {
    return arguments[0] == "EVAL" && arguments[1].starts_with(fetch_begin);
}

bool is_step(const std::vector<std::string>& arguments) {
    constexpr std::array<std::string_view, 8> names = {
        "RENAME", "RENAMENX", "COPY", "SMOVE", "SUNIONSTORE", "SADD", "SREM", "SISMEMBER"};
    if (arguments[0] != "EVAL") return std::ranges::find(names, arguments[0]) != names.end();
    return is_fetch(arguments) || arguments[1].starts_with(carry_begin) ||
           arguments[1].starts_with(add_begin);
}

// The keys of the request at hand that are somebody's, and not only for the time of a script.
std::vector<std::string> Server::step_keys() const {
    const std::string& name = arguments_[0];
    std::vector<std::string> keys;
    size_t first = 1;
    size_t end = arguments_.size();
    if (name == "EVAL" && arguments_[1].starts_with(add_begin)) {
        first = 3;
        end = 4;
    } else if (name == "EVAL") {
        const auto count = static_cast<size_t>(number_in(arguments_[2]).value_or(0));
        first = is_fetch(arguments_) ? 3 : 3 + 3 * count + 1;
    } else if (name == "SADD" || name == "SREM" || name == "SISMEMBER") {
        end = 2;
    } else if (name != "SUNIONSTORE") {
        end = 3;
    }
    for (size_t i = first; i < end; ++i) {
        const bool is_foreign = arguments_[i].find(foreign_mark) != std::string::npos;
        if (!is_foreign && arguments_[i] != "REPLACE") keys.push_back(arguments_[i]);
    }
    return keys;
}

// Empty: it is none of these commands.
std::string Server::answer_step(Link& link, Instant now) {
    const std::string& name = arguments_[0];
    if (name == "EVAL") {
        if (!is_step(arguments_)) return {};
        if (arguments_[1].starts_with(add_begin)) {
            redis.touch(arguments_[4]);
            return integer(add_member(arguments_[3], arguments_[5], now) ? 1 : 0);
        }
        return is_fetch(arguments_) ? answer_fetch(link) : answer_carry(now);
    }
    if (name == "SADD") return answer_add(link, now);
    if (name == "SISMEMBER") {
        return integer(sets_[arguments_[1]].contains(arguments_[2]) ? 1 : 0);
    }
    if (name == "EXISTS" && arguments_.size() == 2 && arguments_[1].starts_with("s:kS")) {
        return integer(sets_[arguments_[1]].empty() ? 0 : 1);
    }
    if (name == "SMOVE") return answer_move(now);
    return run_carried(arguments_, now);
}

std::string Server::answer_fetch(const Link& link) {
    const std::string& key = arguments_[3];
    std::string answer = "*2\r\n:-1\r\n";
    if (const auto found = redis.values.find(key); found != redis.values.end()) {
        return answer + bulk(dumped_value + found->second);
    }
    if (const auto found = sets_.find(key); found != sets_.end() && !found->second.empty()) {
        return answer + bulk(dump_of(found->second));
    }
    return answer + (link.session.resp3 ? "_\r\n" : "$-1\r\n");
}

std::string Server::answer_carry(Instant now) {
    const auto count = static_cast<size_t>(number_in(arguments_[2]).value_or(0));
    for (size_t i = 0; i < count; ++i) {
        const std::string& dump = arguments_[3 + count + 2 * i + 1];
        const bool is_whole = dump[0] == dumped_set ? dump == dump_of(members_in(dump))
                                                    : tag_in(std::string_view(dump).substr(1)) != 0;
        if (!is_whole) wrong_ = "a value that no server has dumped: " + dump.substr(0, 60);
        foreign_[arguments_[3 + i]] = dump;
    }
    const std::vector<std::string> words(arguments_.begin() + 3 + static_cast<ptrdiff_t>(3 * count),
                                         arguments_.end());
    std::string answer = "*1\r\n" + run_carried(words, now);
    foreign_.clear();
    truth_->elements.note_carried();
    return answer;
}

std::string Server::run_carried(const std::vector<std::string>& words, Instant now) {
    const std::string& name = words[0];
    if (name == "SUNIONSTORE") return run_union(words, now);
    const bool copies = name == "COPY";
    if (!copies && name != "RENAME" && name != "RENAMENX") return {};
    const std::string& source = words[1];
    const std::string& destination = words[2];
    const std::optional<std::string> value = value_of(source);
    if (!value.has_value()) return copies ? ":0\r\n" : "-ERR no such key\r\n";
    const bool replaces = name == "RENAME" || words.size() > 3;
    if (!replaces && redis.values.contains(destination)) return ":0\r\n";
    put_value(destination, *value, now);
    if (!copies && !foreign_.contains(source)) take_value(source, now);
    return name == "RENAME" ? "+OK\r\n" : ":1\r\n";
}

std::string Server::run_union(const std::vector<std::string>& words, Instant now) {
    std::set<std::string> all;
    for (size_t i = 2; i < words.size(); ++i) {
        const auto foreign = foreign_.find(words[i]);
        const std::set<std::string> members =
            foreign == foreign_.end() ? sets_[words[i]] : members_in(foreign->second);
        all.insert(members.begin(), members.end());
    }
    truth_->elements.note_stored(words[1], all.size(), now);
    return integer(all.size());
}

std::optional<std::string> Server::value_of(const std::string& key) const {
    if (const auto found = foreign_.find(key); found != foreign_.end()) {
        return found->second.substr(1);
    }
    const auto found = redis.values.find(key);
    if (found == redis.values.end()) return std::nullopt;
    return found->second;
}

void Server::put_value(const std::string& key, const std::string& value, Instant now) {
    note_value(key, value);
    redis.values[key] = value;
    redis.touch(key);
    truth_->ledger.on_move(index_, key, tag_in(value), now);
}

void Server::take_value(const std::string& key, Instant now) {
    note_taken(key, redis.values[key]);
    redis.values.erase(key);
    redis.touch(key);
    truth_->ledger.on_delete(index_, key, now);
}

// From now on it is there instead of what is.
void Server::note_value(const std::string& key, std::string_view value) {
    if (!is_carried(key)) return;
    const auto before = redis.values.find(key);
    if (before != redis.values.end()) {
        truth_->elements.overwrite(tag_in(before->second), {index_, key});
    }
    truth_->elements.put(tag_in(value), {index_, key});
}

void Server::note_taken(const std::string& key, std::string_view value) {
    if (!is_carried(key) || !wrong_.empty()) return;
    wrong_ = truth_->elements.take(tag_in(value), {index_, key});
}

std::string Server::answer_add(Link& link, Instant now) {
    const std::string& key = arguments_[1];
    const std::string& member = arguments_[2];
    wrong_ = note_set(link, key, member, now);
    truth_->elements.note_added(key, tag_in(member));
    return integer(add_member(key, member, now) ? 1 : 0);
}

bool Server::add_member(const std::string& key, const std::string& member, Instant now) {
    if (!sets_[key].insert(member).second) return false;
    redis.touch(key);
    truth_->elements.put(tag_in(member), {index_, key});
    truth_->ledger.on_move(index_, member_name(key, tag_in(member)), tag_in(member), now);
    return true;
}

bool Server::remove_member(const std::string& key, const std::string& member, Instant now) {
    if (sets_[key].erase(member) == 0) return false;
    redis.touch(key);
    note_taken(key, member);
    truth_->elements.note_moved(tag_in(member), key);
    truth_->ledger.on_delete(index_, member_name(key, tag_in(member)), now);
    return true;
}

std::string Server::answer_move(Instant now) {
    const std::string& member = arguments_[3];
    if (!sets_[arguments_[1]].contains(member)) return ":0\r\n";
    // Who is moving it away from there does not see this.
    if (!add_member(arguments_[2], member, now)) truth_->elements.set_free(tag_in(member));
    static_cast<void>(remove_member(arguments_[1], member, now));
    return ":1\r\n";
}

// The last step of SMOVE.
std::string Server::execute_removal(Link& link, Instant now) {
    const std::vector<std::string> words = link.session.queued[0];
    link.session.queued = {{"PING"}};
    const std::string answer = redis.answer(arguments_, link.session);
    if (!answer.starts_with("*1\r\n")) return answer;
    return "*1\r\n" + integer(remove_member(words[1], words[2], now) ? 1 : 0);
}

// It has other data now.
void Server::forget_elements() {
    sets_.clear();
    truth_->elements.lose(index_);
    for (const auto& [key, value] : redis.values) {
        if (is_carried(key)) truth_->elements.find_again(tag_in(value), {index_, key});
    }
}

}  // namespace ringmain::sim
