#include "ringmain/memcached/server_version.h"

#include "ringmain/base/ascii.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace ringmain::memcached {

namespace {

using Release = std::array<uint32_t, 3>;

constexpr Release first_known = {1, 2, 0};  // older ones are history, and names of test servers
constexpr Release first_with_meta_set = {1, 6, 10};
constexpr Release first_with_right_cas = {1, 6, 13};

// "1.6.9", "1.6.9_3_g1a2b3c", "1.6.9-rc1". But not "1.6.0 DF": that is somebody else's.
std::optional<Release> release_of(std::string_view text) {
    constexpr size_t digits_max = 6;
    Release release = {};
    for (size_t i = 0; i < release.size(); ++i) {
        if (i > 0) {
            if (!text.starts_with('.')) return std::nullopt;
            text.remove_prefix(1);
        }
        size_t digits = 0;
        while (digits < text.size() && ascii::is_digit(text[digits])) {
            ++digits;
        }
        if (digits == 0 || digits > digits_max) return std::nullopt;
        for (const char digit : text.substr(0, digits)) {
            release[i] = 10 * release[i] + static_cast<uint32_t>(digit - '0');
        }
        text.remove_prefix(digits);
    }
    if (text.find(' ') != std::string_view::npos) return std::nullopt;
    return release;
}

}  // namespace

std::string_view version_in(std::string_view answer) {
    constexpr std::string_view word = "VERSION ";
    if (answer.starts_with(word)) answer.remove_prefix(word.size());
    return answer;
}

MetaSupport meta_support(std::string_view answer) {
    const std::optional<Release> release = release_of(version_in(answer));
    if (!release.has_value() || *release < first_known) return MetaSupport::Right;
    if (*release < first_with_meta_set) return MetaSupport::TooOld;
    return *release < first_with_right_cas ? MetaSupport::Flawed : MetaSupport::Right;
}

}  // namespace ringmain::memcached
