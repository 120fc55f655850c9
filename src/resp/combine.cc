#include "ringmain/resp/combine.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/resp/elements.h"
#include "ringmain/resp/reader.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "hyperloglog.h"
#include "lcs.h"
#include "sorted_sets.h"

namespace ringmain::resp {

Question question(Gathering gathering, bool first) {
    switch (gathering) {
        case Gathering::Union:
            return {.name = "SUNION"};
        case Gathering::Inter:
        case Gathering::InterCard:
            return {.name = "SINTER"};
        case Gathering::Diff:
            return {.name = first ? "SDIFF" : "SUNION"};
        case Gathering::Zunion:
        case Gathering::Zinter:
        case Gathering::ZinterCard:
        case Gathering::Zdiff:
            // Unlike ZRANGE it reads sets, too.
            return {.per_key = true, .counts_keys = true, .name = "ZUNION", .last = "WITHSCORES"};
        case Gathering::PfCount:
        case Gathering::Lcs:
            return {.per_key = true, .name = "GET"};
        case Gathering::None:
        case Gathering::Sum:
        case Gathering::Smallest:
        case Gathering::And:
        case Gathering::AllOk:
        case Gathering::Alike:
        case Gathering::AnyOne:
        case Gathering::Concat:
        case Gathering::Newest:
        case Gathering::Texts:
        case Gathering::Running:
        case Gathering::Page:
        case Gathering::Largest:
        case Gathering::PerChannel:
        case Gathering::Keyspace:
            break;
    }
    RM_ASSERT(false);
}

namespace {

constexpr std::string_view wrong_type =
    "WRONGTYPE Operation against a key holding the wrong kind of value";

bool is_error(std::string_view part) {
    return !part.empty() && is_error_type(part.front());
}

// Which part is an error, the first of them; empty when none is.
std::string_view first_error(std::span<const std::string_view> parts) {
    const auto found = std::ranges::find_if(parts, is_error);
    return found == parts.end() ? std::string_view() : *found;
}

class Combiner {
  public:
    Combiner(const Combination& combination, std::string& out)
        : combination_(combination), parts_(combination.parts), out_(out) {}

    [[nodiscard]] CombineStatus combine();

  private:
    [[nodiscard]] CombineStatus sets();
    [[nodiscard]] CombineStatus sorted_sets();
    [[nodiscard]] CombineStatus count_hyperloglogs();
    [[nodiscard]] CombineStatus lcs();

    using Sets = std::vector<std::vector<std::string_view>>;

    [[nodiscard]] std::vector<std::string_view> united(const Sets& sets) const;
    [[nodiscard]] std::vector<std::string_view> picked(Sets sets) const;
    [[nodiscard]] bool read_elements(size_t part, std::vector<std::string_view>& elements) const;
    [[nodiscard]] bool has_too_many() const;

    CombineStatus error(std::string_view text) {
        write_error(out_, text);
        return CombineStatus::Done;
    }

    // Behind "ZUNION 2 a b".
    [[nodiscard]] std::span<const std::string> words_behind_keys() const {
        const std::optional<int64_t> count = ascii::parse_int64(combination_.words[1]);
        return combination_.words.subspan(2 + static_cast<size_t>(count.value_or(0)));
    }

    const Combination& combination_;
    std::span<const std::string_view> parts_;
    std::string& out_;
};

bool Combiner::has_too_many() const {
    uint64_t count = 0;
    for (const std::string_view part : parts_) {
        const std::optional<Value> head = Reader(part).next();
        if (head.has_value() && head->is_aggregate() && head->number > 0) {
            count += static_cast<uint64_t>(head->number);
        }
    }
    return count > combination_.elements_max;
}

CombineStatus Combiner::combine() {
    switch (combination_.gathering) {
        case Gathering::Union:
        case Gathering::Inter:
        case Gathering::InterCard:
        case Gathering::Diff:
            return sets();
        case Gathering::Zunion:
        case Gathering::Zinter:
        case Gathering::ZinterCard:
        case Gathering::Zdiff:
            return sorted_sets();
        case Gathering::PfCount:
            return count_hyperloglogs();
        case Gathering::Lcs:
            return lcs();
        case Gathering::None:
        case Gathering::Sum:
        case Gathering::Smallest:
        case Gathering::And:
        case Gathering::AllOk:
        case Gathering::Alike:
        case Gathering::AnyOne:
        case Gathering::Concat:
        case Gathering::Newest:
        case Gathering::Texts:
        case Gathering::Running:
        case Gathering::Page:
        case Gathering::Largest:
        case Gathering::PerChannel:
        case Gathering::Keyspace:
            break;
    }
    RM_ASSERT(false);
}

// --- sets ----------------------------------------------------------------------------------------

bool Combiner::read_elements(size_t part, std::vector<std::string_view>& elements) const {
    Reader reader(parts_[part]);
    const std::optional<Value> head = reader.next();
    if (!head.has_value() || head->is_null || (head->type != '*' && head->type != '~')) {
        return false;
    }
    elements.reserve(static_cast<size_t>(head->number));
    for (int64_t i = 0; i < head->number; ++i) {
        const std::optional<Value> element = reader.next();
        if (!element.has_value() || !element->is_bulk()) return false;
        elements.push_back(element->text);
    }
    return true;
}

std::vector<std::string_view> Combiner::united(const Sets& sets) const {
    size_t count = 0;
    for (const auto& set : sets) {
        count += set.size();
    }
    Elements elements(count, combination_.hash_key);
    for (const auto& set : sets) {
        for (const std::string_view element : set) {
            elements.add(element);
        }
    }
    return elements.names();
}

// Those of the first set that all others have, or of SDIFF that none has.
std::vector<std::string_view> Combiner::picked(Sets sets) const {
    const bool wanted_in_others = combination_.gathering != Gathering::Diff;
    for (const auto& set : std::span(sets).subspan(1)) {
        Elements others(set.size(), combination_.hash_key);
        for (const std::string_view element : set) {
            others.add(element);
        }
        std::erase_if(sets[0], [&others, wanted_in_others](std::string_view element) {
            return others.contains(element) != wanted_in_others;
        });
    }
    return std::move(sets[0]);
}

CombineStatus Combiner::sets() {
    const bool counts = combination_.gathering == Gathering::InterCard;
    ZsetOptions options;
    // SINTERCARD reads them before it looks at a key.
    if (counts) {
        options = read_zset_options(combination_.gathering, words_behind_keys(), parts_.size());
    }
    if (!options.error.empty()) return error(options.error);
    if (const std::string_view text = first_error(parts_); !text.empty()) {
        out_ += text;
        return CombineStatus::Done;
    }
    if (has_too_many()) return CombineStatus::TooMany;

    Sets sets(parts_.size());
    for (size_t i = 0; i < parts_.size(); ++i) {
        if (!read_elements(i, sets[i])) return CombineStatus::WrongShape;
    }
    const std::vector<std::string_view> result =
        combination_.gathering == Gathering::Union ? united(sets) : picked(std::move(sets));
    if (counts) {
        const uint64_t count = result.size();
        const uint64_t limit = options.limit > 0 ? options.limit : count;
        write_integer(out_, static_cast<int64_t>(std::min(count, limit)));
        return CombineStatus::Done;
    }
    write_set_header(out_, result.size(), combination_.version);
    for (const std::string_view element : result) {
        write_bulk(out_, element);
    }
    return CombineStatus::Done;
}

// --- sorted sets ---------------------------------------------------------------------------------

// They read their options behind the keys.
CombineStatus Combiner::sorted_sets() {
    if (const std::string_view text = first_error(parts_); !text.empty()) {
        out_ += text;
        return CombineStatus::Done;
    }
    const ZsetOptions options =
        read_zset_options(combination_.gathering, words_behind_keys(), parts_.size());
    if (!options.error.empty()) return error(options.error);
    if (has_too_many()) return CombineStatus::TooMany;
    return combine_sorted_sets(combination_, options, out_);
}

// --- strings -------------------------------------------------------------------------------------

CombineStatus Combiner::count_hyperloglogs() {
    HyperLogLog all;
    for (const std::string_view part : parts_) {
        if (is_error(part)) {
            out_ += part;
            return CombineStatus::Done;
        }
        const std::optional<Value> value = Reader(part).next();
        if (!value.has_value()) return CombineStatus::WrongShape;
        if (value->is_null) continue;
        switch (all.merge(value->text)) {
            case HyperLogLog::Merged::Yes:
                break;
            case HyperLogLog::Merged::NotOne:
                return error("WRONGTYPE Key is not a valid HyperLogLog string value.");
            case HyperLogLog::Merged::Corrupted:
                return error("INVALIDOBJ Corrupted HLL object detected");
        }
    }
    write_integer(out_, all.count());
    return CombineStatus::Done;
}

CombineStatus Combiner::lcs() {
    if (const std::string_view text = first_error(parts_); !text.empty()) {
        if (text.substr(1).starts_with(wrong_type)) {
            return error("ERR The specified keys must contain string values");
        }
        out_ += text;
        return CombineStatus::Done;
    }
    const LcsOptions options = read_lcs_options(combination_.words.subspan(3));
    if (!options.error.empty()) return error(options.error);
    const std::optional<Value> a = Reader(parts_[0]).next();
    const std::optional<Value> b = Reader(parts_[1]).next();
    if (!a.has_value() || !b.has_value()) return CombineStatus::WrongShape;
    // None is as an empty one.
    std::string_view one = a->is_null ? std::string_view() : a->text;
    std::string_view other = b->is_null ? std::string_view() : b->text;
    // Nothing in common: no table for the length of the other.
    if (one.empty() || other.empty()) one = other = {};
    if (one.size() * other.size() > lcs_cells_max) return CombineStatus::TooLong;
    write_lcs(one, other, options, combination_.version, out_);
    return CombineStatus::Done;
}

}  // namespace

CombineStatus combine(const Combination& combination, std::string& out) {
    return Combiner(combination, out).combine();
}

}  // namespace ringmain::resp
