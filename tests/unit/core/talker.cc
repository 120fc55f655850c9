#include "tests/unit/core/talker.h"

#include "tests/unit/core/world.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace ringmain::test {

namespace {

using Kind = Expected::Kind;

std::optional<int64_t> number_in(std::string_view text) {
    int64_t number = 0;
    const auto end = text.data() + text.size();
    const auto [at, code] = std::from_chars(text.data(), end, number);
    if (code != std::errc() || at != end) return std::nullopt;
    return number;
}

// The first line with its end; empty when it is not all there.
std::string_view first_line(std::string_view text) {
    const size_t end = text.find("\r\n");
    return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 2);
}

// The size of the first answer; 0 when it is not all there. Adds the values in it.
size_t resp_size(std::string_view text, std::vector<std::string>& values) {
    size_t at = 0;
    for (int64_t missing = 1; missing > 0; --missing) {
        const std::string_view line = first_line(text.substr(at));
        if (line.empty()) return 0;
        at += line.size();
        const int64_t number = number_in(line.substr(1, line.size() - 3)).value_or(0);
        if (line[0] == '*') missing += number;
        if (line[0] == '%') missing += 2 * number;
        if (line[0] == '_' || (line[0] == '$' && number < 0)) values.emplace_back();
        if (line[0] != '$' || number < 0) continue;
        const auto size = static_cast<size_t>(number) + 2;
        if (text.size() - at < size) return 0;
        values.emplace_back(text.substr(at, size - 2));
        at += size;
    }
    return at;
}

size_t memcached_size(std::string_view text, std::vector<std::string>& values) {
    size_t at = 0;
    for (;;) {
        const std::string_view line = first_line(text.substr(at));
        if (line.empty()) return 0;
        at += line.size();
        if (!line.starts_with("VALUE ")) return at;
        // VALUE <key> <flags> <bytes> [<cas>]
        const size_t begin = line.find(' ', line.find(' ', 6) + 1) + 1;
        const size_t end = line.find_first_of(" \r", begin);
        const auto size = static_cast<size_t>(*number_in(line.substr(begin, end - begin))) + 2;
        if (text.size() - at < size) return 0;
        values.emplace_back(text.substr(at, size - 2));
        at += size;
    }
}

bool is_error(std::string_view answer) {
    for (const char* begin : {"-ERR ringmain: server s",
                              "-ERR ringmain: every server of pool 'main' is ejected",
                              "SERVER_ERROR ringmain: every server of pool 'main' is ejected",
                              "-ERR ringmain: out of buffer memory",
                              "SERVER_ERROR ringmain: server s",
                              "SERVER_ERROR ringmain: out of buffer memory"}) {
        if (answer.starts_with(begin)) return true;
    }
    return false;
}

// Each value, unless it is missing, is one of its key.
bool fit_keys(const std::vector<std::string>& values,
              const std::vector<std::string>& keys,
              bool in_place) {
    if (in_place && values.size() != keys.size()) return false;
    size_t key = 0;
    for (const std::string& value : values) {
        if (in_place) {
            if (!value.empty() && !value.starts_with(keys[key] + "=")) return false;
            key += 1;
            continue;
        }
        while (key < keys.size() && !value.starts_with(keys[key] + "=")) {
            key += 1;
        }
        if (key == keys.size()) return false;
        key += 1;
    }
    return true;
}

bool fits(const Expected& expected,
          std::string_view answer,
          const std::vector<std::string>& values,
          bool memcached) {
    // What is said before the connection is closed, in the place of a request that was cut.
    if (answer.find("out of buffer memory for a request") != std::string_view::npos) return true;
    if (expected.kind == Kind::Exact) return answer == expected.exact;
    if (is_error(answer)) return true;
    const std::string_view text = answer.substr(0, answer.size() - 2);
    switch (expected.kind) {
        case Kind::Exact:
            break;
        case Kind::Values:
            return fit_keys(values, expected.keys, !memcached) &&
                   (memcached ? answer.ends_with("END\r\n")
                              : answer[0] == '*' || answer[0] == '$' || answer[0] == '_');
        case Kind::Word:
            return memcached ? text == "STORED" || text == "NOT_STORED" || text == "DELETED" ||
                                   text == "NOT_FOUND" || text == "TOUCHED"
                             : text == "+OK";
        case Kind::Count: {
            const auto number = number_in(text.substr(1));
            return number.has_value() && *number >= 0 &&
                   *number <= static_cast<int64_t>(expected.keys.size());
        }
        case Kind::Number:
            return number_in(memcached ? text : text.substr(1)).has_value() || text == "NOT_FOUND";
    }
    return false;
}

}  // namespace

void Talker::expect(Kind kind, std::string exact, std::vector<std::string> keys) {
    expected_.push_back({.kind = kind, .exact = std::move(exact), .keys = std::move(keys)});
}

std::string Talker::some_key(Prng& prng) const {
    return name_ + ":k" + std::to_string(prng.below(12));
}

std::string Talker::new_value(const std::string& key, Prng& prng) {
    writes_ += 1;
    std::string value = key + "=" + std::to_string(writes_);
    const uint64_t kind = prng.below(20);
    if (kind == 0) value.append(3000 + prng.below(30'000), 'x');
    if (kind == 1) value.append(1900 + prng.below(300), 'y');
    values_[key] = value;
    return value;
}

std::string Talker::got(const std::string& key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return resp3_ ? "_\r\n" : "$-1\r\n";
    return bulk(found->second);
}

std::string Talker::speak(Prng& prng) {
    return memcached_ ? speak_memcached(prng) : speak_resp(prng);
}

std::string Talker::hello(bool resp3) {
    resp3_ = resp3;
    expect(Kind::Exact,
           (resp3 ? "%7\r\n" : "*14\r\n") + bulk("server") + bulk("redis") + bulk("version") +
               bulk("7.0.15") + bulk("proto") + (resp3 ? ":3\r\n" : ":2\r\n") + bulk("id") + ":" +
               std::to_string(id_) + "\r\n" + bulk("mode") + bulk("standalone") + bulk("role") +
               bulk("master") + bulk("modules") + "*0\r\n");
    return resp({"HELLO", resp3 ? "3" : "2"});
}

std::string Talker::speak_resp(Prng& prng) {
    const std::string key = some_key(prng);
    std::vector<std::string> keys(1 + prng.below(6));
    for (std::string& one : keys) {
        one = some_key(prng);
    }
    const uint64_t kind = prng.below(14);
    if (kind < 3) {
        expect(Kind::Values, got(key), {key});
        return kind == 0 ? "GET " + key + "\r\n" : resp({"GET", key});
    }
    if (kind < 6) {
        expect(Kind::Word, "+OK\r\n");
        return resp({"SET", key, new_value(key, prng)});
    }
    if (kind < 8) {
        std::vector<std::string> request = {"MGET"};
        std::string exact = "*" + std::to_string(keys.size()) + "\r\n";
        for (const std::string& one : keys) {
            request.push_back(one);
            exact += got(one);
        }
        expect(Kind::Values, exact, keys);
        return resp(request);
    }
    if (kind == 8) {
        std::vector<std::string> request = {"MSET"};
        for (const std::string& one : keys) {
            request.push_back(one);
            request.push_back(new_value(one, prng));
        }
        expect(Kind::Word, "+OK\r\n");
        return resp(request);
    }
    if (kind == 9 || kind == 10) {
        const bool removes = prng.below(2) == 0;
        std::vector<std::string> request = {removes ? "DEL" : "EXISTS"};
        size_t count = 0;
        for (const std::string& one : keys) {
            request.push_back(one);
            count += removes ? values_.erase(one) : values_.count(one);
        }
        expect(Kind::Count, ":" + std::to_string(count) + "\r\n", keys);
        return resp(request);
    }
    if (kind == 11) {
        counter_ += 1;
        expect(Kind::Number, ":" + std::to_string(counter_) + "\r\n");
        return resp({"INCR", name_ + ":counter"});
    }
    if (kind == 12 && prng.below(3) == 0) return hello(prng.below(2) == 0);
    if (kind == 12) {
        expect(Kind::Exact, "-ERR wrong number of arguments for 'get' command\r\n");
        return resp({"GET", key, key});
    }
    const std::string text = name_ + " says " + std::to_string(prng.below(1000));
    expect(Kind::Exact, bulk(text));
    return resp({"ECHO", text});
}

std::string Talker::speak_memcached(Prng& prng) {
    const std::string key = some_key(prng);
    const uint64_t kind = prng.below(10);
    if (kind < 4) {
        std::vector<std::string> keys(kind < 3 ? 1 : 1 + prng.below(6));
        const bool cas = prng.below(6) == 0;
        std::string line = cas ? "gets" : "get";
        std::string exact;
        for (std::string& one : keys) {
            one = some_key(prng);
            line += " " + one;
            const auto found = values_.find(one);
            if (found == values_.end()) continue;
            exact += "VALUE " + one + " 0 " + std::to_string(found->second.size()) +
                     (cas ? " 7\r\n" : "\r\n") + found->second + "\r\n";
        }
        expect(Kind::Values, exact + "END\r\n", keys);
        return line + "\r\n";
    }
    if (kind < 7) {
        const bool noreply = prng.below(3) == 0;
        const std::string value = new_value(key, prng);
        if (!noreply) expect(Kind::Word, "STORED\r\n");
        return "set " + key + " 0 0 " + std::to_string(value.size()) +
               (noreply ? " noreply\r\n" : "\r\n") + value + "\r\n";
    }
    if (kind == 7) {
        expect(Kind::Word, values_.erase(key) > 0 ? "DELETED\r\n" : "NOT_FOUND\r\n");
        return "delete " + key + "\r\n";
    }
    if (kind == 8) {
        expect(Kind::Number, "NOT_FOUND\r\n");
        return "incr " + name_ + ":counter 1\r\n";
    }
    expect(Kind::Exact, "MN\r\n");
    return "mn\r\n";
}

std::string Talker::listen(std::string& heard, bool calm) {
    while (!heard.empty()) {
        if (expected_.empty()) {
            // A request without a reply may be cut by the end of memory, too.
            constexpr std::string_view last_words =
                "SERVER_ERROR ringmain: out of buffer memory for a request; see buffer_memory\r\n";
            if (!calm && memcached_ && last_words.starts_with(heard)) return {};
            return "nothing was to come, but: " + heard.substr(0, 200);
        }
        const Expected& next = expected_.front();
        std::vector<std::string> values;
        const size_t size = memcached_ ? memcached_size(heard, values) : resp_size(heard, values);
        if (size == 0) return {};
        const std::string_view answer = std::string_view(heard).substr(0, size);
        const bool right =
            answer == next.exact || (!calm && fits(next, answer, values, memcached_));
        if (!right) {
            return "expected " + next.exact.substr(0, 200) + " but heard " +
                   std::string(answer.substr(0, 200));
        }
        expected_.pop_front();
        heard.erase(0, size);
    }
    return {};
}

}  // namespace ringmain::test
