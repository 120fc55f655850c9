#include "ringmain/config/cpu_list.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <optional>

#include "words.h"

namespace ringmain::config {

namespace {

std::optional<uint32_t> parse_cpu(std::string_view text) {
    const std::optional<int64_t> cpu = ascii::parse_int64(text);
    if (!cpu || *cpu < 0 || *cpu > cpu_max) return std::nullopt;
    return static_cast<uint32_t>(*cpu);
}

}  // namespace

Result<std::vector<uint32_t>> parse_cpu_list(std::string_view text) {
    std::vector<uint32_t> cpus;
    std::string_view rest = text;
    while (true) {
        const size_t comma = rest.find(',');
        const std::string_view range = rest.substr(0, comma);
        const size_t dash = range.find('-');
        const std::optional<uint32_t> first = parse_cpu(range.substr(0, dash));
        const std::optional<uint32_t> last =
            dash == std::string_view::npos ? first : parse_cpu(range.substr(dash + 1));
        if (!first || !last || *first > *last) {
            return Error{quoted(range) +
                         " is not a CPU or a range of them; write \"0,2-5\", up to " +
                         std::to_string(cpu_max)};
        }
        for (uint32_t cpu = *first; cpu <= *last; ++cpu) {
            if (std::ranges::find(cpus, cpu) != cpus.end()) {
                return Error{"CPU " + std::to_string(cpu) + " stands in the list twice"};
            }
            cpus.push_back(cpu);
        }
        if (comma == std::string_view::npos) return cpus;
        rest.remove_prefix(comma + 1);
    }
}

std::string cpu_list_text(std::span<const uint32_t> cpus) {
    std::string text;
    for (size_t i = 0; i < cpus.size(); ++i) {
        size_t last = i;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) {
            last += 1;
        }
        if (!text.empty()) text += ',';
        text += std::to_string(cpus[i]);
        if (last > i) text.append("-").append(std::to_string(cpus[last]));
        i = last;
    }
    return text;
}

}  // namespace ringmain::config
