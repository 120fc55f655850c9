#include "tests/sim/server.h"

#include "tests/sim/faults.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ringmain::sim {

namespace {

// How far back a request may have been placed that arrives now.
constexpr Duration placed_before = Duration::millis(10'000);

// A server answers so many requests of one connection before it looks at the next.
constexpr uint32_t requests_at_once = 64;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Ours, and not a babbler's.
bool is_talkers(std::string_view key) {
    return key.starts_with("s:k") || key.starts_with("m:") ||
           (key.starts_with("c") && key.find(":k") < 8);
}

// In keys of the proxy's own, behind the talker's key beside which they are.
constexpr std::string_view ringmains = ":ringmain:";

constexpr std::string_view out_of_memory = "SERVER_ERROR out of memory storing object\r\n";

std::string_view client_of(std::string_view key) {
    return key.substr(0, key.find(':'));
}

}  // namespace

Server::Server(uint32_t index, const Scenario& scenario, Truth& truth)
    : index_(index),
      scenario_(&scenario),
      truth_(&truth),
      is_redis_(truth.pool->protocol == config::Protocol::Redis) {
    redis.password = truth.pool->redis_auth;
    if (scenario.has_old && index % 2 == 0) memcached.grow_old();
}

void Server::heal() {
    still_until = crawls_until = refuses_until = vanished_until = loads_until = greets_until = {};
    cuts = swallows = leaves_out = lies_malformed = lies_shape = lies_key = pushes = false;
    redis.password = truth_->pool->redis_auth;
    redis.knows_resp3 = true;
}

void Server::remember() {
    old_data_ = is_redis_ ? redis.values : memcached.values;
}

void Server::lose_data(Instant now, Prng& prng) {
    std::map<std::string, std::string>& data = is_redis_ ? redis.values : memcached.values;
    if (prng.below(2) == 0) {
        data.clear();
    } else {
        data = old_data_;
    }
    truth_->ledger.on_data(index_, data, now);
    lists_.clear();
    forget_elements();
}

std::string_view Server::some_answer() const {
    return is_redis_ ? "$5\r\nextra\r\n" : "END\r\n";
}

std::string Server::serve(Link& link, Instant now, Prng& prng) {
    wrong_.clear();
    if (link.arrived.empty() || stands_still(now)) return {};
    for (uint32_t count = 0; count < requests_at_once && take(link); ++count) {
        requests_ += 1;
        link.requests += 1;
        if (std::exchange(link.is_told, false)) continue;
        wrong_ = is_redis_ ? check_redis(link) : check_memcached(now);
        if (!wrong_.empty()) break;
        std::string answer =
            is_redis_ ? answer_redis(link, now, prng) : answer_memcached(link, now);
        if (!wrong_.empty()) break;
        // A command that waits has none yet.
        if (!answer.empty()) send(link, std::move(answer), now, prng);
    }
    if (!wrong_.empty()) wrong_ = "server s" + std::to_string(index_) + " got " + wrong_;
    refuse_beginning(link, now, prng);
    return wrong_;
}

// A memcached that has no memory says so when it has the line, and takes the data all the same.
void Server::refuse_beginning(Link& link, Instant now, Prng& prng) {
    const bool is_set = link.arrived.starts_with("set ") ||
                        (link.arrived.starts_with("ms ") && !memcached.runs_data());
    if (now >= loads_until || !is_set || link.is_told) return;
    if (link.arrived.find("\r\n") == std::string::npos || prng.below(2) == 0) return;
    link.is_told = true;
    if (link.mute) return;
    const size_t half = prng.below(out_of_memory.size());
    const Instant at = now + link.latency;
    put(link, std::string(out_of_memory.substr(0, half)), at);
    put(link, std::string(out_of_memory.substr(half)), at + link.latency);
}

bool Server::take(Link& link) {
    return is_redis_ ? test::FakeRedis::take(link.arrived, arguments_)
                     : memcached.take(link.arrived, request_);
}

// --- what it is asked ----------------------------------------------------------------------------

std::string Server::check_key(std::string_view key, Instant from, Instant to) const {
    const bool is_own = key.find(ringmains) != std::string_view::npos;
    if (!is_talkers(key) || is_own || truth_->directory.may_have(index_, key, from, to)) return {};
    return "key " + std::string(key) + ", which is another server's";
}

std::string Server::check_memcached(Instant now) const {
    const std::vector<std::string>& words = request_.words;
    if (memcached.runs_data()) return {};  // whose words may be anything
    if (words.empty()) return "an empty line";
    if (words.back() == "noreply") return "noreply: its answers could not be counted";
    const Instant from = {std::max<int64_t>(0, now.ns - placed_before.ns)};
    const bool gets = words[0].starts_with("get");
    for (size_t i = 1; i < words.size(); ++i) {
        if (std::string wrong = check_key(words[i], from, now); !wrong.empty()) return wrong;
        if (!gets) break;
    }
    return {};
}

// Talkers' keys say in which database they are.
std::string Server::check_database(const std::string& database) const {
    if (arguments_[0] == "PUBLISH") return {};  // channels are of no database
    const bool changes = scenario_->selects && scenario_->reload_every.ns > 0;
    const bool is_own = database == std::to_string(truth_->pool->redis_db) ||
                        (changes && (database == "0" || database == "3"));
    std::string key = arguments_.size() < 2 ? "" : arguments_[1];
    if (is_step(arguments_)) key = step_keys().at(0);
    if (!is_talkers(key)) {
        const bool may_be = is_own || (scenario_->selects && database != "0");
        return may_be ? "" : "a request before SELECT";
    }
    const std::string_view wanted =
        database_of(std::string_view(key).substr(0, key.find(ringmains)));
    if (wanted.empty() ? is_own : database == wanted) return {};
    return "key " + key + " in database " + database;
}

std::string Server::check_redis(Link& link) {
    if (arguments_.empty()) return "an empty request";
    const std::string& name = arguments_[0];
    if (is_one_of(name, {"AUTH", "HELLO", "PING"})) return {};
    const config::Pool& pool = *truth_->pool;
    // A client's comes when the connection has said it already.
    const bool is_first = name == "SELECT" && arguments_[1] != link.session.database;
    if (is_first) return {};
    if (!pool.redis_auth.empty() && !link.session.authenticated) return "a request before AUTH";
    // Babblers subscribe, too: on connections that have no queue.
    if (name.ends_with("subscribe")) return {};
    if (std::string wrong = check_database(link.session.database); !wrong.empty()) return wrong;
    if (link.queued.empty()) return link.is_lost ? "" : "a request that no queue knows of: " + name;
    const auto [from, to] = link.queued.front();
    link.queued.pop_front();
    // What is carried is removed where it was, wherever it lives by now.
    if (link.session.in_transaction && is_one_of(name, {"UNLINK", "SREM"})) return {};
    if (is_step(arguments_)) {
        for (const std::string& key : step_keys()) {
            if (std::string wrong = check_key(key, from, to); !wrong.empty()) return wrong;
        }
        return {};
    }
    const size_t step = name == "MSET" ? 2 : 1;
    const bool pops = is_one_of(name, {"BLPOP", "BRPOP", "LMPOP", "BLMPOP"});
    const bool several =
        pops || is_one_of(name, {"MSET", "MGET", "DEL", "UNLINK", "EXISTS", "TOUCH"});
    const KeySpan span = pops ? popped_keys() : KeySpan{1, arguments_.size()};
    for (size_t i = span.first; i < span.end; i += step) {
        if (std::string wrong = check_key(arguments_[i], from, to); !wrong.empty()) {
            return wrong;
        }
        if (!several) break;
    }
    return {};
}

// --- what it does --------------------------------------------------------------------------------

std::string Server::note_set(Link& link,
                             std::string_view key,
                             std::string_view value,
                             Instant now) {
    if (!is_talkers(key)) return {};
    if (key.starts_with("s:kR")) note_value(std::string(key), value);
    return truth_->ledger.on_set(index_, key, value, now, link.last_writes);
}

std::string Server::answer_redis(Link& link, Instant now, Prng& prng) {
    const std::string& name = arguments_[0];
    // What redis does while it loads.
    const bool ready = is_one_of(
        name, {"AUTH", "HELLO", "SELECT", "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"});
    if (now < loads_until && !ready) {
        link.session.aborted = link.session.in_transaction;
        return "-LOADING Redis is loading the dataset in memory\r\n";
    }
    if (name == "PING") return "+PONG\r\n";
    // That it refuses the password would be taken for the answer to PING, which may be an error.
    if (name == "AUTH" && link.is_greeted) {
        link.session.authenticated = true;
        return "+OK\r\n";
    }
    // It takes both passwords, unless it takes none.
    if (name == "AUTH" && truth_->changes_auth && redis.password == truth_->pool->redis_auth) {
        link.session.authenticated = arguments_[1] == "other" || arguments_[1] == redis.password;
        if (!link.session.authenticated) wrong_ = "a password that there never was";
        return "+OK\r\n";
    }
    if (is_one_of(name, {"LPUSH", "RPUSH"})) return answer_push(link, now, prng);
    if (is_one_of(name, {"LPOP", "RPOP"})) return answer_pop(link);
    if (is_one_of(name, {"BLPOP", "BRPOP", "LMPOP", "BLMPOP"})) return answer_pops(link, now);
    if (name == "PUBLISH") return answer_publish(link, now, prng);
    if (name == "EXEC") return execute(link, now);
    if (link.session.in_transaction) return redis.answer(arguments_, link.session);
    if (std::string answer = answer_step(link, now); !answer.empty()) return answer;
    if (name == "SET" || name == "MSET") {
        for (size_t i = 1; i + 1 < arguments_.size() && wrong_.empty(); i += 2) {
            wrong_ = note_set(link, arguments_[i], arguments_[i + 1], now);
        }
    } else if (name == "DEL" || name == "UNLINK") {
        for (size_t i = 1; i < arguments_.size(); ++i) {
            truth_->ledger.on_delete(index_, arguments_[i], now);
        }
    }
    std::string answer = redis.answer(arguments_, link.session);
    if (name.ends_with("subscribe")) note_subscription(link);
    return answer;
}

std::string Server::execute(Link& link, Instant now) {
    const std::vector<std::vector<std::string>> queued = link.session.queued;
    if (queued.size() == 1 && queued[0][0] == "SREM") return execute_removal(link, now);
    const std::map<std::string, std::string> before = removed_by(queued);
    std::string answer = redis.answer(arguments_, link.session);
    if (!answer.starts_with('*') || answer == "*-1\r\n") return answer;
    transactions_ += 1;
    for (const std::vector<std::string>& request : queued) {
        if (request[0] == "SET" && wrong_.empty()) {
            wrong_ = note_set(link, request[1], request[2], now);
        }
    }
    for (const auto& [key, value] : before) {
        note_taken(key, value);
        truth_->ledger.on_delete(index_, key, now);
    }
    return answer;
}

// What is there of that.
std::map<std::string, std::string> Server::removed_by(
    const std::vector<std::vector<std::string>>& requests) const {
    std::map<std::string, std::string> removed;
    for (const std::vector<std::string>& request : requests) {
        if (request[0] != "UNLINK") continue;
        const auto found = redis.values.find(request[1]);
        if (found != redis.values.end()) removed.insert(*found);
    }
    return removed;
}

std::string Server::answer_memcached(Link& link, Instant now) {
    if (request_.words.empty()) return memcached.answer(request_);  // of data that are run
    const std::string& verb = request_.words[0];
    if (now < loads_until && verb != "version" && !memcached.runs_data()) {
        return std::string(out_of_memory);
    }
    if (verb == "flush_all") {
        truth_->flushes += 1;
        truth_->flushed_at[index_] = now;
        truth_->ledger.on_data(index_, {}, now);
    } else if (verb == "set" || (verb == "ms" && !memcached.runs_data())) {
        wrong_ = note_set(link, request_.words[1], request_.data, now);
    } else if ((verb == "delete" || verb == "md") && request_.words.size() > 1) {
        truth_->ledger.on_delete(index_, request_.words[1], now);
    }
    if (verb.starts_with("get") && request_.words.size() > 2) {
        const std::vector<std::string>& words = request_.words;
        const std::string_view first = client_of(words[1]);
        shared_lines_ += std::any_of(words.begin() + 2,
                                     words.end(),
                                     [first](const auto& key) { return client_of(key) != first; })
                             ? 1U
                             : 0U;
    }
    return memcached.answer(request_);
}

// --- what it says --------------------------------------------------------------------------------

// Only where answers are paired with many clients' requests: who has a connection alone harms only
// himself. One that nobody asked for would make up for it.
bool Server::may_leave_out(const Link& link) {
    const core::ServerConn* conn = link.channel->server;
    return conn != nullptr && conn->state == core::ServerConn::State::Ready &&
           conn->is_everybodys() && !conn->set_apart && conn->fragments.front() != nullptr &&
           !link.is_greeted && link.gap_since == Instant::never();
}

void Server::send(Link& link, std::string answer, Instant now, Prng& prng) {
    if (link.mute) return;
    if (leaves_out && may_leave_out(link)) {
        leaves_out = false;
        truth_->faults[index_] |= LeavesOut;
        link.gap_since = now;
        return;
    }
    Instant at = now + link.latency;
    if (now < crawls_until) {
        at = at + Duration{static_cast<int64_t>(prng.below(static_cast<uint64_t>(crawl_max.ns)))};
    }
    // Of single large values, if there are any.
    const bool is_value = answer[0] == '$' || answer.starts_with("VA");
    const bool is_large = is_value && answer.size() > truth_->pool->stream_threshold;
    const bool is_worth_it = is_large || prng.below(20) == 0;
    if (swallows && is_worth_it) {
        swallows = false;
        link.mute = true;
        truth_->faults[index_] |= Slow;
        if (prng.below(2) == 0) answer.resize(prng.below(answer.size()));
        if (!answer.empty()) put(link, std::move(answer), at);
        return;
    }
    spoil(answer, prng);
    if (cuts && is_worth_it) {
        cuts = false;
        link.mute = true;
        truth_->faults[index_] |= Close;
        answer.resize(prng.below(answer.size()));
        put(link, std::move(answer), at);
        link.to_proxy.close(at);
        return;
    }
    put(link, std::move(answer), at);
}

void Server::put(Link& link, std::string bytes, Instant at) {
    link.sent_bytes += bytes.size();
    link.to_proxy.push(std::move(bytes), at);
}

// With what would be the right answer to the first command.
void Server::greet(Link& link, Instant now) {
    if (now >= greets_until) return;
    link.is_greeted = true;
    truth_->faults[index_] |= WrongShape | Unasked | Slow;
    put(link, "+OK\r\n", now + link.latency);
    // What comes at once is found out at once.
    crawls_until = std::max(crawls_until, greets_until);
    crawl_max = std::max(crawl_max, Duration::millis(20));
}

// What the proxy gets is no answer, and it must notice before it reads what follows.
void Server::spoil(std::string& answer, Prng& prng) {
    if (lies_malformed) {
        lies_malformed = false;
        truth_->faults[index_] |= Malformed;
        static constexpr std::array<std::string_view, 5> bad_redis = {
            "?what\r\n", "$x\r\n", "$5\r\nabcdefg\r\n", "*1\r\n?\r\n", ":12a\r\n"};
        static constexpr std::array<std::string_view, 4> bad_memcached = {
            "\r\n", "VALUE k 0 x\r\nab\r\nEND\r\n", "VALUE k 0 2\r\nabcdefg\r\n", "STORED\n\r\n"};
        const size_t choice = prng.below(4);
        const std::string_view bad = is_redis_ ? bad_redis[choice] : bad_memcached[choice];
        // Instead of the answer, or behind it.
        answer = prng.below(2) == 0 ? std::string(bad) : answer + std::string(bad);
        return;
    }
    if (pushes) {
        pushes = false;
        truth_->faults[index_] |= Push;
        answer.insert(0, ">2\r\n+pubsub\r\n+hello\r\n");
        return;
    }
    // The answer of the only server that there is, perhaps, is passed on as it is.
    const bool is_noticed = !scenario_->moves_servers || request_.words.size() == 2;
    if (lies_key && !is_redis_ && request_.words[0] == "get" && is_noticed) {
        lies_key = false;
        truth_->faults[index_] |= WrongKey;
        const std::string lie = "VALUE other:key 0 2\r\nab\r\n";
        const size_t end = answer.size() - std::string_view("END\r\n").size();
        const bool is_first = !answer.ends_with("END\r\n") || prng.below(2) == 0;
        answer = is_first ? lie + "END\r\n" : answer.insert(end, lie);
        return;
    }
    if (lies_shape && !is_error(answer)) spoil_shape(answer, prng);
}

// Of a request with one key nobody can say that the answer is wrong.
void Server::spoil_shape(std::string& answer, Prng& prng) {
    if (is_redis_ && arguments_.size() < (arguments_[0] == "MSET" ? 5U : 3U)) return;
    // Nor that it is another version.
    if (!is_redis_ && request_.words[0] == "version") return;
    if (!is_redis_) {
        static constexpr std::array<std::string_view, 3> shapes = {
            "RESET\r\n", "VERSION 1\r\n", "OK\r\n"};
        // An old server says OK to a meta command.
        const bool is_meta = request_.words[0].size() == 2;
        answer = shapes[prng.below(shapes.size() - (is_meta ? 1 : 0))];
    } else if (arguments_[0] == "MGET") {
        const size_t end = answer.find("\r\n");
        const size_t keys = arguments_.size() - 1;
        answer = prng.below(2) == 0
                     ? ":7\r\n"
                     : "*" + std::to_string(keys + 1) + answer.substr(end) + "$5\r\nextra\r\n";
    } else if (is_one_of(arguments_[0], {"DEL", "UNLINK", "EXISTS", "TOUCH"})) {
        answer = prng.below(2) == 0 ? ":123456\r\n" : "+OK\r\n";
    } else if (is_fetch(arguments_)) {
        answer = prng.below(2) == 0 ? ":7\r\n" : "*2\r\n:-1\r\n:5\r\n";
    } else if (arguments_[0] == "MSET") {
        answer = prng.below(2) == 0 ? ":1\r\n" : "+QUEUED\r\n";
    } else {
        return;
    }
    lies_shape = false;
    truth_->faults[index_] |= WrongShape;
}

}  // namespace ringmain::sim
