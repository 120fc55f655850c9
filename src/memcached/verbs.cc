#include "verbs.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "answers.h"

namespace ringmain::memcached {

namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, static_cast<size_t>(Verb::Invalid)> words = {
    "get",  "gets", "gat",  "gats",  "set",    "add",       "replace",   "append", "prepend",
    "cas",  "incr", "decr", "touch", "delete", "flush_all", "verbosity", "stats",  "version",
    "quit", "mg",   "ms",   "md",    "ma",     "me",        "mn",
};

static_assert(words[static_cast<size_t>(Verb::MetaNoop)] == "mn");
static_assert(words[static_cast<size_t>(Verb::Quit)] == "quit");
static_assert(words[static_cast<size_t>(Verb::Cas)] == "cas");

Verb meta_verb_of(char letter) {
    switch (letter) {
        case 'g':
            return Verb::MetaGet;
        case 's':
            return Verb::MetaSet;
        case 'd':
            return Verb::MetaDelete;
        case 'a':
            return Verb::MetaArithmetic;
        case 'e':
            return Verb::MetaDebug;
        case 'n':
            return Verb::MetaNoop;
        default:
            return Verb::Invalid;
    }
}

struct Refusal {
    std::string_view word;
    std::string_view answer;
};

constexpr std::array<Refusal, 8> refusals = {{
    {"watch",
     "CLIENT_ERROR ringmain: 'watch' is not supported: it takes over the whole connection\r\n"},
    {"lru_crawler",
     "CLIENT_ERROR ringmain: 'lru_crawler' is not supported: ask each server itself\r\n"},
    {"slabs", "CLIENT_ERROR ringmain: 'slabs' is not supported: ask each server itself\r\n"},
    {"lru", "CLIENT_ERROR ringmain: 'lru' is not supported: ask each server itself\r\n"},
    {"cache_memlimit",
     "CLIENT_ERROR ringmain: 'cache_memlimit' is not supported: ask each server itself\r\n"},
    {"extstore", "CLIENT_ERROR ringmain: 'extstore' is not supported: ask each server itself\r\n"},
    {"refresh_certs",
     "CLIENT_ERROR ringmain: 'refresh_certs' is not supported: ask each server itself\r\n"},
    {"shutdown",
     "CLIENT_ERROR ringmain: 'shutdown' is not supported: it would stop a server for all\r\n"},
}};

}  // namespace

Verb verb_of(std::string_view word) {
    switch (word.size()) {
        case 2:
            return word[0] == 'm' ? meta_verb_of(word[1]) : Verb::Invalid;
        case 3:
            if (ascii::is(word, "get")) return Verb::Get;
            if (ascii::is(word, "set")) return Verb::Set;
            if (ascii::is(word, "add")) return Verb::Add;
            if (ascii::is(word, "cas")) return Verb::Cas;
            if (ascii::is(word, "gat")) return Verb::Gat;
            return Verb::Invalid;
        case 4:
            if (ascii::is(word, "gets")) return Verb::Gets;
            if (ascii::is(word, "incr")) return Verb::Incr;
            if (ascii::is(word, "decr")) return Verb::Decr;
            if (ascii::is(word, "gats")) return Verb::Gats;
            if (ascii::is(word, "quit")) return Verb::Quit;
            return Verb::Invalid;
        default:
            break;
    }
    const auto* found = std::find(words.begin(), words.end(), word);
    return static_cast<Verb>(found - words.begin());
}

std::string_view word_of(Verb verb) {
    return verb == Verb::Invalid ? std::string_view{} : words[static_cast<size_t>(verb)];
}

std::string_view refusal_of(std::string_view word) {
    for (const Refusal& refusal : refusals) {
        if (refusal.word == word) return refusal.answer;
    }
    return answers::error;
}

}  // namespace ringmain::memcached
