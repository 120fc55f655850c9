#include "tests/sim/talker.h"

#include "tests/sim/faults.h"
#include "tests/unit/core/wire.h"

#include <algorithm>
#include <utility>

namespace ringmain::sim {

using test::bulk;
using test::resp;

using Kind = Expected::Kind;

Talker::Talker(uint64_t number, Truth& truth)
    : number_(number),
      truth_(&truth),
      memcached_(truth.pool->protocol == config::Protocol::Memcached),
      authenticated_(truth.pool->redis_auth.empty()) {
    for (auto& own : slots_) {
        own.fill(-1);
    }
    listens_ = truth.publishes && number % 3 == 0;
    wants_user_ = truth.changes_auth && number % 4 == 1;
}

// --- keys ----------------------------------------------------------------------------------------

int32_t Talker::own_key(size_t slot) {
    int32_t& own = slots_[place_][slot];
    if (own >= 0 && !keys_[static_cast<size_t>(own)].doubtful) return own;
    own = static_cast<int32_t>(keys_.size());
    std::string name = "c" + std::to_string(number_) + ":k" + std::to_string(slot);
    name += "." + std::to_string(keys_.size()) + suffix();
    keys_.push_back({.name = std::move(name), .value = {}});
    return own;
}

std::string Talker::suffix() const {
    return place_ == 0 ? "" : "@" + std::to_string(databases[place_ - 1]);
}

std::vector<Use> Talker::some_keys(Prng& prng, size_t count) {
    const bool shared = prng.below(3) == 0;
    std::vector<Use> uses(count);
    for (Use& use : uses) {
        if (shared) {
            use.key = "s:k" + std::to_string(prng.below(8)) + suffix();
        } else {
            use.own = own_key(prng.below(slots - 1));
            use.key = keys_[static_cast<size_t>(use.own)].name;
        }
    }
    return uses;
}

std::string Talker::new_value(const Use& use, Expected& expected) {
    const Tag tag = truth_->ledger.new_write(use.key, number_, now_);
    expected.writes.push_back(tag);
    std::string value = value_text(use.key, tag);
    if (use.own >= 0) keys_[static_cast<size_t>(use.own)].value = value;
    return value;
}

bool Talker::has_value(const Use& use) const {
    return use.own >= 0 && keys_[static_cast<size_t>(use.own)].value.has_value();
}

bool Talker::all_known(const std::vector<Use>& uses) const {
    return !truth_->directory.is_random() &&
           std::all_of(uses.begin(), uses.end(), [this](const Use& use) {
               return use.own >= 0 && !keys_[static_cast<size_t>(use.own)].doubtful;
           });
}

void Talker::doubt(const Expected& expected) {
    for (const Use& use : expected.uses) {
        if (use.own >= 0) keys_[static_cast<size_t>(use.own)].doubtful = true;
    }
}

void Talker::doubt(uint32_t server, Instant now) {
    for (OwnKey& key : keys_) {
        if (!key.doubtful && truth_->directory.may_have(server, key.name, now, now)) {
            key.doubtful = true;
        }
    }
}

void Talker::doubt_all() {
    for (OwnKey& key : keys_) {
        key.doubtful = true;
    }
}

// --- speaking ------------------------------------------------------------------------------------

Expected& Talker::expect(Kind kind, std::string exact) {
    Expected& expected = expected_.emplace_back();
    expected.kind = kind;
    expected.exact = std::move(exact);
    expected.asked = now_;
    expected.silent = std::exchange(silent_, 0);
    return expected;
}

std::string Talker::speak(Prng& prng, Instant now) {
    now_ = now;
    return memcached_ ? speak_memcached(prng) : speak_resp(prng);
}

std::string Talker::got(const Use& use) const {
    if (!has_value(use)) return resp3_ ? "_\r\n" : "$-1\r\n";
    return bulk(*keys_[static_cast<size_t>(use.own)].value);
}

std::string Talker::hello(bool resp3) {
    resp3_ = resp3;
    static_cast<void>(expect(Kind::Local,
                             (resp3 ? "%7\r\n" : "*14\r\n") + bulk("server") + bulk("redis") +
                                 bulk("version") + bulk("7.0.15") + bulk("proto") +
                                 (resp3 ? ":3\r\n" : ":2\r\n") + bulk("id") + ":" +
                                 std::to_string(id_) + "\r\n" + bulk("mode") + bulk("standalone") +
                                 bulk("role") + bulk("master") + bulk("modules") + "*0\r\n"));
    return resp({"HELLO", resp3 ? "3" : "2"});
}

std::string Talker::speak_resp(Prng& prng) {
    if (!authenticated_ && truth_->changes_auth) return speak_auth(prng);
    if (!authenticated_) {
        authenticated_ = true;
        static_cast<void>(expect(Kind::Local, "+OK\r\n"));
        return resp({"AUTH", truth_->pool->redis_auth});
    }
    if (listens_ && !resp3_) return speak_as_hearer(prng);
    if (is_selecting_) return speak_locally(prng);
    if (listens_ && prng.below(4) == 0) return speak_topic(prng);
    if (truth_->publishes && prng.below(6) == 0) return speak_publish(prng);
    const uint64_t stays = truth_->pool->databases_max == 1 ? 5 : 12;
    if (truth_->selects && prng.below(stays) == 0) return speak_select(prng);
    if (truth_->waits && prng.below(truth_->lingers ? 3 : 12) == 0) {
        const bool waits = prng.below(truth_->lingers ? 10 : 2) > 0;
        if (!is_waiting_ && waits) return speak_wait(prng);
        if (!truth_->lingers || !waits) return speak_push(prng);
    }
    if (truth_->carries && prng.below(2) == 0) return speak_step(prng);
    const uint64_t kind = prng.below(19);
    if (kind >= 17 && !truth_->directory.is_random()) return speak_transaction(prng);
    if (kind < 3) return speak_get(prng);
    if (kind < 6) return speak_set(prng);
    if (kind < 9) return speak_multi(prng, kind < 8 ? "MGET" : "MSET");
    if (kind == 9) return speak_count(prng, prng.below(2) == 0 ? "DEL" : "UNLINK", true);
    if (kind < 12) return speak_count(prng, kind == 10 ? "EXISTS" : "TOUCH", false);
    if (kind == 12) return speak_increment(prng);
    if (kind == 13) return speak_keys();
    return speak_locally(prng);
}

// What it says next would go to either database.
std::string Talker::speak_select(Prng& prng) {
    const size_t place = prng.below(slots_.size());
    Expected& expected = expect(Kind::Word, "+OK\r\n");
    expected.words = {"+OK\r\n"};
    expected.known = true;
    expected.selects = static_cast<int32_t>(place);
    is_selecting_ = true;
    const uint32_t number = place == 0 ? truth_->pool->redis_db : databases[place - 1];
    return resp({"SELECT", std::to_string(number)});
}

std::string Talker::speak_get(Prng& prng) {
    Expected& expected = expect(Kind::Values, {});
    expected.uses = some_keys(prng, 1);
    const Use& use = expected.uses[0];
    expected.known = all_known(expected.uses);
    expected.exact = got(use);
    return prng.below(3) == 0 ? "GET " + use.key + "\r\n" : resp({"GET", use.key});
}

std::string Talker::speak_set(Prng& prng) {
    Expected& expected = expect(Kind::Word, "+OK\r\n");
    expected.words = {"+OK\r\n"};
    expected.uses = some_keys(prng, 1);
    expected.known = true;
    return resp({"SET", expected.uses[0].key, new_value(expected.uses[0], expected)});
}

std::string Talker::speak_multi(Prng& prng, std::string_view name) {
    const bool writes = name == "MSET";
    Expected& expected = expect(writes ? Kind::Word : Kind::Values, {});
    expected.uses = some_keys(prng, 1 + prng.below(7));
    expected.known = writes || all_known(expected.uses);
    if (writes) expected.words = {"+OK\r\n"};
    std::vector<std::string> request = {std::string(name)};
    expected.exact = writes ? "+OK\r\n" : "*" + std::to_string(expected.uses.size()) + "\r\n";
    for (const Use& use : expected.uses) {
        request.push_back(use.key);
        if (writes) {
            request.push_back(new_value(use, expected));
        } else {
            expected.exact += got(use);
        }
    }
    return resp(request);
}

std::string Talker::speak_count(Prng& prng, std::string_view name, bool removes) {
    Expected& expected = expect(Kind::Count, {});
    expected.uses = some_keys(prng, 1 + prng.below(6));
    expected.known = all_known(expected.uses);
    expected.removes = removes;
    std::vector<std::string> request = {std::string(name)};
    size_t count = 0;
    for (const Use& use : expected.uses) {
        request.push_back(use.key);
        if (has_value(use)) count += 1;
        if (removes && use.own >= 0) keys_[static_cast<size_t>(use.own)].value.reset();
    }
    expected.exact = ":" + std::to_string(count) + "\r\n";
    return resp(request);
}

std::string Talker::speak_increment(Prng& prng) {
    Expected& expected = expect(Kind::Number, {});
    static_cast<void>(prng);
    const int32_t own = own_key(slots - 1);
    OwnKey& key = keys_[static_cast<size_t>(own)];
    key.counter += 1;
    expected.uses = {{.key = key.name, .own = own}};
    expected.known = all_known(expected.uses);
    expected.exact = ":" + std::to_string(key.counter) + "\r\n";
    return resp({"INCR", key.name});
}

// One that a fault may spoil.
void Talker::expect_word(std::string word, const std::vector<Use>& uses) {
    Expected& expected = expect(Kind::Word, std::move(word));
    expected.uses = uses;
    expected.known = true;
    expected.words = {"+OK\r\n", "+QUEUED\r\n"};
    // The lease, and the question whether the server takes transactions, may take their time first.
    expected.silent = 3;
}

// Of a key of its own, so nobody else can have changed it when it was watched.
std::string Talker::speak_transaction(Prng& prng) {
    const int32_t own = own_key(prng.below(slots - 1));
    const std::vector<Use> uses = {{.key = keys_[static_cast<size_t>(own)].name, .own = own}};
    const std::string& key = uses[0].key;
    bool watches = prng.below(2) == 0;
    std::string text;
    if (watches) {
        text += resp({"WATCH", key});
        expect_word("+OK\r\n", uses);
        if (prng.below(4) == 0) {
            watches = false;
            text += resp({"UNWATCH"});
            expect_word("+OK\r\n", uses);
        }
    }
    text += resp({"MULTI"});
    static_cast<void>(expect(Kind::Local, "+OK\r\n"));
    if (prng.below(6) == 0) {
        text += resp({"DISCARD"});
        expect_word("+OK\r\n", uses);
        return text;
    }
    Expected written;
    const std::string value = new_value(uses[0], written);
    text += resp({"SET", key, value});
    expect_word("+QUEUED\r\n", uses);
    std::string answer = "+OK\r\n";
    uint32_t count = 1;
    for (; prng.below(2) == 0; ++count) {
        text += resp({"GET", key});
        expect_word("+QUEUED\r\n", uses);
        answer += bulk(value);
    }
    text += resp({"EXEC"});
    expect_word("*" + std::to_string(count) + "\r\n" + answer, uses);
    expected_.back().writes = written.writes;
    expected_.back().watched = watches;
    return text;
}

// What every server has of this client's keys, as of this place in the order of its requests.
std::string Talker::speak_keys() {
    Expected& expected = expect(Kind::Keys, {});
    for (const auto& of_database : slots_) {
        for (size_t slot = 0; slot + 1 < slots; ++slot) {
            const int32_t own = of_database[slot];
            if (own < 0) continue;
            const OwnKey& key = keys_[static_cast<size_t>(own)];
            expected.uses.push_back({.key = key.name, .own = own});
            expected.present.push_back(key.value.has_value());
        }
    }
    return resp({"KEYS", "c" + std::to_string(number_) + ":*"});
}

std::string Talker::speak_locally(Prng& prng) {
    const uint64_t kind = prng.below(4);
    if (kind == 0 && prng.below(3) == 0 && !wants_user_)
        return hello(listens_ || prng.below(2) == 0);
    if (kind == 0) {
        static_cast<void>(
            expect(Kind::Local, "-ERR wrong number of arguments for 'get' command\r\n"));
        return resp({"GET", "a", "b"});
    }
    if (kind == 1) {
        static_cast<void>(expect(Kind::Local, "+PONG\r\n"));
        return "PING\r\n";
    }
    const std::string text = "c" + std::to_string(number_) + " " + std::to_string(prng.below(1000));
    static_cast<void>(expect(Kind::Local, bulk(text)));
    return resp({"ECHO", text});
}

std::string Talker::speak_memcached(Prng& prng) {
    if (prng.below(100) == 0) return speak_to_all(prng);
    const uint64_t kind = prng.below(12);
    if (kind < 5) return speak_memcached_get(prng);
    if (kind < 8) return speak_memcached_store(prng, kind == 7);
    if (kind < 10) return speak_memcached_delete(prng, kind == 9);
    static_cast<void>(expect(Kind::Local, kind == 10 ? "MN\r\n" : "ERROR\r\n"));
    return kind == 10 ? "mn\r\n" : "gett a\r\n";
}

// What every server has to hear.
std::string Talker::speak_to_all(Prng& prng) {
    if (prng.below(3) == 0) {
        static_cast<void>(expect(Kind::Stats, {}));
        return "stats\r\n";
    }
    static_cast<void>(expect(Kind::Flush, {}));
    return "flush_all\r\n";
}

// Mostly one key: what several clients ask for then may travel in one line.
std::string Talker::speak_memcached_get(Prng& prng) {
    const uint64_t kind = prng.below(6);
    if (kind == 0) return speak_meta_get(prng);
    Expected& expected = expect(Kind::Values, {});
    expected.uses = some_keys(prng, kind < 4 ? 1 : 1 + prng.below(7));
    expected.known = all_known(expected.uses);
    const bool cas = prng.below(6) == 0;
    std::string line = cas ? "gets" : "get";
    for (const Use& use : expected.uses) {
        line += " " + use.key;
        if (!has_value(use)) continue;
        const std::string& value = *keys_[static_cast<size_t>(use.own)].value;
        expected.exact += "VALUE " + use.key + " 0 " + std::to_string(value.size()) +
                          (cas ? " 7\r\n" : "\r\n") + value + "\r\n";
    }
    expected.exact += "END\r\n";
    return line + "\r\n";
}

std::string Talker::speak_meta_get(Prng& prng) {
    Expected& expected = expect(Kind::Values, "EN\r\n");
    expected.uses = some_keys(prng, 1);
    expected.known = all_known(expected.uses);
    const Use& use = expected.uses[0];
    if (has_value(use)) {
        const std::string& value = *keys_[static_cast<size_t>(use.own)].value;
        expected.exact = "VA " + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    }
    return "mg " + use.key + " v\r\n";
}

std::string Talker::speak_memcached_store(Prng& prng, bool meta) {
    const bool noreply = !meta && prng.below(4) == 0;
    Expected silent;  // forgotten
    Expected& expected = noreply ? silent : expect(Kind::Word, meta ? "HD\r\n" : "STORED\r\n");
    expected.known = true;
    expected.words = {meta ? "HD\r\n" : "STORED\r\n"};
    expected.uses = some_keys(prng, 1);
    const std::string& key = expected.uses[0].key;
    const std::string value = new_value(expected.uses[0], expected);
    const std::string size = std::to_string(value.size());
    if (noreply) {
        silent_ += 1;
        if (!truth_->calm) doubt(expected);  // nobody says whether it was done
    }
    std::string request = meta ? "ms " + key + " " + size : "set " + key + " 0 0 " + size;
    request += noreply ? " noreply\r\n" : "\r\n";
    return request + value + "\r\n";
}

std::string Talker::speak_memcached_delete(Prng& prng, bool meta) {
    Expected& expected = expect(Kind::Word, {});
    expected.uses = some_keys(prng, 1);
    const Use& use = expected.uses[0];
    expected.known = all_known(expected.uses);
    const bool touches = !meta && prng.below(3) == 0;
    if (meta) {
        expected.words = {"HD\r\n", "NF\r\n"};
    } else if (touches) {
        expected.words = {"TOUCHED\r\n", "NOT_FOUND\r\n"};
    } else {
        expected.words = {"DELETED\r\n", "NOT_FOUND\r\n"};
    }
    expected.exact = expected.words[has_value(use) ? 0 : 1];
    if (!touches && use.own >= 0) keys_[static_cast<size_t>(use.own)].value.reset();
    if (meta) return "md " + use.key + "\r\n";
    return touches ? "touch " + use.key + " 0\r\n" : "delete " + use.key + "\r\n";
}

void Talker::cut_last() {
    if (memcached_ || expected_.empty()) return;  // memcached's may be one without an answer
    for (const Tag tag : expected_.back().writes) {
        truth_->ledger.cut(tag);
    }
}

// --- listening -----------------------------------------------------------------------------------

std::string Talker::listen(std::string& heard, Instant now) {
    now_ = now;
    size_t at = 0;
    std::string wrong;
    while (at < heard.size() && wrong.empty()) {
        const std::string_view rest = std::string_view(heard).substr(at);
        std::vector<Value> values;
        const size_t size = memcached_ ? memcached_size(rest, values) : resp_size(rest, values);
        if (size == 0) break;
        const std::string_view answer = rest.substr(0, size);
        at += size;
        if (is_message(answer, values)) {
            wrong = hear_message(values);
            continue;
        }
        if (expected_.empty()) {
            // The last words to a client whose request was cut, one without a reply, perhaps.
            int32_t server = 0;
            const bool scarce = (truth_->common_faults & Scarce) != 0;
            if (!scarce || (faults_behind(answer, &server) & Scarce) == 0) {
                wrong = "nothing was to come, but: " + std::string(answer.substr(0, 200));
            }
            continue;
        }
        const Expected next = std::move(expected_.front());
        expected_.pop_front();
        heard_.answers += 1;
        if (next.waits) is_waiting_ = false;
        if (next.rest > 0 && is_of_all(answer)) {
            expected_.erase(expected_.begin(), expected_.begin() + next.rest);
        }
        if (next.selects >= 0) {
            is_selecting_ = false;
            if (!is_error(answer)) place_ = static_cast<size_t>(next.selects);
        }
        wrong = judge(next, answer, values, now);
        if (!misled_.empty() && may_be_misled(next, now)) {
            heard_.misled += wrong.empty() ? 0U : 1U;
            wrong.clear();
            if (next.kind != Kind::Keys) doubt(next);
        }
        if (!wrong.empty()) {
            wrong += "; answer: " + std::string(answer.substr(0, 200)) +
                     "; expected: " + (next.known ? next.exact.substr(0, 200) : "not known") +
                     "; keys:";
            for (const Use& use : next.uses) {
                wrong += " " + use.key + " at";
                for (const uint32_t server :
                     truth_->directory.servers_of(use.key, next.asked, now)) {
                    wrong += " s" + std::to_string(server);
                }
            }
            wrong += "; asked " + std::to_string((now - next.asked).to_millis()) + " ms ago";
        }
    }
    heard.erase(0, at);
    return wrong;
}

std::string Talker::judge(const Expected& next,
                          std::string_view answer,
                          const std::vector<Value>& values,
                          Instant now) {
    if (next.kind == Kind::Auth) return judge_auth(next, answer, now);
    if (std::string wrong; is_user_ && is_shut_out(next, answer, &wrong)) return wrong;
    if (next.kind == Kind::Local && answer == next.exact) return {};
    if (next.kind == Kind::Step) return judge_step(next, answer, now);
    if (next.kind != Kind::Local && is_error(answer)) return judge_error(next, answer, now);
    if (next.kind == Kind::Local) {
        // Instead of a request that was cut by the end of memory.
        int32_t server = 0;
        const bool scarce = (truth_->common_faults & Scarce) != 0;
        if (scarce && (faults_behind(answer, &server) & Scarce) != 0) return {};
        return "an answer made by the proxy is another";
    }
    // Of a write before it that was late the client does not know when it is done.
    const bool may_be_nil = next.watched && !all_known(next.uses);
    if (may_be_nil && (answer == "*-1\r\n" || answer == "_\r\n")) return {};
    const bool known = next.known && (!next.writes.empty() || all_known(next.uses));
    if (known) {
        heard_.known += 1;
        if (answer == next.exact) return acknowledge(next);
        if (!is_lie(next, now)) return "the answer is another";
        doubt(next);
        return {};
    }
    switch (next.kind) {
        case Kind::Local:
        case Kind::Auth:
        case Kind::Step:
            break;
        case Kind::Values:
            return judge_values(next, answer, values, now);
        case Kind::Word:
            if (std::find(next.words.begin(), next.words.end(), answer) == next.words.end()) {
                return is_lie(next, now) ? "" : "the answer is none of those that there are";
            }
            return acknowledge(next);
        case Kind::Count:
            return judge_count(next, answer, now);
        case Kind::Flush:
            return judge_flush(next, answer);
        case Kind::Stats:
            return answer.starts_with("STAT ") && answer.ends_with("END\r\n")
                       ? ""
                       : "the answer is no statistics";
        case Kind::Keys:
            return judge_keys(next, answer, values);
        case Kind::Wait:
            return judge_wait(next, answer, values);
        case Kind::Topic:
            return judge_topic(next, answer, values);
        case Kind::Push:
            if (answer[0] != ':') return "the answer is no number";
            return acknowledge(next);
        case Kind::Number:
            return number_in(answer.substr(1, answer.size() - 3)).value_or(0) > 0
                       ? ""
                       : "the answer is no counter";
    }
    return {};
}

// Whether a server may have made up an answer that the proxy cannot know to be none: that of a
// request which it passes on as a whole, since all its keys live there.
bool Talker::is_lie(const Expected& next, Instant now) {
    if (memcached_ || next.uses.size() < 2) return false;
    bool lies = false;
    std::vector<uint32_t> common;
    for (const Use& use : next.uses) {
        const std::vector<uint32_t>& servers =
            truth_->directory.servers_of(use.key, next.asked, now);
        if (&use == next.uses.data()) common = servers;
        std::erase_if(common, [&servers](uint32_t server) {
            return std::find(servers.begin(), servers.end(), server) == servers.end();
        });
    }
    for (const uint32_t server : common) {
        lies = lies || (truth_->faults[server] & WrongShape) != 0;
    }
    return lies;
}

void Talker::end_misleading(uint32_t server, Instant now) {
    const auto found = misled_.find(server);
    if (found != misled_.end()) found->second = std::min(found->second, now);
}

// An answer from there may be to another's request. What the proxy answers, and what has a
// connection of its own, is not.
bool Talker::may_be_misled(const Expected& next, Instant now) {
    using enum Expected::Kind;
    const Kind kind = next.kind;
    const bool has_own = next.waits && !next.takes_some;
    if (kind == Local || kind == Auth || kind == Topic || has_own) return false;
    return std::ranges::any_of(misled_, [&](const auto& one) {
        const uint32_t server = one.first;
        if (next.asked > one.second) return false;
        if (next.uses.empty() || kind == Keys) return true;
        return std::ranges::any_of(next.uses, [&](const Use& use) {
            return truth_->directory.may_have(server, use.key, next.asked, now);
        });
    });
}

std::string Talker::judge_error(const Expected& next, std::string_view answer, Instant now) {
    heard_.errors += 1;
    const bool is_cut = answer.starts_with("-ERR ringmain: a command that waits") ||
                        answer.find("POP' is not begun: ") != std::string_view::npos;
    if (next.waits) truth_->taken.erase(number_);  // and is lost, as with a direct connection
    if (next.waits && truth_->is_ending && is_cut) return {};
    if (next.kind != Kind::Keys) doubt(next);
    int32_t named = -1;
    const uint32_t reasons = faults_behind(answer, &named);
    if ((reasons & truth_->common_faults & (Moved | Remade | Old)) != 0) return {};
    // Everybody carries what is everybody's.
    if (reasons == Contended && !next.uses.empty() && next.uses[0].own < 0) return {};
    if (truth_->calm) return "an error, and nothing has failed";
    if (reasons == 0) return "an error that is not known";
    if (reasons == AllOut) {
        return truth_->directory.was_empty(next.asked, now) ? "" : "not all servers were out";
    }
    if ((reasons & truth_->common_faults) != 0) return {};
    if (next.asked >= truth_->calm_from) return "an error, and nothing fails any more";
    const auto& faults = truth_->faults;
    const bool failed =
        std::any_of(faults.begin(), faults.end(), [](uint32_t f) { return f != 0; });
    if ((reasons & Moved) != 0 && failed) return {};
    for (const Use& use : next.uses) {
        for (const uint32_t server : truth_->directory.servers_of(use.key, next.asked, now)) {
            if (is_explained(reasons, named, server)) return {};
        }
    }
    const bool asks_all = next.uses.empty() || next.kind == Kind::Keys;
    for (uint32_t server = 0; asks_all && server < truth_->faults.size(); ++server) {
        if (is_explained(reasons, named, server)) return {};
    }
    return "an error that no fault explains";
}

bool Talker::is_explained(uint32_t reasons, int32_t named, uint32_t server) const {
    if (named >= 0 && static_cast<uint32_t>(named) != server) return false;
    return (reasons & truth_->faults[server]) != 0;
}

// All of this client's, and of those of which it is sure each that is there and no other.
std::string Talker::judge_keys(const Expected& next,
                               std::string_view answer,
                               const std::vector<Value>& values) const {
    if (answer[0] != '*') return "the answer is no list of keys";
    const std::string head = "c" + std::to_string(number_) + ":k";
    for (const Value& value : values) {
        if (!value.text.starts_with(head)) return "somebody else's key " + value.text;
    }
    if (truth_->directory.is_random()) return {};
    for (size_t i = 0; i < next.uses.size(); ++i) {
        const Use& use = next.uses[i];
        if (keys_[static_cast<size_t>(use.own)].doubtful) continue;
        const bool is_there = std::any_of(values.begin(), values.end(), [&use](const Value& value) {
            return value.text == use.key;
        });
        if (is_there != next.present[i]) {
            return "key " + use.key + (is_there ? " is there" : " is not there");
        }
    }
    return {};
}

// What a server says it has done, it has done.
std::string Talker::acknowledge(const Expected& next) {
    for (const Tag tag : next.writes) {
        const Ledger::Write& write = truth_->ledger.write(tag);
        if (write.ran == Instant::never()) {
            return "write " + std::to_string(tag) + " is acknowledged and was not done";
        }
        acknowledged_.insert_or_assign(write.key, Acknowledged{write.server, write.ran});
    }
    return {};
}

std::string Talker::judge_flush(const Expected& next, std::string_view answer) const {
    if (answer != "OK\r\n") return "flush_all is answered in another way";
    bool missed = false;
    for (uint32_t server = 0; server < truth_->flushed_at.size(); ++server) {
        missed = missed || (truth_->flushed_at[server] < next.asked &&
                            truth_->directory.was_configured(server, next.asked, now_));
    }
    return missed ? "flush_all is acknowledged and a server has not heard of it" : "";
}

// One of the servers that had the key held that between question and answer, and not before the
// last write of this client that was acknowledged: it asked for it later, on the same connection.
bool Talker::may_hold(std::string_view key, Tag tag, const Expected& next, Instant now) {
    const auto written = acknowledged_.find(key);
    for (const uint32_t server : truth_->directory.servers_of(key, next.asked, now)) {
        Ledger::Span span = {.from = next.asked, .to = now};
        if (written != acknowledged_.end() && written->second.server == server) {
            span.from = std::max(span.from, written->second.ran);
        }
        if (truth_->ledger.held(server, key, tag, span)) return true;
    }
    return false;
}

std::string Talker::judge_values(const Expected& next,
                                 std::string_view answer,
                                 const std::vector<Value>& values,
                                 Instant now) {
    const bool whole =
        memcached_ ? answer.ends_with("END\r\n") || answer.starts_with("VA ") || answer == "EN\r\n"
                   : answer[0] == '*' || answer[0] == '$' || answer[0] == '_';
    const bool complete = memcached_ || values.size() == next.uses.size();
    if (!whole || !complete) return is_lie(next, now) ? "" : "the answer has another shape";
    size_t used = 0;
    for (const Use& use : next.uses) {
        const bool here = used < values.size() &&
                          (!memcached_ || values[used].key.empty() || values[used].key == use.key);
        Tag tag = 0;
        if (here && !values[used].missing) {
            tag = tag_in(values[used].text);
            if (tag == 0) return is_lie(next, now) ? "" : "no value of " + use.key;
        }
        if (here) used += 1;
        if (!may_hold(use.key, tag, next, now)) {
            return "server had no such value of " + use.key + " (" + std::to_string(tag) + ")";
        }
    }
    return used == values.size() ? "" : "a value of a key that was not asked for";
}

std::string Talker::judge_count(const Expected& next, std::string_view answer, Instant now) {
    const auto number = number_in(answer.substr(1, answer.size() - 3));
    int64_t most = 0;
    int64_t least = 0;
    std::vector<std::string_view> seen;
    for (const Use& use : next.uses) {
        // What is removed is not there to be removed again; unless it was somewhere else, too.
        if (next.removes && std::find(seen.begin(), seen.end(), use.key) != seen.end()) continue;
        if (!truth_->directory.is_random()) seen.push_back(use.key);
        bool present = false;
        for (const uint32_t server : truth_->directory.servers_of(use.key, next.asked, now)) {
            const Ledger::Span span = {.from = next.asked, .to = now};
            present = present || truth_->ledger.may_be_present(server, use.key, span);
        }
        most += present ? 1 : 0;
        if (present && !next.removes && !may_hold(use.key, 0, next, now)) least += 1;
    }
    if (answer[0] == ':' && number.has_value() && *number >= least && *number <= most) return {};
    return is_lie(next, now)
               ? ""
               : "the count is not from " + std::to_string(least) + " to " + std::to_string(most);
}

}  // namespace ringmain::sim
