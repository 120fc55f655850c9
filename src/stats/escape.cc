#include "escape.h"

#include "ringmain/base/hex.h"

#include <cstddef>
#include <cstdint>

namespace ringmain::stats {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// How many bytes the character at the beginning has; 0 when it is no UTF-8.
size_t character_size(std::string_view text) {
    const auto byte_at = [text](size_t index) {
        return index < text.size() ? static_cast<unsigned char>(text[index]) : 0U;
    };
    const auto follows = [&byte_at](size_t index) { return (byte_at(index) & 0xC0U) == 0x80U; };
    const unsigned first = byte_at(0);
    if (first < 0x80) return 1;
    if (first < 0xC2) return 0;
    if (first < 0xE0) return follows(1) ? 2 : 0;
    if (first < 0xF0) {
        if (!follows(1) || !follows(2)) return 0;
        if (first == 0xE0 && byte_at(1) < 0xA0) return 0;  // longer than need be
        if (first == 0xED && byte_at(1) > 0x9F) return 0;  // a surrogate
        return 3;
    }
    if (first > 0xF4 || !follows(1) || !follows(2) || !follows(3)) return 0;
    if (first == 0xF0 && byte_at(1) < 0x90) return 0;
    if (first == 0xF4 && byte_at(1) > 0x8F) return 0;
    return 4;
}

// `escape` writes a character of one byte; the others are copied.
template <class Escape>
void append_escaped(std::string& out, std::string_view text, const Escape& escape) {
    while (!text.empty()) {
        const size_t size = character_size(text);
        if (size == 1) {
            escape(out, text.front());
        } else {
            out += size == 0 ? replacement : text.substr(0, size);
        }
        text.remove_prefix(size == 0 ? 1 : size);
    }
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
    append_escaped(out, text, [](std::string& to, char byte) {
        if (byte == '"' || byte == '\\') {
            to += '\\';
            to += byte;
        } else if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) {
            to += "\\u00";
            append_hex(to, static_cast<uint8_t>(byte));
        } else {
            to += byte;
        }
    });
}

void append_label_text(std::string& out, std::string_view text) {
    append_escaped(out, text, [](std::string& to, char byte) {
        if (byte == '"' || byte == '\\') {
            to += '\\';
            to += byte;
        } else if (byte == '\n') {
            to += "\\n";
        } else {
            to += byte;
        }
    });
}

void append_html_text(std::string& out, std::string_view text) {
    append_escaped(out, text, [](std::string& to, char byte) {
        switch (byte) {
            case '&':
                to += "&amp;";
                break;
            case '<':
                to += "&lt;";
                break;
            case '>':
                to += "&gt;";
                break;
            case '"':
                to += "&quot;";
                break;
            case '\'':
                to += "&#39;";
                break;
            default:
                // Control characters have no place in HTML.
                to += static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F ? ' ' : byte;
        }
    });
}

}  // namespace ringmain::stats
