#include "ringmain/resp/reader.h"

#include "ringmain/base/ascii.h"

namespace ringmain::resp {

namespace {

constexpr size_t line_end_size = 2;
constexpr size_t verbatim_head_size = 4;  // "txt:"

}  // namespace

std::optional<std::string_view> Reader::line() {
    const size_t end = rest_.find('\r');
    if (end == std::string_view::npos || end + line_end_size > rest_.size()) return std::nullopt;
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + line_end_size);
    return line;
}

std::optional<Value> Reader::next() {
    if (rest_.empty()) return std::nullopt;
    Value value;
    value.type = rest_.front();
    rest_.remove_prefix(1);
    const std::optional<std::string_view> head = line();
    if (!head.has_value()) return std::nullopt;
    value.text = *head;
    value.is_null = value.type == '_';
    const bool has_body = value.type == '$' || value.type == '=' || value.type == '!';
    if (value.type != ':' && !has_body && !value.is_aggregate()) return value;

    const std::optional<int64_t> number = ascii::parse_int64(*head);
    if (!number.has_value()) return std::nullopt;
    value.number = value.type == '%' ? 2 * *number : *number;
    if (value.type == ':') return value;
    value.text = {};
    value.is_null = *number < 0;
    if (value.is_null || !has_body) return value;

    const auto size = static_cast<size_t>(*number);
    if (rest_.size() < size + line_end_size) return std::nullopt;
    value.text = rest_.substr(0, size);
    if (value.type == '=' && size >= verbatim_head_size) {
        value.text.remove_prefix(verbatim_head_size);
    }
    rest_.remove_prefix(size + line_end_size);
    return value;
}

std::string_view Reader::next_whole() {
    const std::string_view from = rest_;
    int64_t missing = 1;
    while (missing > 0) {
        const std::optional<Value> value = next();
        if (!value.has_value()) return {};
        missing -= 1;
        if (value->is_aggregate() && !value->is_null) missing += value->number;
    }
    return from.substr(0, from.size() - rest_.size());
}

}  // namespace ringmain::resp
