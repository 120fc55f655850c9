#include "tests/sim/ledger.h"

#include "ringmain/base/prng.h"
#include "tests/sim/answers.h"

#include <algorithm>

namespace ringmain::sim {

std::string value_text(std::string_view key, Tag tag) {
    std::string text(key);
    text += "=" + std::to_string(tag) + ";";
    Prng prng(tag);
    const uint64_t kind = prng.below(200);
    size_t filler = prng.below(40);
    if (kind < 8) filler = 3000 + prng.below(30'000);
    if (kind >= 8 && kind < 18) filler = 1900 + prng.below(300);
    if (kind == 18) filler = 60'000 + prng.below(80'000);
    if (tag >= large_tags && kind >= 20 && kind < 100) filler = 4'000 + prng.below(60'000);
    text.append(filler, static_cast<char>('a' + tag % 26));
    return text;
}

Tag tag_of(std::string_view key, std::string_view value) {
    if (!value.starts_with(key) || value.size() < key.size() + 3) return 0;
    if (value[key.size()] != '=') return 0;
    const size_t begin = key.size() + 1;
    const size_t end = value.find(';', begin);
    if (end == std::string_view::npos) return 0;
    const auto number = number_in(value.substr(begin, end - begin));
    if (!number.has_value() || *number <= 0) return 0;
    const auto tag = static_cast<Tag>(*number);
    return value_text(key, tag) == value ? tag : 0;
}

Tag tag_in(std::string_view value) {
    const size_t end = value.find('=');
    return end == std::string_view::npos ? 0 : tag_of(value.substr(0, end), value);
}

std::string member_name(std::string_view key, Tag member) {
    return std::string(key) + "/" + std::to_string(member);
}

Tag Ledger::new_write(std::string_view key, uint64_t client, Instant now) {
    writes_.push_back({.key = std::string(key), .client = client, .asked = now});
    return first_ + writes_.size() - 1;
}

std::string Ledger::on_set(uint32_t server,
                           std::string_view key,
                           std::string_view value,
                           Instant now,
                           std::map<uint64_t, Tag>& last) {
    const Tag tag = tag_of(key, value);
    const bool is_known = tag >= first_ && tag - first_ < writes_.size();
    if (!is_known || write(tag).key != key) {
        return "a value that nobody wrote to " + std::string(key) + ": " +
               std::string(value.substr(0, 60));
    }
    Write& entry = writes_[tag - first_];
    if (entry.is_cut) {
        return "write " + std::to_string(tag) + " to " + entry.key + " without its end";
    }
    if (entry.ran != Instant::never()) {
        return "write " + std::to_string(tag) + " to " + entry.key + " comes twice";
    }
    Tag& before = last[entry.client];
    if (before > tag) {
        return "write " + std::to_string(tag) + " to " + entry.key + " comes behind write " +
               std::to_string(before) + " of the same client";
    }
    before = tag;
    entry.ran = now;
    entry.server = server;
    enter(server, key, {.at = now, .tag = tag});
    return {};
}

void Ledger::on_delete(uint32_t server, std::string_view key, Instant now) {
    enter(server, key, {.at = now, .tag = 0});
}

void Ledger::on_move(uint32_t server, std::string_view key, Tag tag, Instant now) {
    enter(server, key, {.at = now, .tag = tag});
}

void Ledger::on_data(uint32_t server, const std::map<std::string, std::string>& data, Instant now) {
    for (auto& [key, entries] : servers_[server]) {
        const auto found = data.find(key);
        const Tag tag = found == data.end() ? 0 : tag_in(found->second);
        if (entries.back().tag != tag) entries.push_back({.at = now, .tag = tag});
    }
}

void Ledger::enter(uint32_t server, std::string_view key, Entry entry) {
    History& history = servers_[server];
    auto found = history.find(key);
    if (found == history.end()) found = history.emplace(std::string(key), 0).first;
    found->second.push_back(entry);
}

// Of the states that overlap with the span, the one before the first entry included.
template <class Fits>
bool Ledger::any_entry(uint32_t server, std::string_view key, Span span, Fits fits) const {
    const auto found = servers_[server].find(key);
    if (found == servers_[server].end()) return fits(Tag{0});
    const std::vector<Entry>& entries = found->second;
    // A state ends when the next begins.
    for (size_t i = entries.size(); i-- > 0;) {
        if (entries[i].at <= span.to && fits(entries[i].tag)) return true;
        if (entries[i].at < span.from) return false;
    }
    return fits(Tag{0});
}

bool Ledger::was_written(uint32_t server, std::string_view key, Span span) const {
    const auto found = servers_[server].find(key);
    if (found == servers_[server].end()) return false;
    return std::ranges::any_of(found->second, [span](const Entry& entry) {
        return entry.tag != 0 && entry.at >= span.from && entry.at <= span.to;
    });
}

bool Ledger::held(uint32_t server, std::string_view key, Tag tag, Span span) const {
    return any_entry(server, key, span, [tag](Tag held) { return held == tag; });
}

bool Ledger::may_be_present(uint32_t server, std::string_view key, Span span) const {
    return any_entry(server, key, span, [](Tag held) { return held != 0; });
}

}  // namespace ringmain::sim
