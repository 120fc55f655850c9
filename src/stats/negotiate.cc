// Which format a reader of metrics wants.

#include "ringmain/base/ascii.h"
#include "ringmain/stats/prometheus.h"

namespace ringmain::stats {

namespace {

// Takes what stands before the separator.
std::string_view take_part(std::string_view& text, char separator) {
    const size_t end = text.find(separator);
    const std::string_view part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return ascii::trimmed(part);
}

// "0.75" -> 750; what is no number is 0.
uint32_t thousandths(std::string_view text) {
    if (text.empty() || !ascii::is_digit(text.front())) return 0;
    uint32_t value = text.front() == '0' ? 0 : 1000;
    uint32_t unit = 100;
    for (const char byte : text.substr(1)) {
        if (byte == '.') continue;
        if (!ascii::is_digit(byte)) return 0;
        value += static_cast<uint32_t>(byte - '0') * unit;
        unit /= 10;
    }
    return value > 1000 ? 1000 : value;
}

struct MediaRange {
    std::string_view type;
    bool acceptable = true;  // the version, where one is given, is ours
    uint32_t quality = 1000;
};

MediaRange parse_range(std::string_view text) {
    MediaRange range = {.type = take_part(text, ';')};
    while (!text.empty()) {
        std::string_view value = take_part(text, ';');
        const std::string_view name = take_part(value, '=');
        if (ascii::equal_ignoring_case(name, "q")) range.quality = thousandths(value);
        if (ascii::equal_ignoring_case(name, "version") &&
            ascii::equal_ignoring_case(range.type, "application/openmetrics-text")) {
            range.acceptable = value == "1.0.0";
        }
    }
    return range;
}

}  // namespace

MetricsFormat negotiate(std::string_view accept) {
    uint32_t open_metrics = 0;
    uint32_t plain = 0;
    while (!accept.empty()) {
        const MediaRange range = parse_range(take_part(accept, ','));
        const bool is_open_metrics =
            ascii::equal_ignoring_case(range.type, "application/openmetrics-text");
        uint32_t& best = is_open_metrics ? open_metrics : plain;
        const bool counts = is_open_metrics || ascii::equal_ignoring_case(range.type, "text/plain");
        if (counts && range.acceptable && range.quality > best) best = range.quality;
    }
    return open_metrics > 0 && open_metrics >= plain ? MetricsFormat::OpenMetrics
                                                     : MetricsFormat::Text;
}

std::string_view content_type(MetricsFormat format) {
    if (format == MetricsFormat::OpenMetrics) {
        return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    }
    return "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace ringmain::stats
