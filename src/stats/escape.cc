#include "escape.h"

#include "ringmain/base/hex.h"
#include "ringmain/base/utf8.h"

#include <cstdint>

namespace ringmain::stats {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// `escape` writes a character of one byte; the others are copied.
template <class Escape>
void append_escaped(std::string& out, std::string_view text, const Escape& escape) {
    while (!text.empty()) {
        const uint32_t size = utf8_size(text);
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
