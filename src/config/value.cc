#include "value.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/config/cpu_list.h"

#include <algorithm>
#include <bit>

#include "address.h"
#include "units.h"
#include "words.h"

namespace ringmain::config {

namespace {

std::string_view wanted_text(Type type) {
    switch (type) {
        case Type::Boolean:
            return "true or false";
        case Type::Integer:
            return "a whole number";
        case Type::IntegerOrAuto:
            return "a whole number or \"auto\"";
        case Type::Duration:
            return "a number of milliseconds, or text such as \"400ms\" or \"2s\"";
        case Type::Size:
            return "a number of bytes, or text such as \"16KiB\" or \"1MiB\"";
        case Type::String:
            return "text in quotes";
        case Type::Strings:
            return "a list of texts in quotes";
        case Type::Enum:
            return "one of the names in quotes";
        case Type::Listen:
        case Type::Address:
            return "text in quotes, as in \"127.0.0.1:22121\" or \"/run/a.sock\"";
        case Type::Servers:
            return "a list of servers";
        case Type::Users:
            return "a list of users";
    }
    RM_ASSERT(false);
}

Error named(const Option& option, std::string_view problem) {
    return {"'" + std::string(option.name) + "' " + std::string(problem)};
}

// What is wrong is the text itself: its own message tells.
Error in_text(const Option& option, std::string_view problem) {
    return {std::string(option.name) + ": " + std::string(problem)};
}

Error wrong_type(const Option& option, const Node& node) {
    std::string text = "must be " + std::string(wanted_text(option.type)) + ", not " +
                       std::string(name_of(node.kind));
    const bool number_in_quotes =
        node.kind == Node::Kind::String && ascii::parse_int64(node.text).has_value();
    const bool boolean_in_quotes =
        node.kind == Node::Kind::String && (node.text == "true" || node.text == "false");
    if (option.type == Type::Boolean && boolean_in_quotes) text += "; leave the quotes out";
    if (option.type == Type::Integer && number_in_quotes) text += "; leave the quotes out";
    return named(option, text);
}

// In the units of its limits, which it is compared with.
std::string text_of(const Option& option, int64_t number) {
    if (option.type == Type::Duration) return duration_text(number);
    return option.type == Type::Size ? size_text(number) : std::to_string(number);
}

Result<Value> in_range(const Option& option, int64_t number) {
    if (number < option.min || number > option.max) {
        return named(
            option,
            "is out of range: " + text_of(option, number) + "; possible is " + limits_text(option));
    }
    if (option.power_of_two && !std::has_single_bit(static_cast<uint64_t>(number))) {
        const uint64_t near = std::bit_ceil(static_cast<uint64_t>(number));
        return named(option,
                     "must be a power of two, such as " + std::to_string(near) + "; " +
                         std::to_string(number) + " is none");
    }
    Value value;
    value.number = number;
    return value;
}

Result<Value> read_unit(const Option& option, const Node& node) {
    if (node.kind == Node::Kind::Integer) return in_range(option, node.integer);
    if (node.kind != Node::Kind::String) return wrong_type(option, node);
    const Result<int64_t> number =
        option.type == Type::Size ? parse_size(node.text) : parse_duration(node.text);
    if (!number.ok()) return in_text(option, number.error());
    return in_range(option, number.value());
}

Result<Value> read_enum(const Option& option, const Node& node) {
    if (node.kind != Node::Kind::String) return wrong_type(option, node);
    const std::span<const std::string_view> names = option.names();
    const auto found = std::ranges::find(names, node.text);
    if (found == names.end()) {
        std::string hint = did_you_mean(node.text, names);
        if (hint.empty()) hint = "; possible are " + list_text(names, " and ");
        // What stands in a user by mistake may be its password.
        if (option.section == Section::User) return named(option, "cannot be this" + hint);
        return named(option, "cannot be " + quoted(node.text) + hint);
    }
    Value value;
    value.number = found - names.begin();
    return value;
}

Result<Value> read_string(const Option& option, const Node& node) {
    if (node.kind != Node::Kind::String) return wrong_type(option, node);
    const auto size = static_cast<int64_t>(node.text.size());
    if (option.name == "hash_tag") {
        const bool is_ascii = std::ranges::none_of(
            node.text, [](char byte) { return static_cast<unsigned char>(byte) >= 0x80; });
        if (size != 2 || !is_ascii) {
            return named(option,
                         "must be exactly two characters (ASCII), as in \"{}\"; " +
                             quoted(node.text) + " is not");
        }
    }
    if (size == 0 && option.min > 0) {
        return named(option, "is empty; leave it out, or give a value");
    }
    if (size > option.max) {
        return named(option,
                     "has " + std::to_string(size) + " bytes; at most " +
                         std::to_string(option.max) + " are possible");
    }
    if (!option.secret && node.text.find('\0') != std::string::npos) {
        return named(option, "contains a NUL byte");
    }
    if (option.name == "cpu_affinity" && !node.text.empty() && node.text != "auto") {
        const auto cpus = parse_cpu_list(node.text);
        if (!cpus.ok()) return in_text(option, cpus.error());
    }
    Value value;
    value.text = node.text;
    return value;
}

Result<Value> read_address(const Option& option, const Node& node) {
    if (node.kind != Node::Kind::String) return wrong_type(option, node);
    Result<Address> address =
        option.type == Type::Listen ? parse_listen(node.text) : parse_address(node.text);
    if (!address.ok()) return in_text(option, address.error());
    Value value;
    value.address = std::move(address.value());
    return value;
}

}  // namespace

Result<Value> read_value(const Option& option, const Node& node) {
    Value value;
    switch (option.type) {
        case Type::Boolean:
            if (node.kind != Node::Kind::Boolean) return wrong_type(option, node);
            value.number = node.integer;
            return value;
        case Type::IntegerOrAuto:
            if (node.kind == Node::Kind::String && node.text == "auto") return value;
            [[fallthrough]];
        case Type::Integer:
            if (node.kind != Node::Kind::Integer) return wrong_type(option, node);
            return in_range(option, node.integer);
        case Type::Duration:
        case Type::Size:
            return read_unit(option, node);
        case Type::String:
            return read_string(option, node);
        case Type::Enum:
            return read_enum(option, node);
        case Type::Listen:
        case Type::Address:
            return read_address(option, node);
        case Type::Strings:
        case Type::Servers:
        case Type::Users:
            break;  // the reader of a pool takes them one by one
    }
    RM_ASSERT(false);
}

}  // namespace ringmain::config
