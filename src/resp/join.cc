#include "ringmain/resp/join.h"

#include "ringmain/base/ascii.h"
#include "ringmain/resp/reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "read_header.h"

namespace ringmain::resp {

namespace {

// One number of all, which are integers. `number` is the neutral start of `better`: INT64_MAX for
// min.
bool join_numbers(Parts parts, int64_t number, auto better, std::string& out) {
    for (const std::string_view part : parts) {
        const std::optional<Value> value = Reader(part).next();
        if (!value.has_value() || value->type != ':') return false;
        number = better(number, value->number);
    }
    write_integer(out, number);
    return true;
}

}  // namespace

bool join_smallest(Parts parts, std::string& out) {
    return join_numbers(parts, INT64_MAX, std::ranges::min, out);
}

bool join_largest(Parts parts, std::string& out) {
    return join_numbers(parts, INT64_MIN, std::ranges::max, out);
}

bool join_counts(Parts parts, std::span<const uint16_t> owners, std::string& out) {
    std::vector<Reader> readers;
    for (size_t i = 0; i < parts.size(); ++i) {
        const auto own = std::ranges::count(owners, static_cast<uint16_t>(i));
        readers.emplace_back(parts[i]);
        const std::optional<Value> head = readers.back().next();
        if (!head.has_value() || head->type != '*' || head->number != 2 * own) return false;
    }
    std::string pairs;
    for (const uint16_t owner : owners) {
        const std::string_view name = readers[owner].next_whole();
        const std::string_view count = readers[owner].next_whole();
        if (!name.starts_with('$') || !count.starts_with(':')) return false;
        pairs.append(name).append(count);
    }
    write_array_header(out, 2 * owners.size());
    out += pairs;
    return true;
}

bool join_and(Parts parts, std::string& out) {
    std::vector<bool> all;
    for (const std::string_view part : parts) {
        Reader reader(part);
        const std::optional<Value> head = reader.next();
        if (!head.has_value() || head->type != '*' || head->number < 0) return false;
        const auto count = static_cast<size_t>(head->number);
        if (part.data() == parts[0].data()) all.assign(count, true);
        if (all.size() != count) return false;
        for (size_t i = 0; i < count; ++i) {
            const std::optional<Value> value = reader.next();
            if (!value.has_value() || value->type != ':') return false;
            all[i] = all[i] && value->number != 0;
        }
    }
    write_array_header(out, all.size());
    for (const bool one : all) {
        write_integer(out, one ? 1 : 0);
    }
    return true;
}

namespace {

struct Entry {
    int64_t time = 0;
    std::string_view whole;
};

// [id, time, ...]
std::optional<int64_t> time_of(std::string_view entry) {
    Reader reader(entry);
    const std::optional<Value> head = reader.next();
    if (!head.has_value() || head->type != '*' || head->number < 2) return std::nullopt;
    const std::optional<Value> id = reader.next();
    const std::optional<Value> time = reader.next();
    if (!id.has_value() || !time.has_value() || time->type != ':') return std::nullopt;
    return time->number;
}

}  // namespace

bool join_newest(Parts parts, int64_t count, std::string& out) {
    std::vector<Entry> entries;
    for (const std::string_view part : parts) {
        Reader reader(part);
        const std::optional<Value> head = reader.next();
        if (!head.has_value() || head->type != '*' || head->is_null) return false;
        for (int64_t i = 0; i < head->number; ++i) {
            const std::string_view whole = reader.next_whole();
            const std::optional<int64_t> time = time_of(whole);
            if (!time.has_value()) return false;
            entries.push_back({.time = *time, .whole = whole});
        }
    }
    std::ranges::stable_sort(entries, std::ranges::greater(), &Entry::time);
    if (count >= 0) entries.resize(std::min(entries.size(), static_cast<size_t>(count)));
    write_array_header(out, entries.size());
    for (const Entry& entry : entries) {
        out += entry.whole;
    }
    return true;
}

namespace {

using Setting = std::pair<std::string_view, std::string_view>;

// Sorted; nothing when it is no list of names with their values.
std::optional<std::vector<Setting>> settings_in(std::string_view answer) {
    Reader reader(answer);
    const std::optional<Value> head = reader.next();
    const bool is_list = head.has_value() && (head->type == '*' || head->type == '%');
    if (!is_list || head->is_null || head->number % 2 != 0) return std::nullopt;
    std::vector<Setting> settings;
    for (int64_t i = 0; i < head->number; i += 2) {
        const std::string_view name = reader.next_whole();
        const std::string_view value = reader.next_whole();
        settings.emplace_back(name, value);
    }
    std::ranges::sort(settings);
    return settings;
}

}  // namespace

bool are_same_settings(std::string_view one, std::string_view other) {
    const std::optional<std::vector<Setting>> settings = settings_in(one);
    return settings.has_value() && settings == settings_in(other);
}

bool join_texts(Parts parts,
                std::span<const std::string> titles,
                Version version,
                std::string& out) {
    std::string text;
    for (size_t i = 0; i < parts.size(); ++i) {
        const std::optional<Value> value = Reader(parts[i]).next();
        if (!value.has_value() || value->is_null) return false;
        text.append("# ").append(titles[i]).append("\n").append(value->text);
        if (!text.ends_with('\n')) text += '\n';
    }
    write_text(out, text, version);
    return true;
}

size_t find_running(Parts parts) {
    for (size_t i = 0; i < parts.size(); ++i) {
        Reader reader(parts[i]);
        const std::optional<Value> head = reader.next();
        const std::optional<Value> name = reader.next();
        const std::optional<Value> script = reader.next();
        if (!head.has_value() || !name.has_value() || !script.has_value()) continue;
        if (name->text == "running_script" && !script->is_null) return i;
    }
    return 0;
}

JoinStatus concat_arrays(std::span<const Chain* const> parts, Chain& target, OpenBlock* open) {
    uint64_t count = 0;
    std::vector<Cursor> bodies;
    for (const Chain* part : parts) {
        Cursor cursor(*part);
        const std::optional<uint64_t> one = read_header(cursor, '*');
        if (!one.has_value()) return JoinStatus::WrongShape;
        count += *one;
        bodies.push_back(cursor);
    }
    if (!target.append_copy(Header('*', count).view(), open)) return JoinStatus::NoMemory;
    for (size_t i = 0; i < parts.size(); ++i) {
        const uint64_t rest = parts[i]->size() - bodies[i].position();
        if (!bodies[i].append_to(target, rest, open)) return JoinStatus::NoMemory;
    }
    return JoinStatus::Joined;
}

std::optional<uint64_t> read_page_cursor(Cursor& cursor) {
    if (read_header(cursor, '*') != 2U) return std::nullopt;
    constexpr uint64_t digits_max = 20;
    const std::optional<uint64_t> size = read_header(cursor, '$');
    if (!size.has_value() || *size > digits_max) return std::nullopt;
    std::string digits;
    while (digits.size() < *size && !cursor.at_end()) {
        digits += cursor.take_byte();
    }
    for (const char end : {'\r', '\n'}) {
        if (cursor.at_end() || cursor.take_byte() != end) return std::nullopt;
    }
    return ascii::parse_uint64(digits);
}

}  // namespace ringmain::resp
