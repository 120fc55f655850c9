#include "samples.h"

#include "ringmain/base/assert.h"

#include <array>
#include <utility>

#include "escape.h"

namespace ringmain::stats {

namespace {

// Ends of buckets, in microseconds. 50 us doubled again and again is where buckets of the fine
// histogram end, so these counts are exact.
constexpr std::array<uint64_t, 19> histogram_ends = {50,
                                                     100,
                                                     200,
                                                     400,
                                                     800,
                                                     1'600,
                                                     3'200,
                                                     6'400,
                                                     12'800,
                                                     25'600,
                                                     51'200,
                                                     102'400,
                                                     204'800,
                                                     409'600,
                                                     819'200,
                                                     1'638'400,
                                                     3'276'800,
                                                     13'107'200,
                                                     104'857'600};

constexpr bool ends_are_exact() {
    for (const uint64_t us : histogram_ends) {
        if (Histogram::end_of(Histogram::bucket_of(us - 1)) != us) return false;
    }
    return true;
}

static_assert(ends_are_exact());

std::string_view type_text(MetricType type, MetricsFormat format) {
    const bool is_known = type != MetricType::Info || format == MetricsFormat::OpenMetrics;
    return name_of(is_known ? type : MetricType::Gauge);
}

// 1234500 -> "1.2345"; without floating point it is exact.
std::string millionths_text(uint64_t value) {
    constexpr uint64_t million = 1'000'000;
    std::string text = std::to_string(value / million);
    const std::string rest = std::to_string(million + value % million).substr(1);
    const size_t end = rest.find_last_not_of('0');
    if (end != std::string::npos) text.append(".").append(rest, 0, end + 1);
    return text;
}

}  // namespace

std::string_view name_of(MetricType type) {
    constexpr std::array<std::string_view, 4> names = {"gauge", "counter", "histogram", "info"};
    return names[static_cast<size_t>(type)];
}

std::string_view suffix_of(MetricType type) {
    constexpr std::array<std::string_view, 4> suffixes = {"", "_total", "", "_info"};
    return suffixes[static_cast<size_t>(type)];
}

// Both formats put the suffix of a counter or info at its samples; the older one names the family
// so as well.
void Samples::begin(std::string_view name,
                    MetricType type,
                    std::string_view unit,
                    std::string_view help) {
    name_ = name;
    type_ = type;
    std::string family = "ringmain_" + std::string(name);
    if (format_ == MetricsFormat::Text) family += suffix_of(type);
    out_.append("# HELP ").append(family).append(" ");
    // The formats differ in what they escape here, so the texts have none of it.
    RM_DCHECK(help.find_first_of("\"\\\n") == std::string_view::npos);
    out_.append(help).append("\n");
    out_.append("# TYPE ").append(family).append(" ").append(type_text(type, format_)).append("\n");
    if (format_ == MetricsFormat::OpenMetrics && !unit.empty()) {
        out_.append("# UNIT ").append(family).append(" ").append(unit).append("\n");
    }
}

void Samples::sample(std::string_view suffix, Labels labels, Label more, std::string_view value) {
    out_.append("ringmain_").append(name_).append(suffix);
    char before = '{';
    const auto append_label = [this, &before](const Label& label) {
        out_ += before;
        out_.append(label.name).append("=\"");
        append_label_text(out_, label.value);
        out_ += '"';
        before = ',';
    };
    for (const Label& label : labels) {
        append_label(label);
    }
    if (!more.name.empty()) append_label(more);
    if (before == ',') out_ += '}';
    out_.append(" ").append(value).append("\n");
}

void Samples::add(Labels labels, uint64_t value) {
    RM_DCHECK(type_ != MetricType::Histogram);
    sample(suffix_of(type_), labels, {}, std::to_string(value));
}

void Samples::add_millionths(Labels labels, uint64_t value) {
    RM_DCHECK(type_ == MetricType::Gauge || type_ == MetricType::Counter);
    sample(suffix_of(type_), labels, {}, millionths_text(value));
}

void Samples::add_histogram(Labels labels, const HistogramValues& values) {
    RM_DCHECK(type_ == MetricType::Histogram);
    for (const uint64_t us : histogram_ends) {
        const std::string end = millionths_text(us);
        sample("_bucket", labels, {"le", end}, std::to_string(values.count_below(us)));
    }
    const std::string total = std::to_string(values.total());
    sample("_bucket", labels, {"le", "+Inf"}, total);
    sample("_sum", labels, {}, millionths_text(values.sum_us));
    sample("_count", labels, {}, total);
}

std::string Samples::take() {
    if (format_ == MetricsFormat::OpenMetrics) out_ += "# EOF\n";
    return std::move(out_);
}

}  // namespace ringmain::stats
