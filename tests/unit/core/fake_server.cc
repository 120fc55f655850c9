#include "tests/unit/core/fake_server.h"

#include <algorithm>
#include <charconv>

namespace ringmain::test {

namespace {

int64_t number_of(std::string_view text) {
    int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::string integer(int64_t number) {
    return ":" + std::to_string(number) + "\r\n";
}

}  // namespace

// "*2\r\n$3\r\nGET\r\n$1\r\na\r\n" off the front.
bool FakeRedis::take(std::string& bytes, std::vector<std::string>& arguments) {
    arguments.clear();
    size_t at = bytes.find("\r\n");
    if (at == std::string::npos) return false;
    const int64_t count = number_of(std::string_view(bytes).substr(1, at - 1));
    at += 2;
    for (int64_t i = 0; i < count; ++i) {
        const size_t end = bytes.find("\r\n", at);
        if (end == std::string::npos) return false;
        const auto size =
            static_cast<size_t>(number_of(std::string_view(bytes).substr(at + 1, end - at - 1)));
        if (bytes.size() < end + 2 + size + 2) return false;
        arguments.push_back(bytes.substr(end + 2, size));
        at = end + 2 + size + 2;
    }
    bytes.erase(0, at);
    return true;
}

void FakeRedis::serve(std::string& bytes, std::string& answers, Session& session) {
    std::vector<std::string> arguments;
    while (take(bytes, arguments)) {
        std::string line;
        for (const std::string& argument : arguments) {
            line += (line.empty() ? "" : " ") + argument;
        }
        log.push_back(line);
        answers += answer(arguments, session);
    }
}

std::string FakeRedis::bulk(const std::string& key, const Session& session) const {
    const auto found = values.find(key);
    if (found == values.end()) return session.resp3 ? "_\r\n" : "$-1\r\n";
    return "$" + std::to_string(found->second.size()) + "\r\n" + found->second + "\r\n";
}

std::string FakeRedis::answer(const std::vector<std::string>& arguments, Session& session) {
    const std::string& name = arguments[0];
    const bool is_queued = session.in_transaction && name != "EXEC" && name != "DISCARD";
    if (!is_queued && arguments.size() > 1) {
        const auto found = canned.find(name + " " + arguments[1]);
        if (found != canned.end()) return found->second;
    }
    if (canned.contains(name) && !is_queued) return canned[name];
    if (name == "AUTH") {
        const bool is_user = user == (arguments.size() == 3 ? arguments[1] : "default");
        session.authenticated = is_user && arguments.back() == password;
        return session.authenticated ? "+OK\r\n" : "-WRONGPASS invalid username-password pair\r\n";
    }
    if (!password.empty() && !session.authenticated) {
        return "-NOAUTH Authentication required.\r\n";
    }
    if (name == "HELLO") {
        if (!knows_resp3) return "-ERR unknown command 'HELLO'\r\n";
        session.resp3 = true;
        return "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n";
    }
    if (name == "SELECT") {
        if (!has_databases) return "-ERR DB index is out of range\r\n";
        session.database = arguments[1];
        return "+OK\r\n";
    }
    std::string word;
    for (const char byte : name) {
        word += static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
    }
    if (word.ends_with("subscribe")) return subscribe(arguments, word, session);
    if (name == "PUBLISH" && !session.in_transaction) {
        return integer(publish(arguments[1], arguments[2]));
    }
    if (name == "PING" && !session.topics.empty()) return "*2\r\n$4\r\npong\r\n$0\r\n\r\n";
    return answer_transaction(arguments, session);
}

namespace {

std::string words(std::initializer_list<std::string_view> all) {
    std::string text = "*" + std::to_string(all.size()) + "\r\n";
    for (const std::string_view word : all) {
        text += "$" + std::to_string(word.size()) + "\r\n";
        text.append(word).append("\r\n");
    }
    return text;
}

}  // namespace

// One confirmation per name, in RESP2.
std::string FakeRedis::subscribe(const std::vector<std::string>& arguments,
                                 std::string word,
                                 Session& session) {
    std::string subscribing = word;
    const size_t un = word.find("un");
    const bool ends = un != std::string::npos;
    if (ends) subscribing.erase(un, 2);
    std::string text;
    for (size_t i = 1; i < arguments.size(); ++i) {
        std::set<std::string>& names = session.topics[subscribing];
        if (ends) {
            names.erase(arguments[i]);
        } else {
            names.insert(arguments[i]);
        }
        const size_t count = names.size();
        if (names.empty()) session.topics.erase(subscribing);
        text += "*3\r\n" + words({word, arguments[i]}).substr(4) + integer(int64_t(count));
    }
    if (session.topics.empty()) {
        subscribers.erase(&session);
    } else {
        subscribers.insert(&session);
    }
    return text;
}

// A pattern is a beginning and a star.
int64_t FakeRedis::publish(const std::string& channel, const std::string& payload) const {
    int64_t heard = 0;
    for (Session* session : subscribers) {
        for (const auto& [word, names] : session->topics) {
            for (const std::string& name : names) {
                const bool matches = word == "psubscribe"
                                         ? channel.starts_with(name.substr(0, name.size() - 1))
                                         : word == "subscribe" && name == channel;
                if (!matches) continue;
                session->messages += word == "psubscribe"
                                         ? words({"pmessage", name, channel, payload})
                                         : words({"message", channel, payload});
                heard += 1;
            }
        }
    }
    return heard;
}

std::string FakeRedis::answer_transaction(const std::vector<std::string>& arguments,
                                          Session& session) {
    const std::string& name = arguments[0];
    if (name == "MULTI") {
        if (!knows_transactions) return "-ERR unknown command 'MULTI'\r\n";
        session.in_transaction = true;
        return "+OK\r\n";
    }
    if (name == "EXEC") return execute(session);
    if (name == "DISCARD") {
        if (!session.in_transaction) return "-ERR DISCARD without MULTI\r\n";
        session.in_transaction = session.aborted = false;
        session.queued.clear();
        session.watched.clear();
        return "+OK\r\n";
    }
    if (session.in_transaction) {
        if (name == "BAD") {
            session.aborted = true;
            return "-OOM command not allowed\r\n";
        }
        session.queued.push_back(arguments);
        return "+QUEUED\r\n";
    }
    if (name == "WATCH") {
        for (size_t i = 1; i < arguments.size(); ++i) {
            session.watched[arguments[i]] = changes_[arguments[i]];
        }
        return "+OK\r\n";
    }
    if (name == "UNWATCH") {
        session.watched.clear();
        return "+OK\r\n";
    }
    return run(arguments, session);
}

std::string FakeRedis::execute(Session& session) {
    if (!session.in_transaction) return "-ERR EXEC without MULTI\r\n";
    bool changed = false;
    for (const auto& [key, count] : session.watched) {
        changed = changed || changes_[key] != count;
    }
    std::string text = "*" + std::to_string(session.queued.size()) + "\r\n";
    const bool aborted = session.aborted;
    if (!changed && !aborted) {
        for (const auto& arguments : session.queued) {
            text += run(arguments, session);
        }
    }
    session.in_transaction = session.aborted = false;
    session.queued.clear();
    session.watched.clear();
    if (aborted) return "-EXECABORT Transaction discarded because of previous errors.\r\n";
    if (changed) return session.resp3 ? "_\r\n" : "*-1\r\n";
    return text;
}

std::string FakeRedis::run(std::vector<std::string> arguments, const Session& session) {
    if (canned.contains(arguments[0])) return canned[arguments[0]];
    if (separates_databases && session.database != "0" && arguments.size() > 1) {
        arguments[1].insert(0, session.database + "/");
    }
    const std::string& name = arguments[0];
    const bool removes = name == "DEL" || name == "UNLINK";
    if (name == "SET" || name == "INCR") touch(arguments[1]);
    for (size_t i = 1; removes && i < arguments.size(); ++i) {
        touch(arguments[i]);
    }
    return answer_key(arguments, session);
}

std::string FakeRedis::answer_key(const std::vector<std::string>& arguments,
                                  const Session& session) {
    const std::string& name = arguments[0];
    if (name == "PING") return "+PONG\r\n";
    if (name == "GET") return bulk(arguments[1], session);
    if (name == "SET" || name == "MSET") {
        for (size_t i = 1; i + 1 < arguments.size(); i += 2) {
            values[arguments[i]] = arguments[i + 1];
        }
        return "+OK\r\n";
    }
    if (name == "MGET") {
        std::string text = "*" + std::to_string(arguments.size() - 1) + "\r\n";
        for (size_t i = 1; i < arguments.size(); ++i) {
            text += bulk(arguments[i], session);
        }
        return text;
    }
    if (name == "DEL" || name == "UNLINK" || name == "EXISTS" || name == "TOUCH") {
        int64_t found = 0;
        for (size_t i = 1; i < arguments.size(); ++i) {
            found += static_cast<int64_t>(values.count(arguments[i]));
            if (name == "DEL" || name == "UNLINK") values.erase(arguments[i]);
        }
        return integer(found);
    }
    if (name == "INCR") {
        std::string& value = values[arguments[1]];
        value = std::to_string(number_of(value) + 1);
        return ":" + value + "\r\n";
    }
    if (name == "KEYS") {
        // A pattern is a beginning and a star.
        const std::string_view head =
            std::string_view(arguments[1]).substr(0, std::max<size_t>(arguments[1].size(), 1) - 1);
        std::string text;
        size_t count = 0;
        for (const auto& [key, value] : values) {
            if (!key.starts_with(head)) continue;
            text += "$" + std::to_string(key.size()) + "\r\n" + key + "\r\n";
            count += 1;
        }
        return "*" + std::to_string(count) + "\r\n" + text;
    }
    if (name == "EVAL")
        return "$" + std::to_string(arguments[1].size()) + "\r\n" + arguments[1] + "\r\n";
    return "-ERR unknown command '" + name + "'\r\n";
}

// --- memcached -----------------------------------------------------------------------------------

namespace {

std::vector<std::string> words_of(const std::string& line) {
    std::vector<std::string> words;
    size_t at = 0;
    while (at < line.size()) {
        const size_t end = std::min(line.find(' ', at), line.size());
        if (end > at) words.push_back(line.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

}  // namespace

void FakeMemcached::grow_old() {
    takes_meta_set_ = false;
    canned["version"] = "VERSION 1.6.9\r\n";
    canned["ms"] = "CLIENT_ERROR invalid flag\r\n";
}

// Where the length of the data block stands; 0: there is none.
size_t FakeMemcached::length_index(const std::string& verb) const {
    if (verb == "ms") return takes_meta_set_ ? 2 : 0;
    for (const char* other : {"set", "add", "replace", "append", "prepend", "cas"}) {
        if (verb == other) return 4;
    }
    return 0;
}

bool FakeMemcached::take(std::string& bytes, Request& request) const {
    const size_t end = bytes.find("\r\n");
    if (end == std::string::npos) return false;
    request.line = bytes.substr(0, end);
    request.words = words_of(request.line);
    request.data.clear();
    size_t size = end + 2;
    const size_t at = request.words.empty() ? 0 : length_index(request.words[0]);
    if (at != 0) {
        const auto data_size = static_cast<size_t>(number_of(request.words.at(at)));
        if (bytes.size() < size + data_size + 2) return false;
        request.data = bytes.substr(size, data_size);
        size += data_size + 2;
    }
    bytes.erase(0, size);
    return true;
}

std::string FakeMemcached::answer(const Request& request) {
    if (request.words.empty()) return "ERROR\r\n";
    if (length_index(request.words[0]) != 0) return update(request.words, request.data);
    return answer_line(request.words);
}

void FakeMemcached::serve(std::string& bytes, std::string& answers) {
    Request request;
    while (take(bytes, request)) {
        log.push_back(request.line);
        answers += answer(request);
    }
}

std::string FakeMemcached::update(const std::vector<std::string>& words, std::string_view data) {
    const std::string& verb = words[0];
    const bool exists = values.contains(words[1]);
    if (verb == "ms") {
        values[words[1]] = data;
        return "HD\r\n";
    }
    if ((verb == "add" && exists) || (verb != "set" && verb != "add" && !exists)) {
        return verb == "cas" ? "NOT_FOUND\r\n" : "NOT_STORED\r\n";
    }
    std::string& value = values[words[1]];
    if (verb == "append") {
        value += data;
    } else if (verb == "prepend") {
        value.insert(0, data);
    } else {
        value = data;
    }
    return "STORED\r\n";
}

std::string FakeMemcached::get(const std::vector<std::string>& words) {
    const bool touches = words[0] == "gat" || words[0] == "gats";
    const bool cas = words[0] == "gets" || words[0] == "gats";
    std::string text;
    for (size_t i = touches ? 2 : 1; i < words.size(); ++i) {
        const auto found = values.find(words[i]);
        if (found == values.end()) continue;
        text += "VALUE " + words[i] + " 0 " + std::to_string(found->second.size()) +
                (cas ? " 7" : "") + "\r\n" + found->second + "\r\n";
    }
    return text + "END\r\n";
}

std::string FakeMemcached::count(const std::vector<std::string>& words) {
    const auto found = values.find(words[1]);
    if (found == values.end()) return "NOT_FOUND\r\n";
    const int64_t delta = number_of(words[2]);
    const int64_t sum = number_of(found->second) + (words[0] == "incr" ? delta : -delta);
    found->second = std::to_string(sum);
    return found->second + "\r\n";
}

std::string FakeMemcached::meta_get(const std::vector<std::string>& words) {
    const auto found = values.find(words[1]);
    if (found == values.end()) return "EN\r\n";
    if (words.size() < 3 || words[2] != "v") return "HD\r\n";
    return "VA " + std::to_string(found->second.size()) + "\r\n" + found->second + "\r\n";
}

std::string FakeMemcached::answer_line(const std::vector<std::string>& words) {
    const std::string& verb = words[0];
    if (canned.contains(verb)) return canned[verb];
    if (verb == "version") return "VERSION 1.6.18\r\n";
    if (verb == "get" || verb == "gets" || verb == "gat" || verb == "gats") return get(words);
    if (verb == "incr" || verb == "decr") return count(words);
    if (verb == "touch") return values.contains(words[1]) ? "TOUCHED\r\n" : "NOT_FOUND\r\n";
    if (verb == "delete") return values.erase(words[1]) > 0 ? "DELETED\r\n" : "NOT_FOUND\r\n";
    if (verb == "mg") return meta_get(words);
    if (verb == "md") return values.erase(words[1]) > 0 ? "HD\r\n" : "NF\r\n";
    if (verb == "flush_all") values.clear();
    if (verb == "flush_all" || verb == "verbosity") return "OK\r\n";
    if (verb == "stats" && words.size() > 1) return "RESET\r\n";
    if (verb == "stats") {
        return "STAT pid 5\r\nSTAT curr_items " + std::to_string(values.size()) +
               "\r\nSTAT rusage_user 0.500000\r\nEND\r\n";
    }
    return "ERROR\r\n";
}

}  // namespace ringmain::test
