#include "ringmain/config/reload.h"

#include "ringmain/base/places.h"
#include "ringmain/config/options.h"

#include <algorithm>

namespace ringmain::config {

namespace {

// An option's table of functions takes something to write to; it is only read here.
Target target_of(Config& config) {
    return {.proxy = &config.proxy, .stats = &config.stats, .admin = &config.admin};
}

bool is_same(const Value& a, const Value& b) {
    return a.number == b.number && a.text == b.text && a.texts == b.texts && a.address == b.address;
}

bool is_same(const Server& a, const Server& b) {
    return a.address == b.address && a.weight == b.weight && a.ring_name == b.ring_name;
}

bool has_same_credentials(const Server& a, const Server& b) {
    return a.user == b.user && a.password == b.password;
}

// Names of the options that differ, then the servers.
std::string difference(const Pool& running, const Pool& next) {
    Pool a = running;
    Pool b = next;
    std::string text;
    const auto add = [&text](std::string_view what) {
        text.append(text.empty() ? "" : ", ").append(what);
    };
    for (const Option& option : options(Section::Pool)) {
        if (option.fetch == nullptr) continue;
        // Where the protocol changes, what only redis has is not what the file says.
        if (option.redis_only && running.protocol != next.protocol) continue;
        if (!is_same(option.fetch({.pool = &a}), option.fetch({.pool = &b}))) add(option.name);
    }
    if (running.users != next.users) add("users");
    const auto same = [](const Server& x, const Server& y) { return is_same(x, y); };
    if (!std::ranges::equal(running.servers, next.servers, same)) {
        add("servers (" + std::to_string(next.servers.size()) + ", were " +
            std::to_string(running.servers.size()) + ")");
    } else if (!std::ranges::equal(running.servers, next.servers, has_same_credentials)) {
        add("user or password of servers");
    }
    return text;
}

}  // namespace

std::vector<std::string> keep_fixed(const Config& running, Config& next) {
    Config current = running;
    std::vector<std::string> kept;
    for (const Section section : {Section::Proxy, Section::Stats, Section::Admin}) {
        for (const Option& option : options(section)) {
            if (!option.fixed) continue;
            const Value now = option.fetch(target_of(current));
            if (is_same(now, option.fetch(target_of(next)))) continue;
            kept.push_back(std::string(title_of(section)) + " " + std::string(option.name));
            option.store(target_of(next), now);
        }
    }
    return kept;
}

std::vector<std::string> changes(const Config& running, const Config& next) {
    std::vector<std::string> lines;
    Config before = running;
    Config after = next;
    for (const Section section : {Section::Proxy, Section::Stats, Section::Admin}) {
        std::string names;
        for (const Option& option : options(section)) {
            if (is_same(option.fetch(target_of(before)), option.fetch(target_of(after)))) continue;
            names.append(names.empty() ? "" : ", ").append(option.name);
        }
        if (names.empty()) continue;
        lines.push_back(std::string(title_of(section)) + " changed: " + names);
    }
    const auto old_places = places_by(running.pools, &Pool::name);
    for (const Pool& pool : next.pools) {
        const auto old = old_places.find(pool.name);
        if (old == old_places.end()) {
            lines.push_back("pool " + pool.name + ": added");
            continue;
        }
        const std::string text = difference(running.pools[old->second], pool);
        if (!text.empty()) lines.push_back("pool " + pool.name + ": changed: " + text);
    }
    const auto places = places_by(next.pools, &Pool::name);
    for (const Pool& pool : running.pools) {
        if (!places.contains(pool.name)) lines.push_back("pool " + pool.name + ": removed");
    }
    return lines;
}

}  // namespace ringmain::config
