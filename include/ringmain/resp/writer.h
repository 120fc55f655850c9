// ringmain/resp/writer.h - responses and requests that are made here, and headers for what is
// forwarded.
//
// Each function appends to `out`. Where RESP2 and RESP3 differ, the client's version decides; RESP2
// shows a map as an array of keys and values, a boolean as 1 or 0, and so on, as redis does.

#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ringmain::resp {

enum class Version : uint8_t { Resp2 = 2, Resp3 = 3 };

[[nodiscard]] constexpr Version version_of(bool resp3) {
    return resp3 ? Version::Resp3 : Version::Resp2;
}

inline constexpr std::string_view ok_response = "+OK\r\n";

// "$12\r\n", "*3\r\n", ":7\r\n" without an allocation; the view lives as long as this object.
class Header {
  public:
    Header(char type, uint64_t number) {
        text_[0] = type;
        char* end = std::to_chars(&text_[1], &text_[0] + text_.size() - 2, number).ptr;
        *end++ = '\r';
        *end++ = '\n';
        size_ = static_cast<uint8_t>(end - text_.data());
    }

    [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

  private:
    std::array<char, 24> text_ = {};  // one byte, 20 digits, CR LF
    uint8_t size_;
};

// Lines: CR and LF in `text` become blanks, as in redis.
void write_simple(std::string& out, std::string_view text);
// `text` starts with its code: "ERR syntax error".
void write_error(std::string& out, std::string_view text);

void write_bulk(std::string& out, std::string_view bytes);
void write_integer(std::string& out, int64_t number);
// Text for people (INFO): a verbatim string in RESP3.
void write_text(std::string& out, std::string_view text, Version version);
void write_null(std::string& out, Version version);

void write_array_header(std::string& out, uint64_t count);
void write_set_header(std::string& out, uint64_t count, Version version);
void write_map_header(std::string& out, uint64_t pair_count, Version version);

// "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"
void write_request(std::string& out, std::initializer_list<std::string_view> arguments);

[[nodiscard]] constexpr std::string_view null_response(Version version) {
    return version == Version::Resp3 ? "_\r\n" : "$-1\r\n";
}

}  // namespace ringmain::resp
