// What a user may not do (core/user.h) gets redis's error, and no server hears of it.

#include "ringmain/base/assert.h"
#include "ringmain/resp/commands.h"

#include <algorithm>

#include "resp_front.h"

namespace ringmain::core {

namespace {

constexpr std::string_view no_key =
    "-NOPERM this user has no permissions to access one of the keys used as arguments";
constexpr std::string_view no_channel =
    "-NOPERM this user has no permissions to access one of the channels used as arguments";

std::string no_command(const Command& row) {
    return "-NOPERM this user has no permissions to run the '" + std::string(row.name) +
           "' command";
}

bool is_any_of(const Command& row, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, row.name) != names.end();
}

}  // namespace

std::string why_forbidden(const User& user, const Command& command, std::string_view key) {
    if (!user.may_run(command, command)) return no_command(command);
    if (user.may_use(key)) return "";
    return std::string((command.acl & acl_category::pubsub) != 0 ? no_channel : no_key);
}

// Empty: nothing does.
std::string RespFront::why_forbidden(const Command& container, const Command& row) {
    const User& user = *client_.user;
    if (!user.may_run(container, row)) return no_command(row);
    if (user.has_all_keys()) return "";
    switch (reach_of(row)) {
        case Reach::Within:
            return "";
        case Reach::OtherKey:
            return std::string(no_key);
        case Reach::OtherChannel:
            return std::string(no_channel);
        case Reach::Anything:
            return "-NOPERM ringmain: '" + upper_case(row.name) +
                   "' looks beyond the keys of this user (keys in users)";
    }
    RM_ASSERT(false);
}

// Whoever may not end a transaction has none any more, as redis has it.
Taken RespFront::forbid(const Command& row, std::string why) {
    if (row.id == CommandId::Exec) return refuse_exec(why.substr(1));
    error(why.append("\r\n"));
    return Taken::Yes;
}

// A longer name is refused behind this.
bool RespFront::may_use(ByteRange name, std::string& scratch, ChainPlace& place) const {
    const auto size_max = static_cast<uint32_t>(pool_.options->key_size_max);
    return client_.user->may_use(bytes_.view(name.first(size_max), scratch, place));
}

bool RespFront::may_use_arguments(uint32_t first, uint32_t end) {
    const std::span<const ByteRange> all = arguments();
    ChainPlace place;
    return std::ranges::all_of(all.subspan(first, end - first), [&](ByteRange range) {
        return may_use(range, proxy_.scratch().text, place);
    });
}

// Of a user that has some keys only.
RespFront::Reach RespFront::reach_of(const Command& row) {
    if (row.name.ends_with("|help")) return Reach::Within;  // whatever is said of its container
    constexpr uint32_t looks_elsewhere = acl_category::scripting | acl_category::admin;
    if ((row.acl & looks_elsewhere) != 0) return Reach::Anything;
    if ((row.acl & acl_category::pubsub) != 0) return reach_of_channels(row);
    if (resp::has_patterns(row) && reads_other_keys()) return Reach::Anything;

    Scratch& scratch = proxy_.scratch();
    scratch.keys.clear();
    const std::span<const ByteRange> all = arguments();
    if (resp::find_keys(row, bytes_, all, scratch.text, scratch.keys) != resp::KeySearch::Found) {
        // KEYS, DBSIZE and the like are about everybody's keys.
        const bool is_about_all =
            (row.acl & acl_category::keyspace) != 0 || row.handling == Handling::Gather;
        return is_about_all ? Reach::Anything : Reach::Within;
    }
    std::string text;
    ChainPlace place;
    const bool may = std::ranges::all_of(
        scratch.keys, [&](uint32_t key) { return may_use(all[key], text, place); });
    return may ? Reach::Within : Reach::OtherKey;
}

// A channel is a name as a key is; a pattern may be anybody's.
RespFront::Reach RespFront::reach_of_channels(const Command& row) {
    const bool subscribes = is_any_of(row, {"subscribe", "ssubscribe"});
    if (subscribes || is_any_of(row, {"publish", "spublish"})) {
        const bool may = may_use_arguments(1, subscribes ? frame_.argument_count : 2);
        return may ? Reach::Within : Reach::OtherChannel;
    }
    const bool leaves = is_any_of(row, {"unsubscribe", "sunsubscribe", "punsubscribe"});
    return leaves ? Reach::Within : Reach::Anything;
}

// SORT ... BY weight_*, GET data_*: keys that may live anywhere.
bool RespFront::reads_other_keys() {
    std::vector<uint32_t> patterns;
    resp::find_patterns(bytes_, arguments(), proxy_.scratch().text, patterns);
    return !patterns.empty();
}

}  // namespace ringmain::core
