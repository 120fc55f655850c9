// src/stats/json_writer.h - one line of JSON with twemproxy's spacing.
//
//   {"service":"ringmain", "uptime":2, "alpha": {"client_eof":0, "list": [1, 2]}}
//
// Names and texts are escaped, so the result is valid whatever they are.

#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "escape.h"

namespace ringmain::stats {

class JsonWriter {
  public:
    void number(std::string_view name, uint64_t value) {
        key(name, ":");
        out_ += std::to_string(value);
    }

    void signed_number(std::string_view name, int64_t value) {
        key(name, ":");
        out_ += std::to_string(value);
    }

    void text(std::string_view name, std::string_view value) {
        key(name, ":");
        out_ += '"';
        append_json_text(out_, value);
        out_ += '"';
    }

    void boolean(std::string_view name, bool value) {
        key(name, ":");
        out_ += value ? "true" : "false";
    }

    void begin(std::string_view name) {
        key(name, ": ");
        out_ += '{';
        names_.emplace_back();
    }

    void begin_list(std::string_view name) {
        key(name, ": ");
        out_ += '[';
    }

    // An object in a list.
    void begin_entry() {
        comma();
        out_ += '{';
        names_.emplace_back();
    }

    void end() {
        out_ += '}';
        names_.pop_back();
    }

    void end_list() { out_ += ']'; }

    // The object that is open has a member of that name.
    [[nodiscard]] bool has(std::string_view name) const {
        const std::vector<std::string>& names = names_.back();
        return std::find(names.begin(), names.end(), name) != names.end();
    }

    // The whole, closed.
    [[nodiscard]] std::string take() {
        out_ += "}\n";
        return std::move(out_);
    }

  private:
    void comma() {
        if (out_.back() != '{' && out_.back() != '[') out_ += ", ";
    }

    void key(std::string_view name, std::string_view separator) {
        comma();
        names_.back().emplace_back(name);
        out_ += '"';
        append_json_text(out_, name);
        out_ += '"';
        out_ += separator;
    }

    std::string out_ = "{";
    std::vector<std::vector<std::string>> names_{1};  // by depth
};

}  // namespace ringmain::stats
