#include "ringmain/stats/http.h"

#include "ringmain/base/ascii.h"

#include <algorithm>

namespace ringmain::stats {

namespace {

constexpr uint16_t bad_request = 400;
constexpr uint16_t has_body = 413;
constexpr uint16_t target_too_long = 414;
constexpr uint16_t head_too_long = 431;
constexpr uint16_t other_version = 505;

constexpr std::string_view malformed_header = "a header is written NAME: VALUE";

bool is_token(std::string_view text) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char byte) {
        return ascii::is_letter(byte) || ascii::is_digit(byte) ||
               others.find(byte) != std::string_view::npos;
    });
}

bool has_control_character(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) < 0x20 && byte != '\t') || byte == 0x7F;
    });
}

std::string_view reason_of(uint16_t status) {
    switch (status) {
        case 200:
            return "OK";
        case 400:
            return "Bad Request";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 431:
            return "Request Header Fields Too Large";
        case 503:
            return "Service Unavailable";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Error";
    }
}

}  // namespace

HttpReader::Fed HttpReader::feed(std::string_view bytes) {
    size_t consumed = 0;
    while (part_ != Part::Done && error_ == 0) {
        if (consumed == bytes.size()) return {.status = Status::NeedMore, .consumed = consumed};
        const char byte = bytes[consumed];
        consumed += 1;
        head_size_ += 1;
        if (head_size_ > head_size_max) {
            fail(part_ == Part::RequestLine ? target_too_long : head_too_long);
        } else if (byte == '\n') {
            std::string_view line = line_;
            if (line.ends_with('\r')) line.remove_suffix(1);
            take_line(line);
            line_.clear();
        } else {
            line_ += byte;
        }
    }
    return {.status = error_ != 0 ? Status::Error : Status::Complete, .consumed = consumed};
}

void HttpReader::next() {
    *this = HttpReader();
}

void HttpReader::take_line(std::string_view line) {
    if (part_ == Part::RequestLine) {
        // Empty lines before a request are what some clients send behind the one before.
        if (line.empty()) return;
        take_request_line(line);
        part_ = Part::Headers;
    } else if (line.empty()) {
        finish();
    } else {
        take_header(line);
    }
}

// "GET /metrics?pool=a HTTP/1.1"
void HttpReader::take_request_line(std::string_view line) {
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return fail(bad_request);
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(method)) return fail(bad_request);
    if (version.size() != 8 || !version.starts_with("HTTP/") || !ascii::is_digit(version[5]) ||
        version[6] != '.' || !ascii::is_digit(version[7])) {
        return fail(bad_request);
    }
    if (version[5] != '1') return fail(other_version);
    is_http_1_1_ = version[7] != '0';
    request_.method = method;
    take_target(target);
}

// "/path?query", or the same behind "http://host", as proxies write it.
void HttpReader::take_target(std::string_view target) {
    constexpr std::string_view scheme = "http://";
    if (target.starts_with(scheme)) {
        const size_t path = target.find('/', scheme.size());
        target = path == std::string_view::npos ? "/" : target.substr(path);
    }
    const bool plain = std::all_of(
        target.begin(), target.end(), [](char byte) { return byte > ' ' && byte < 0x7F; });
    if (!target.starts_with('/') || !plain) return fail(bad_request);
    request_.path = target.substr(0, target.find('?'));
}

void HttpReader::take_header(std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(bad_request, malformed_header);
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = ascii::trimmed(line.substr(colon + 1));
    if (!is_token(name) || has_control_character(value)) {
        return fail(bad_request, malformed_header);
    }

    if (ascii::equal_ignoring_case(name, "host")) {
        if (has_host_) return fail(bad_request, "there are two Host headers");
        has_host_ = true;
    } else if (ascii::equal_ignoring_case(name, "accept")) {
        if (!request_.accept.empty()) request_.accept += ",";
        request_.accept += value;
    } else if (ascii::equal_ignoring_case(name, "connection")) {
        take_connection(value);
    } else if (ascii::equal_ignoring_case(name, "content-length")) {
        const std::optional<uint64_t> size = ascii::parse_uint64(value);
        if (!size.has_value()) return fail(bad_request);
        if (*size > 0) return fail(has_body);
    } else if (ascii::equal_ignoring_case(name, "transfer-encoding")) {
        fail(has_body);
    }
}

void HttpReader::take_connection(std::string_view value) {
    while (!value.empty()) {
        const size_t comma = value.find(',');
        const std::string_view word = ascii::trimmed(value.substr(0, comma));
        if (ascii::equal_ignoring_case(word, "close")) said_close_ = true;
        if (ascii::equal_ignoring_case(word, "keep-alive")) said_keep_alive_ = true;
        value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
    }
}

void HttpReader::finish() {
    if (is_http_1_1_ && !has_host_) {
        return fail(bad_request, "HTTP/1.1 wants a Host header: send one, or speak HTTP/1.0");
    }
    request_.keep_alive = !said_close_ && (is_http_1_1_ || said_keep_alive_);
    part_ = Part::Done;
}

std::string http_text(const HttpResponse& response) {
    std::string out = "HTTP/1.1 ";
    out.append(std::to_string(response.status)).append(" ").append(reason_of(response.status));
    out.append("\r\nContent-Type: ").append(response.content_type);
    out.append("\r\nContent-Length: ").append(std::to_string(response.body.size()));
    out.append("\r\nConnection: ").append(response.keep_alive ? "keep-alive" : "close");
    out.append("\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    out.append(response.more_headers).append("\r\n");
    if (!response.head_only) out.append(response.body);
    return out;
}

}  // namespace ringmain::stats
