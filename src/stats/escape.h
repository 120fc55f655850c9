// src/stats/escape.h - text of others inside texts of ours.
//
// Whatever the bytes, the result is valid: bytes that are no UTF-8 become U+FFFD.

#pragma once

#include <string>
#include <string_view>

namespace ringmain::stats {

// Between the quotes of JSON.
void append_json_text(std::string& out, std::string_view text);

// Between the quotes of a Prometheus label.
void append_label_text(std::string& out, std::string_view text);

void append_html_text(std::string& out, std::string_view text);

}  // namespace ringmain::stats
