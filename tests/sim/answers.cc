#include "tests/sim/answers.h"

#include <charconv>

namespace ringmain::sim {

namespace {

// The first line with its end; empty when it is not all there.
std::string_view first_line(std::string_view text) {
    const size_t end = text.find("\r\n");
    return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 2);
}

}  // namespace

std::optional<int64_t> number_in(std::string_view text) {
    int64_t number = 0;
    const auto* end = text.data() + text.size();
    const auto [at, code] = std::from_chars(text.data(), end, number);
    if (code != std::errc() || at != end) return std::nullopt;
    return number;
}

size_t resp_size(std::string_view text, std::vector<Value>& values) {
    size_t at = 0;
    for (int64_t missing = 1; missing > 0; --missing) {
        const std::string_view line = first_line(text.substr(at));
        if (line.empty()) return 0;
        at += line.size();
        const int64_t number = number_in(line.substr(1, line.size() - 3)).value_or(0);
        if ((line[0] == '*' || line[0] == '>') && number > 0) missing += number;
        if (line[0] == '%') missing += 2 * number;
        if (line[0] == '_' || (line[0] == '$' && number < 0)) values.push_back({{}, {}, true});
        if (line[0] != '$' || number < 0) continue;
        const auto size = static_cast<size_t>(number) + 2;
        if (text.size() - at < size) return 0;
        values.push_back({{}, std::string(text.substr(at, size - 2)), false});
        at += size;
    }
    return at;
}

size_t memcached_size(std::string_view text, std::vector<Value>& values) {
    size_t at = 0;
    for (;;) {
        const std::string_view line = first_line(text.substr(at));
        if (line.empty()) return 0;
        at += line.size();
        if (line.starts_with("STAT ")) continue;
        const bool meta = line.starts_with("VA ");
        if (!meta && !line.starts_with("VALUE ")) return at;
        // "VALUE key flags size [cas]" or "VA size flags*".
        const size_t key = line.find(' ') + 1;
        const size_t key_end = line.find_first_of(" \r", key);
        const size_t begin = meta ? key : line.find(' ', key_end + 1) + 1;
        const size_t end = line.find_first_of(" \r", begin);
        const auto size =
            static_cast<size_t>(number_in(line.substr(begin, end - begin)).value_or(0)) + 2;
        if (text.size() - at < size) return 0;
        values.push_back({meta ? std::string() : std::string(line.substr(key, key_end - key)),
                          std::string(text.substr(at, size - 2)),
                          false});
        at += size;
        if (meta) return at;
    }
}

}  // namespace ringmain::sim
