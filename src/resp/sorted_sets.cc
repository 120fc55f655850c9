#include "sorted_sets.h"

#include "ringmain/base/ascii.h"
#include "ringmain/resp/elements.h"
#include "ringmain/resp/reader.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "key_search.h"
#include "text.h"

namespace ringmain::resp {

namespace {

constexpr std::string_view syntax_error = "ERR syntax error";

// As redis reads it; nothing when it is none.
std::optional<uint64_t> read_limit(std::string_view word) {
    const std::optional<int64_t> limit = ascii::parse_int64(word);
    if (!limit.has_value() || *limit < 0) return std::nullopt;
    return static_cast<uint64_t>(*limit);
}

// As redis reads a double: whatever strtod() takes as a whole, but for blanks and NaN.
std::optional<double> read_weight(const std::string& word) {
    if (word.empty() || is_blank(word[0])) return std::nullopt;
    char* end = nullptr;
    errno = 0;
    const double value = std::strtod(word.c_str(), &end);
    if (end != word.c_str() + word.size() || std::isnan(value)) return std::nullopt;
    if (errno == ERANGE && (std::isinf(value) || std::fpclassify(value) == FP_ZERO)) {
        return std::nullopt;
    }
    return value;
}

std::optional<ZsetOptions::Aggregate> read_aggregate(std::string_view word) {
    if (is_word(word, "sum")) return ZsetOptions::Aggregate::Sum;
    if (is_word(word, "min")) return ZsetOptions::Aggregate::Min;
    if (is_word(word, "max")) return ZsetOptions::Aggregate::Max;
    return std::nullopt;
}

// One option off the front of `words`, or an error.
void read_option(Gathering gathering, std::span<const std::string>& words, ZsetOptions& options) {
    const bool counts = gathering == Gathering::ZinterCard || gathering == Gathering::InterCard;
    const bool aggregates = !counts && gathering != Gathering::Zdiff;
    const std::string& word = words[0];
    const size_t key_count = options.weights.size();
    if (aggregates && words.size() > key_count && is_word(word, "weights")) {
        for (size_t i = 0; i < key_count; ++i) {
            const std::optional<double> weight = read_weight(words[1 + i]);
            if (!weight.has_value()) {
                options.error = "ERR weight value is not a float";
                return;
            }
            options.weights[i] = *weight;
        }
        words = words.subspan(1 + key_count);
    } else if (aggregates && words.size() > 1 && is_word(word, "aggregate")) {
        const std::optional<ZsetOptions::Aggregate> aggregate = read_aggregate(words[1]);
        if (!aggregate.has_value()) options.error = syntax_error;
        options.aggregate = aggregate.value_or(ZsetOptions::Aggregate::Sum);
        words = words.subspan(2);
    } else if (!counts && is_word(word, "withscores")) {
        options.with_scores = true;
        words = words.subspan(1);
    } else if (counts && words.size() > 1 && is_word(word, "limit")) {
        const std::optional<uint64_t> limit = read_limit(words[1]);
        if (!limit.has_value()) options.error = "ERR LIMIT can't be negative";
        options.limit = limit.value_or(0);
        words = words.subspan(2);
    } else {
        options.error = syntax_error;
    }
}

}  // namespace

ZsetOptions read_zset_options(Gathering gathering,
                              std::span<const std::string> words,
                              size_t key_count) {
    ZsetOptions options;
    options.weights.assign(key_count, 1.0);
    while (!words.empty() && options.error.empty()) {
        read_option(gathering, words, options);
    }
    return options;
}

namespace {

struct Scored {
    std::string_view element;
    double score = 0;
};

struct Source {
    std::vector<Scored> elements;
    double weight = 1.0;
};

std::optional<double> score_of(const std::optional<Value>& value) {
    if (!value.has_value() || value->is_null) return std::nullopt;
    return ascii::parse_double(value->text);
}

// [e, "1", f, "2"] of RESP2, [[e, 1], [f, 2]] of RESP3.
bool read_source(std::string_view part, Version version, std::vector<Scored>& elements) {
    Reader reader(part);
    const std::optional<Value> head = reader.next();
    if (!head.has_value() || head->type != '*' || head->is_null) return false;
    const bool nested = version == Version::Resp3;
    if (!nested && head->number % 2 != 0) return false;
    const int64_t count = nested ? head->number : head->number / 2;
    elements.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
        if (nested) {
            const std::optional<Value> pair = reader.next();
            if (!pair.has_value() || pair->type != '*' || pair->number != 2) return false;
        }
        const std::optional<Value> element = reader.next();
        const std::optional<double> score = score_of(reader.next());
        if (!element.has_value() || !element->is_bulk() || !score.has_value()) return false;
        elements.push_back({.element = element->text, .score = *score});
    }
    return true;
}

// +inf and -inf make 0.
double number_or_zero(double value) {
    return std::isnan(value) ? 0.0 : value;
}

double aggregated(double target, double value, ZsetOptions::Aggregate aggregate) {
    switch (aggregate) {
        case ZsetOptions::Aggregate::Sum:
            return number_or_zero(target + value);
        case ZsetOptions::Aggregate::Min:
            return value < target ? value : target;
        case ZsetOptions::Aggregate::Max:
            return value > target ? value : target;
    }
    return target;
}

// Each computes as redis does it, in the same order: doubles do not add up the same in another one.
class SortedSets {
  public:
    SortedSets(std::vector<Source> sources, ZsetOptions::Aggregate aggregate, SipKey hash_key)
        : sources_(std::move(sources)), aggregate_(aggregate), hash_key_(hash_key) {}

    [[nodiscard]] std::vector<Scored> unite();
    [[nodiscard]] std::vector<Scored> intersect();
    [[nodiscard]] std::vector<Scored> subtract();

  private:
    // An element's number is its place in the source, whose elements differ.
    [[nodiscard]] Elements names_of(const Source& source) const {
        Elements elements(source.elements.size(), hash_key_);
        for (const Scored& one : source.elements) {
            elements.add(one.element);
        }
        return elements;
    }

    // The smallest first; of equal ones that which was named first.
    void sort_sources() {
        std::ranges::stable_sort(
            sources_, {}, [](const Source& source) { return source.elements.size(); });
    }

    std::vector<Source> sources_;
    ZsetOptions::Aggregate aggregate_;
    SipKey hash_key_;
};

std::vector<Scored> SortedSets::unite() {
    sort_sources();
    std::vector<Scored> result;
    size_t count = 0;
    for (const Source& source : sources_) {
        count += source.elements.size();
    }
    Elements elements(count, hash_key_);
    for (const Source& source : sources_) {
        for (const Scored& one : source.elements) {
            const double score = number_or_zero(source.weight * one.score);
            const Elements::Added added = elements.add(one.element);
            if (added.is_new) {
                result.push_back({.element = one.element, .score = score});
            } else {
                double& target = result[added.number].score;
                target = aggregated(target, score, aggregate_);
            }
        }
    }
    return result;
}

std::vector<Scored> SortedSets::intersect() {
    sort_sources();
    // Of those that are in all sources so far, with the score so far.
    std::vector<Scored> result;
    const Source& smallest = sources_[0];
    for (const Scored& one : smallest.elements) {
        result.push_back(
            {.element = one.element, .score = number_or_zero(smallest.weight * one.score)});
    }
    for (const Source& source : std::span(sources_).subspan(1)) {
        const Elements elements = names_of(source);
        std::erase_if(result, [&](Scored& one) {
            const uint32_t number = elements.find(one.element);
            if (number == Elements::none) return true;
            const double score = source.elements[number].score;
            one.score = aggregated(one.score, score * source.weight, aggregate_);
            return false;
        });
    }
    return result;
}

std::vector<Scored> SortedSets::subtract() {
    std::vector<Scored> result = sources_[0].elements;
    for (const Source& source : std::span(sources_).subspan(1)) {
        const Elements others = names_of(source);
        std::erase_if(result,
                      [&others](const Scored& one) { return others.contains(one.element); });
    }
    return result;
}

// "1.5", "inf": the 17 digits of redis 7.0.
void write_score(std::string& out, double score, Version version) {
    std::string text;
    if (std::isinf(score)) {
        text = score > 0 ? "inf" : "-inf";
    } else {
        char digits[40];
        const int size = std::snprintf(digits, sizeof digits, "%.17g", score);
        text.assign(digits, static_cast<size_t>(size));
    }
    if (version == Version::Resp2) {
        write_bulk(out, text);
    } else {
        out.append(",").append(text).append("\r\n");
    }
}

void write_result(std::vector<Scored>& result,
                  bool with_scores,
                  Version version,
                  std::string& out) {
    std::ranges::sort(result, [](const Scored& a, const Scored& b) {
        return a.score < b.score || (a.score == b.score && a.element < b.element);
    });
    const bool flat = with_scores && version == Version::Resp2;
    write_array_header(out, flat ? 2 * result.size() : result.size());
    for (const Scored& one : result) {
        if (with_scores && !flat) write_array_header(out, 2);
        write_bulk(out, one.element);
        if (with_scores) write_score(out, one.score, version);
    }
}

}  // namespace

CombineStatus combine_sorted_sets(const Combination& combination,
                                  const ZsetOptions& options,
                                  std::string& out) {
    std::vector<Source> sources;
    for (size_t i = 0; i < combination.parts.size(); ++i) {
        Source& source = sources.emplace_back();
        source.weight = options.weights[i];
        if (!read_source(combination.parts[i], combination.version, source.elements)) {
            return CombineStatus::WrongShape;
        }
    }
    SortedSets sets(std::move(sources), options.aggregate, combination.hash_key);
    if (combination.gathering == Gathering::ZinterCard) {
        uint64_t count = sets.intersect().size();
        if (options.limit > 0) count = std::min(count, options.limit);
        write_integer(out, static_cast<int64_t>(count));
        return CombineStatus::Done;
    }
    std::vector<Scored> result = combination.gathering == Gathering::Zunion   ? sets.unite()
                                 : combination.gathering == Gathering::Zinter ? sets.intersect()
                                                                              : sets.subtract();
    write_result(result, options.with_scores, combination.version, out);
    return CombineStatus::Done;
}

}  // namespace ringmain::resp
