#include "ringmain/config/locate.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/hex.h"
#include "ringmain/base/printable.h"

#include <vector>

#include "words.h"

namespace ringmain::config {

Result<const Pool*> choose_pool(const Config& config, std::string_view name) {
    std::vector<std::string_view> names;
    for (const Pool& pool : config.pools) {
        if (pool.name == name || (name.empty() && config.pools.size() == 1)) return &pool;
        names.push_back(pool.name);
    }
    if (name.empty()) {
        return Error{"the file has " + std::to_string(names.size()) +
                     " pools; choose one with --pool: " + list_text(names, " or ")};
    }
    std::string hint = did_you_mean(name, names);
    if (hint.empty()) hint = "; there is " + list_text(names, " and ");
    return Error{"there is no pool " + quoted(name) + hint};
}

std::optional<std::string> key_from_hex(std::string_view text) {
    if (text == "-") return std::string();
    if (text.empty() || text.size() % 2 != 0) return std::nullopt;
    std::string key;
    key.reserve(text.size() / 2);
    for (size_t i = 0; i < text.size(); i += 2) {
        const std::optional<uint8_t> byte = hex_byte(text[i], text[i + 1]);
        if (!byte) return std::nullopt;
        key += static_cast<char>(*byte);
    }
    return key;
}

bool Locator::has_fixed_places() const {
    return pool_->placement.distribution != placement::DistributionKind::Random ||
           pool_->servers.size() == 1;
}

std::string Locator::line(std::string_view shown, std::string_view key) const {
    Prng prng(0);  // only `random` draws from it, and has no fixed places
    const Server& server = pool_->servers[placement_.server_of(key, prng)];
    std::string out = printable(shown);
    out.append("\t")
        .append(server.ring_name)
        .append("\t")
        .append(server.address.text())
        .append("\t");
    out += ascii::Decimal(uint64_t{placement_.hash_of(key)}).view();
    return out;
}

}  // namespace ringmain::config
