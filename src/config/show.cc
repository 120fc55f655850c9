// Values and whole configurations as TOML.

#include "ringmain/base/assert.h"
#include "ringmain/config/options.h"

#include "units.h"
#include "words.h"

namespace ringmain::config {

namespace {

constexpr std::string_view masked = "\"***\"";

std::string text_or_nothing(std::string_view text) {
    return text.empty() ? std::string() : toml_text(text);
}

std::string list_toml(const std::vector<std::string>& texts) {
    if (texts.empty()) return {};
    std::string out = "[";
    for (const std::string& text : texts) {
        if (out.size() > 1) out += ", ";
        out += toml_text(text);
    }
    return out + "]";
}

std::string listen_text(const Address& address) {
    if (address.empty()) return {};
    if (!address.is_path() || address.mode == 0) return toml_text(address.text());
    return toml_text(address.path + " " + mode_text(address.mode));
}

void append_options(Section section, const Target& target, std::string& out) {
    for (const Option& option : options(section)) {
        if (option.fetch == nullptr) continue;
        const bool is_redis = target.pool == nullptr || target.pool->protocol == Protocol::Redis;
        if (option.redis_only && !is_redis) continue;
        std::string text = value_text(option, option.fetch(target));
        if (text.empty()) continue;
        if (option.secret) text = masked;
        out.append(option.name).append(" = ").append(text).append("\n");
    }
}

// { address = "10.0.0.1:6379", weight = 1, name = "cache1" }
void append_inline(Section section, const Target& target, std::string& out) {
    out += "    { ";
    std::string_view before;
    for (const Option& option : options(section)) {
        const std::string text = value_text(option, option.fetch(target));
        if (text.empty()) continue;
        out.append(before).append(option.name).append(" = ").append(option.secret ? masked : text);
        before = ", ";
    }
    out += " },\n";
}

}  // namespace

std::string value_text(const Option& option, const Value& value) {
    switch (option.type) {
        case Type::Boolean:
            return value.number != 0 ? "true" : "false";
        case Type::Integer:
        case Type::IntegerOrAuto:
            return std::to_string(value.number);
        case Type::Duration:
            return value.number == 0 ? "0" : toml_text(duration_text(value.number));
        case Type::Size:
            return value.number == 0 ? "0" : toml_text(size_text(value.number));
        case Type::String:
            return text_or_nothing(value.text);
        case Type::Enum:
            return toml_text(option.names()[static_cast<size_t>(value.number)]);
        case Type::Listen:
            return listen_text(value.address);
        case Type::Address:
            return value.address.empty() ? std::string() : toml_text(value.address.text());
        case Type::Strings:
            return list_toml(value.texts);
        case Type::Servers:
        case Type::Users:
            return {};
    }
    RM_ASSERT(false);
}

std::string running_toml(const Config& config) {
    Config copy = config;  // a Target may be written to
    std::string out = "[proxy]\n";
    append_options(Section::Proxy, {.proxy = &copy.proxy}, out);
    out += "\n[stats]\n";
    append_options(Section::Stats, {.stats = &copy.stats}, out);
    out += "\n[admin]\n";
    append_options(Section::Admin, {.admin = &copy.admin}, out);
    for (Pool& pool : copy.pools) {
        out.append("\n[pool.").append(toml_text(pool.name)).append("]\n");
        append_options(Section::Pool, {.pool = &pool}, out);
        if (!pool.users.empty()) {
            out += "users = [\n";
            for (User& user : pool.users) {
                append_inline(Section::User, {.user = &user}, out);
            }
            out += "]\n";
        }
        out += "servers = [\n";
        for (Server& server : pool.servers) {
            append_inline(Section::Server, {.server = &server}, out);
        }
        out += "]\n";
    }
    return out;
}

}  // namespace ringmain::config
