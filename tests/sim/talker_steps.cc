// Writes whose keys may live on several servers: the proxy does them in steps.
//
// Of its own keys a talker knows what becomes of them. Values ("s:kR1") and sets ("s:kS1") that are
// shared are carried to and fro by all at once: nobody knows where an element is, but it is
// somewhere (elements.h), and who is told that he has carried it has.

#include "tests/sim/faults.h"
#include "tests/sim/talker.h"
#include "tests/unit/core/wire.h"

#include <array>
#include <utility>

namespace ringmain::sim {

using test::resp;

using Kind = Expected::Kind;

namespace {

constexpr std::string_view no_key = "-ERR no such key\r\n";

// A lease, then at most three steps; and again when somebody changes the source.
constexpr uint32_t steps_own = 4;
constexpr uint32_t steps_shared = 3 * 16 + 1;

}  // namespace

std::string Talker::shared_key(char kind, uint64_t number) const {
    return std::string("s:k") + kind + std::to_string(number) + suffix();
}

Expected& Talker::expect_step(std::string_view name, std::vector<Use> uses) {
    Expected& expected = expect(Kind::Step, {});
    expected.name = name;
    expected.uses = std::move(uses);
    expected.silent += expected.uses[0].own >= 0 ? steps_own : steps_shared;
    return expected;
}

std::string Talker::speak_step(Prng& prng) {
    switch (prng.below(10)) {
        case 0:
        case 1:
        case 2:
            return speak_rename(prng, true);
        case 3:
        case 4:
            return speak_rename(prng, false);
        case 5:
            return speak_value(prng);
        case 6:
            return prng.below(2) == 0 ? speak_add(prng) : speak_union(prng);
        default:
            return speak_move(prng);
    }
}

// Of two values.
std::string Talker::speak_rename(Prng& prng, bool own) {
    static constexpr std::array<std::string_view, 4> names = {
        "RENAME", "RENAME", "RENAMENX", "COPY"};
    const std::string_view name = names[prng.below(names.size())];
    const uint64_t count = own ? slots - 1 : carried_values;
    const uint64_t first = prng.below(count);
    const std::array<uint64_t, 2> numbers = {first, (first + 1 + prng.below(count - 1)) % count};
    std::vector<Use> uses;
    for (const uint64_t number : numbers) {
        Use use = {.key = shared_key('R', number)};
        if (own) {
            use.own = own_key(number);
            use.key = keys_[static_cast<size_t>(use.own)].name;
        }
        uses.push_back(std::move(use));
    }
    const bool replaces = name == "COPY" && prng.below(2) == 0;
    std::vector<std::string> request = {std::string(name), uses[0].key, uses[1].key};
    if (replaces) request.emplace_back("REPLACE");
    Expected& expected = expect_step(name, uses);
    expected.replaces = replaces || name == "RENAME";
    if (own) foresee_rename(expected);
    return resp(request);
}

// What the answer is, and what is where then.
void Talker::foresee_rename(Expected& expected) {
    OwnKey& source = keys_[static_cast<size_t>(expected.uses[0].own)];
    OwnKey& destination = keys_[static_cast<size_t>(expected.uses[1].own)];
    const bool copies = expected.name == "COPY";
    expected.known = true;
    if (!source.value.has_value()) {
        expected.exact = copies ? ":0\r\n" : no_key;
        return;
    }
    if (destination.value.has_value() && !expected.replaces) {
        expected.exact = ":0\r\n";
        return;
    }
    expected.exact = expected.name == "RENAME" ? "+OK\r\n" : ":1\r\n";
    destination.value = source.value;
    if (!copies) source.value.reset();
}

// Written, or read.
std::string Talker::speak_value(Prng& prng) {
    const Use use = {.key = shared_key('R', prng.below(carried_values))};
    if (prng.below(2) == 0) {
        Expected& expected = expect(Kind::Values, {});
        expected.uses = {use};
        return resp({"GET", use.key});
    }
    Expected& expected = expect(Kind::Word, "+OK\r\n");
    expected.words = {"+OK\r\n"};
    expected.uses = {use};
    return resp({"SET", use.key, new_value(use, expected)});
}

std::string Talker::speak_add(Prng& prng) {
    const Use use = {.key = shared_key('S', prng.below(carried_sets))};
    Expected& expected = expect_step("SADD", {use});
    return resp({"SADD", use.key, new_value(use, expected)});
}

// A member that was seen somewhere lately, often with others at the same time.
std::string Talker::speak_move(Prng& prng) {
    // Mostly between two: to and fro.
    const uint64_t source = prng.below(2);
    const uint64_t destination = prng.below(8) == 0 ? carried_sets - 1 : 1 - source;
    const std::string from = shared_key('S', source);
    // Wherever it was then.
    const std::vector<Tag>& added = truth_->elements.added(shared_key('S', prng.below(2)));
    if (added.empty()) return speak_add(prng);
    Expected& expected =
        expect_step("SMOVE", {{.key = from}, {.key = shared_key('S', destination)}});
    expected.member = added[prng.below(added.size())];
    const std::string& origin = truth_->ledger.write(expected.member).key;
    return resp({"SMOVE", from, expected.uses[1].key, value_text(origin, expected.member)});
}

std::string Talker::speak_union(Prng& prng) {
    std::vector<Use> uses = {{.key = shared_key('U', prng.below(carried_sets))}};
    std::vector<std::string> request = {"SUNIONSTORE", uses[0].key};
    const uint64_t first = prng.below(carried_sets);
    for (uint64_t i = 0; i == 0 || (i < carried_sets && prng.below(2) == 0); ++i) {
        uses.push_back({.key = shared_key('S', (first + i) % carried_sets)});
        request.push_back(uses.back().key);
    }
    static_cast<void>(expect_step("SUNIONSTORE", uses));
    return resp(request);
}

// --- listening -----------------------------------------------------------------------------------

std::string Talker::judge_step(const Expected& next, std::string_view answer, Instant now) {
    const bool own = next.uses[0].own >= 0;
    if (next.known && all_known(next.uses)) {
        heard_.known += 1;
        if (answer == next.exact) return {};
        if (!is_error(answer) || answer == no_key) return "the answer is another";
    }
    if (is_error(answer) && answer != no_key) return judge_error(next, answer, now);
    if (own) {
        doubt(next);
        return {};
    }
    if (next.name == "SADD") return answer == ":1\r\n" ? acknowledge(next) : "it was new";
    if (next.name == "SMOVE") return judge_move(next, answer, now);
    if (next.name == "SUNIONSTORE") {
        const auto count = number_in(answer.substr(1, answer.size() - 3));
        const bool was =
            answer[0] == ':' && count.has_value() &&
            truth_->elements.was_stored(next.uses[0].key, *count, {.from = next.asked, .to = now});
        return was ? "" : "no server stored so many";
    }
    return judge_rename(next, answer, now);
}

std::string Talker::judge_rename(const Expected& next, std::string_view answer, Instant now) {
    const Ledger::Span span = {.from = next.asked, .to = now};
    const std::string& source = next.uses[0].key;
    const std::string& destination = next.uses[1].key;
    const bool copies = next.name == "COPY";
    const bool was_gone = any_server(source, span, [&](uint32_t server) {
        return truth_->ledger.held(server, source, 0, span);
    });
    if (answer == no_key) return was_gone && !copies ? "" : "the source was there all the time";
    if (answer == ":0\r\n") {
        const bool was_there = any_server(destination, span, [&](uint32_t server) {
            return truth_->ledger.may_be_present(server, destination, span);
        });
        if ((copies && was_gone) || (!next.replaces && was_there)) return {};
        return "nothing stood in its way";
    }
    if (answer != (next.name == "RENAME" ? "+OK\r\n" : ":1\r\n")) return "the answer is none";
    const bool was_written = any_server(destination, span, [&](uint32_t server) {
        return truth_->ledger.was_written(server, destination, span);
    });
    if (!was_written) return "the destination was not written";
    return copies || was_gone ? "" : "the source was there all the time";
}

std::string Talker::judge_move(const Expected& next, std::string_view answer, Instant now) {
    const Ledger::Span span = {.from = next.asked, .to = now};
    const std::string& source = next.uses[0].key;
    if (answer == ":1\r\n") {
        truth_->elements.note_added(next.uses[1].key, next.member);
        return truth_->elements.hear_moved(next.member, source) ? "" : "it was not moved";
    }
    if (answer != ":0\r\n") return "the answer is none";
    const std::string name = member_name(source, next.member);
    const bool was_gone = any_server(
        source, span, [&](uint32_t server) { return truth_->ledger.held(server, name, 0, span); });
    return was_gone ? "" : "the member was there all the time";
}

}  // namespace ringmain::sim
