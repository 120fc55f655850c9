#include "perf/lab/script.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace ringmain::lab {

namespace {

std::string key_text(uint32_t key) {
    char text[32];
    std::snprintf(text, sizeof text, "key:%010u", key);
    return text;
}

// The key's number again and again.
std::string value_text(uint32_t key, uint32_t size) {
    char text[32];
    const int length = std::snprintf(text, sizeof text, "%010u.", key);
    std::string value;
    value.reserve(size + static_cast<uint32_t>(length));
    while (value.size() < size)
        value += text;
    value.resize(size);
    return value;
}

std::string bulk(const std::string& text) {
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// What memcached answers for one key.
std::string value_block(uint32_t key, uint32_t size) {
    return "VALUE " + key_text(key) + " 0 " + std::to_string(size) + "\r\n" +
           value_text(key, size) + "\r\n";
}

constexpr std::string_view memcached_end = "END\r\n";

// The verb of one request of a script.
Verb verb_of(Verb script, uint32_t index) {
    if (script != Verb::Mixed) return script;
    return index % 10 == 9 ? Verb::Set : Verb::Get;
}

}  // namespace

void stop(const std::string& text) {
    std::fprintf(stderr, "loadgen: %s\n", text.c_str());
    std::exit(1);
}

Script::Script(const ScriptOptions& options) : options_(options) {
    const bool many = options.verb == Verb::Mget || options.verb == Verb::Mset;
    if (!many) options_.keys_per_request = 1;
    if (options_.keys_per_request == 0 || options_.keys < options_.keys_per_request) {
        stop("a request needs at least one key, and no more than there are");
    }
    if (options_.protocol == Protocol::Memcached && options_.verb == Verb::Mset) {
        stop("memcached has no command that sets several keys");
    }
    unordered_ = options_.protocol == Protocol::Memcached && options_.verb == Verb::Mget;

    const uint32_t cycle = std::max(options_.keys / options_.keys_per_request, 1U);
    const uint32_t count = std::max(cycle, options_.requests_min);
    const uint64_t size = uint64_t{count} * options_.keys_per_request * (options_.value_size + 40U);
    if (size > size_max) {
        stop("the script would take " + std::to_string(size >> 20) + " MiB, at most " +
             std::to_string(size_max >> 20) + ": fewer keys (--keys) or a shorter pipeline");
    }
    for (uint32_t i = 0; i < count; ++i) {
        const Verb verb = verb_of(options_.verb, i);
        if (options_.protocol == Protocol::Redis) {
            add_redis(verb, i);
        } else {
            add_memcached(verb, i);
        }
    }
}

void Script::add_redis(Verb verb, uint32_t request) {
    const uint32_t count = options_.keys_per_request;
    const bool sets = verb == Verb::Set || verb == Verb::Mset;
    std::string text = "*" + std::to_string(1 + count * (sets ? 2 : 1)) + "\r\n";
    std::string answer = sets ? "+OK\r\n" : "";
    if (verb == Verb::Mget) answer = "*" + std::to_string(count) + "\r\n";
    text += bulk(verb == Verb::Get ? "GET" : verb == Verb::Set ? "SET" : sets ? "MSET" : "MGET");
    for (uint32_t place = 0; place < count; ++place) {
        const uint32_t key = key_of(request, place);
        const std::string value = bulk(value_text(key, options_.value_size));
        text += bulk(key_text(key));
        (sets ? text : answer) += value;
    }
    requests_.add(text);
    answers_.add(answer);
}

void Script::add_memcached(Verb verb, uint32_t request) {
    const uint32_t size = options_.value_size;
    const uint32_t first = key_of(request, 0);
    if (verb == Verb::Set) {
        requests_.add("set " + key_text(first) + " 0 0 " + std::to_string(size) + "\r\n" +
                      value_text(first, size) + "\r\n");
        answers_.add("STORED\r\n");
        return;
    }
    std::string text = "get";
    std::string answer;
    for (uint32_t place = 0; place < options_.keys_per_request; ++place) {
        const uint32_t key = key_of(request, place);
        text += " " + key_text(key);
        answer += value_block(key, size);
    }
    requests_.add(text + "\r\n");
    answers_.add(answer + std::string(memcached_end));
}

bool Script::check_unordered(uint32_t index, std::string_view answer) const {
    const std::string_view right =
        answers_.bytes().substr(answers_.begin(index), answers_.end(index) - answers_.begin(index));
    if (answer == right) return true;
    if (answer.size() != right.size() || !answer.ends_with(memcached_end)) return false;

    // All blocks have the same length: the answer must have each of the right ones, once.
    const uint32_t count = options_.keys_per_request;
    const size_t block = (right.size() - memcached_end.size()) / count;
    const auto blocks_of = [&](std::string_view text) {
        std::vector<std::string_view> blocks;
        blocks.reserve(count);
        for (uint32_t i = 0; i < count; ++i)
            blocks.push_back(text.substr(i * block, block));
        std::sort(blocks.begin(), blocks.end());
        return blocks;
    };
    return blocks_of(answer) == blocks_of(right);
}

}  // namespace ringmain::lab
