#include "step_requests.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/base/siphash.h"
#include "ringmain/buffer/cursor.h"
#include "ringmain/resp/response_parser.h"
#include "ringmain/resp/writer.h"

#include <algorithm>

namespace ringmain::core {

namespace {

// The moment at which it expires, and not the time left, of which each step would take some. Lua's
// numbers hold one exactly up to 2^53, in the year 287396: what is beyond is that. Before 7.0 a
// server has no PEXPIRETIME.
// The value last: it is then the end of the answer, as the bulk string that carries it on.
constexpr std::string_view fetch_script =
    "local t=redis.pcall('PEXPIRETIME',KEYS[1]) "
    "if type(t)=='table' then "
    "local n=redis.call('TIME') "
    "t=redis.call('PTTL',KEYS[1]) "
    "if t>=0 then t=t+n[1]*1000+math.floor(n[2]/1000) end "
    "end "
    "return{math.min(t,2^53),redis.call('DUMP',KEYS[1])}";

// All or nothing: when a value cannot be restored (no memory, a version that is too new) the
// command does not run, and nothing is left of the others. One that has expired by now is none. Its
// answer is in an array, which tells an error of the client's own from one about EVAL or RESTORE.
constexpr std::string_view carry_script =
    "local n=#KEYS "
    "for i=1,n do "
    "local r=redis.pcall('RESTORE',KEYS[i],ARGV[2*i-1],ARGV[2*i],'ABSTTL') "
    "if r.err then for j=1,i-1 do redis.call('DEL',KEYS[j]) end return r end "
    "end "
    "local r=redis.pcall(unpack(ARGV,2*n+1)) "
    "for i=1,n do redis.call('DEL',KEYS[i]) end "
    "return{r}";

// The mark first: SADD of a member that is there changes nothing that could be watched.
constexpr std::string_view add_script =
    "local r=redis.pcall('SET',KEYS[2],'') "
    "if r.err then return r end "
    "redis.call('DEL',KEYS[2]) "
    "return redis.pcall('SADD',KEYS[1],ARGV[1])";

std::string upper_name(const Command& command) {
    std::string name(command.name);
    std::ranges::transform(name, name.begin(), ascii::upper);
    return name;
}

// To the end of its line.
std::optional<int64_t> take_number(Cursor& cursor) {
    constexpr size_t digits_max = 20;
    std::string text;
    while (!cursor.at_end()) {
        const char byte = cursor.take_byte();
        if (byte == '\r') {
            if (!cursor.at_end()) cursor.skip(1);
            return ascii::parse_int64(text);
        }
        text += byte;
        if (text.size() > digits_max) break;
    }
    return std::nullopt;
}

bool takes(Cursor& cursor, std::string_view text) {
    return std::ranges::all_of(
        text, [&cursor](char byte) { return !cursor.at_end() && cursor.take_byte() == byte; });
}

}  // namespace

std::string request_text(std::initializer_list<std::string_view> words) {
    std::string text;
    resp::write_request(text, words);
    return text;
}

std::string fetch_text(std::string_view key) {
    return request_text({"EVAL", fetch_script, "1", key});
}

bool is_error(const Chain& answer) {
    return !answer.empty() && resp::is_error_type(*answer.front().data());
}

std::string line_of(const Chain& answer) {
    std::string text = answer.to_string();
    text.resize(std::min(text.find('\r'), text.size()));
    return text;
}

bool is_flag(std::string_view line) {
    return line == ":0" || line == ":1";
}

bool is_null(std::string_view line) {
    return line == "*-1" || line == "$-1" || line == "_";
}

bool take_only_element(Chain& answer) {
    const std::string line = line_of(answer);
    if (line != "*1") return false;
    answer.pop_front(static_cast<uint32_t>(line.size() + 2));
    return true;
}

std::optional<Fetched> read_fetched(const Chain& answer) {
    Cursor cursor(answer);
    if (!takes(cursor, "*2\r\n:")) return std::nullopt;
    const std::optional<int64_t> expires_at = take_number(cursor);
    if (!expires_at.has_value() || cursor.at_end()) return std::nullopt;
    Fetched fetched = {.dump_offset = cursor.position()};
    const char type = cursor.take_byte();
    if (type == '_') return fetched;
    if (type != '$' || cursor.at_end()) return std::nullopt;
    fetched.exists = cursor.take_byte() != '-';
    // To RESTORE 0 is never.
    fetched.expires_at_ms = *expires_at < 0 ? 0 : std::max<int64_t>(*expires_at, 1);
    return fetched;
}

std::string carry_head(size_t value_count, size_t word_count) {
    std::string text;
    resp::write_array_header(text, 3 + 3 * value_count + word_count);
    resp::write_bulk(text, "EVAL");
    resp::write_bulk(text, carry_script);
    resp::write_bulk(text, std::to_string(value_count));
    return text;
}

std::string carry_value_head(int64_t expires_at_ms) {
    std::string text;
    resp::write_bulk(text, std::to_string(expires_at_ms));
    return text;
}

std::string remove_text(std::initializer_list<std::string_view> words) {
    std::string text;
    resp::write_request(text, {"MULTI"});
    resp::write_request(text, words);
    resp::write_request(text, {"EXEC"});
    return text;
}

// With the set's beginning, as the names of what is carried. Two members with one mark only move
// again what they need not.
std::string mark_of(std::string_view key, std::string_view member) {
    return std::string(key) + ":ringmain:" + std::to_string(siphash13({}, member));
}

std::string add_text(std::string_view key, std::string_view member) {
    return request_text({"EVAL", add_script, "2", key, mark_of(key, member), member});
}

std::string watch_text(std::string_view key) {
    std::string text;
    resp::write_request(text, {"MULTI"});
    resp::write_request(text, {"DISCARD"});
    resp::write_request(text, {"WATCH", key});
    return text;
}

std::string wait_text(std::string_view replicas, std::string_view timeout) {
    std::string text;
    resp::write_request(text, {"PUBLISH", wait_channel, ""});
    resp::write_request(text, {"WAIT", replicas, timeout});
    return text;
}

std::string question_text(const Steps& steps) {
    const std::string name = upper_name(*steps.command);
    const std::string end = ", which " + name + " over several servers needs";
    switch (steps.phase) {
        case Steps::Phase::Fetch:
            return "EVAL of PEXPIRETIME and DUMP" + end;
        case Steps::Phase::Carry:
            return "EVAL of RESTORE and " + name + end;
        case Steps::Phase::Look:
        case Steps::Phase::LookAgain:
        case Steps::Phase::LookThere:
            return "SISMEMBER" + end;
        case Steps::Phase::LookForSource:
            return "EXISTS" + end;
        case Steps::Phase::Add:
            return "EVAL of SET and SADD" + end;
        case Steps::Phase::Remove:
            return (steps.command->crossing == Crossing::Moved ? "SREM" : "UNLINK") + end;
        case Steps::Phase::Wait:
            break;
    }
    RM_ASSERT(false);
}

std::string state_text(const Steps& steps) {
    const std::string name = "'" + upper_name(*steps.command) + "' ";
    // The destination's server has said so.
    const bool is_written = steps.attempts > 1 || !steps.answer.empty();
    switch (steps.phase) {
        case Steps::Phase::Fetch:
            return name + (is_written ? "has written the destination; the source is there"
                                      : "has changed nothing");
        case Steps::Phase::Carry:
            return name + (is_written ? "has written the destination; the source is there"
                                      : "may have written the destination; the sources are "
                                        "as they were");
        case Steps::Phase::LookAgain:
            return name + (is_written ? "has added the member to the destination; the source may "
                                        "have it"
                                      : "has changed nothing");
        case Steps::Phase::Look:
        case Steps::Phase::LookForSource:
        case Steps::Phase::LookThere:
            return name + "has changed nothing";
        case Steps::Phase::Add:
            return name + "may have added the member to the destination; the source has it";
        case Steps::Phase::Remove:
            return name + "has written the destination, and may have removed the source";
        case Steps::Phase::Wait:
            return name + "asks all servers of the pool";
    }
    RM_ASSERT(false);
}

}  // namespace ringmain::core
