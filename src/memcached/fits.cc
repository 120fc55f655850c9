// Which response may answer which request, and which of them a silent client still gets.

#include "ringmain/memcached/forward.h"

namespace ringmain::memcached {

namespace {

constexpr uint16_t code(char first, char second) {
    return static_cast<uint16_t>(static_cast<unsigned char>(first) << 8 |
                                 static_cast<unsigned char>(second));
}

// The words of classic responses are told apart by their first letters and their size.
struct Word {
    uint16_t code;
    uint16_t size;
};

constexpr Word stored = {code('S', 'T'), 6};
constexpr Word not_stored = {code('N', 'O'), 10};
constexpr Word exists = {code('E', 'X'), 6};
constexpr Word not_found = {code('N', 'O'), 9};
constexpr Word touched = {code('T', 'O'), 7};
constexpr Word deleted = {code('D', 'E'), 7};
constexpr Word ok = {code('O', 'K'), 2};
constexpr Word reset = {code('R', 'E'), 5};
constexpr Word version = {code('V', 'E'), 7};

bool begins_with(const ResponseFrame& response, Word word) {
    return response.kind == ResponseKind::Line && response.code == word.code &&
           response.word_size == word.size;
}

// The word and nothing else.
bool is(const ResponseFrame& response, Word word) {
    constexpr uint32_t line_end_size = 2;
    return begins_with(response, word) && response.size == word.size + line_end_size;
}

// A meta response: a code of two letters, then flags.
bool has_code(const ResponseFrame& response, char first, char second) {
    return begins_with(response, {code(first, second), 2});
}

// Before 1.6.10, and with an option up to 1.6.17, it is OK.
bool is_done(const ResponseFrame& response) {
    return has_code(response, 'H', 'D') || has_code(response, 'O', 'K');
}

bool is_number(const ResponseFrame& response) {
    const int first = response.code >> 8;
    return response.kind == ResponseKind::Line && first >= '0' && first <= '9';
}

bool is_stats(const ResponseFrame& response) {
    if (response.kind == ResponseKind::Stats) return true;
    if (is(response, reset) || is(response, ok)) return true;
    return response.kind == ResponseKind::Values && response.value_count == 0;
}

// Behind values or figures it answers what may have those.
bool fits_error(Verb verb, const ResponseFrame& error) {
    if (error.behind == ResponseKind::Values) return is_get(verb);
    if (error.behind == ResponseKind::Stats) return verb == Verb::Stats;
    return verb != Verb::Invalid && verb != Verb::Quit;
}

}  // namespace

bool fits(Verb verb, const ResponseFrame& response) {
    if (response.kind == ResponseKind::Error) return fits_error(verb, response);
    switch (verb) {
        case Verb::Get:
        case Verb::Gets:
        case Verb::Gat:
        case Verb::Gats:
            return response.kind == ResponseKind::Values;
        case Verb::Set:
        case Verb::Add:
        case Verb::Replace:
        case Verb::Append:
        case Verb::Prepend:
            return is(response, stored) || is(response, not_stored);
        case Verb::Cas:
            return is(response, stored) || is(response, exists) || is(response, not_found) ||
                   is(response, not_stored);
        case Verb::Incr:
        case Verb::Decr:
            return is_number(response) || is(response, not_found);
        case Verb::Touch:
            return is(response, touched) || is(response, not_found);
        case Verb::Delete:
            return is(response, deleted) || is(response, not_found);
        case Verb::FlushAll:
        case Verb::Verbosity:
            return is(response, ok);
        case Verb::Stats:
            return is_stats(response);
        case Verb::Version:
            return begins_with(response, version);
        case Verb::MetaGet:
            return response.kind == ResponseKind::MetaValue || is_done(response) ||
                   has_code(response, 'E', 'N');
        case Verb::MetaSet:
            return is_done(response) || has_code(response, 'N', 'S') ||
                   has_code(response, 'E', 'X') || has_code(response, 'N', 'F');
        case Verb::MetaDelete:
            return is_done(response) || has_code(response, 'N', 'F') ||
                   has_code(response, 'E', 'X');
        case Verb::MetaArithmetic:
            return response.kind == ResponseKind::MetaValue || is_done(response) ||
                   has_code(response, 'N', 'F') || has_code(response, 'E', 'X') ||
                   has_code(response, 'N', 'S');
        case Verb::MetaDebug:
            return has_code(response, 'M', 'E') || has_code(response, 'E', 'N');
        case Verb::MetaNoop:
            return has_code(response, 'M', 'N');
        case Verb::Quit:
        case Verb::Invalid:
            return false;
    }
    return false;
}

bool is_word(const ResponseFrame& response, std::string_view word) {
    return is(response, {code(word[0], word[1]), static_cast<uint16_t>(word.size())});
}

bool is_before_data(Verb verb, const ResponseFrame& error) {
    constexpr uint32_t bare_size = 7;  // "ERROR\r\n"
    return is_update(verb) && (error.size == bare_size || error.code == code('C', 'L'));
}

bool is_shown(const RequestFrame& frame, const ResponseFrame& response) {
    return is_shown(frame.verb, frame.noreply, frame.quiet, response);
}

bool is_shown(Verb verb, bool noreply, bool quiet, const ResponseFrame& response) {
    // "noreply" silences errors, too.
    if (noreply) return false;
    if (!quiet) return true;
    // q silences what a client expects anyway: a miss when it reads, success when it writes.
    if (verb == Verb::MetaGet) return !has_code(response, 'E', 'N');
    if (verb == Verb::MetaSet || verb == Verb::MetaDelete) return !is_done(response);
    if (verb == Verb::MetaArithmetic) {
        return response.kind != ResponseKind::MetaValue && !is_done(response);
    }
    return true;
}

}  // namespace ringmain::memcached
