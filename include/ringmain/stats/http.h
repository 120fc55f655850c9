// ringmain/stats/http.h - as much of HTTP/1.1 as the admin port needs.
//
// HttpReader takes a request from bytes that arrive in any pieces:
//
//   feed(bytes) -> NeedMore   all consumed, the head goes on
//               -> Complete   request() is there until next(); the rest is the next one's
//               -> Error      error() is the status to answer with, then close
//
// It holds at most head_size_max bytes. Only the head is read: a request with a body is an error,
// since nothing here takes one.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmain::stats {

struct HttpRequest {
    std::string method;
    std::string path;    // as sent, up to '?': no page takes a query
    std::string accept;  // several headers joined with commas
    bool keep_alive = false;
};

class HttpReader {
  public:
    static constexpr size_t head_size_max = 8192;

    enum class Status : uint8_t { NeedMore, Complete, Error };

    struct Fed {
        Status status = Status::NeedMore;
        size_t consumed = 0;
    };

    Fed feed(std::string_view bytes);

    [[nodiscard]] const HttpRequest& request() const { return request_; }

    // 400 malformed, 413 has a body, 414 and 431 too long, 505 not HTTP/1.
    [[nodiscard]] uint16_t error() const { return error_; }

    // What is wrong, where there is more to say than error(); else empty.
    [[nodiscard]] std::string_view why() const { return why_; }

    // Nothing of a request has come yet.
    [[nodiscard]] bool is_idle() const { return head_size_ == 0; }

    // Forgets the request or error: the next bytes begin a new one.
    void next();

  private:
    enum class Part : uint8_t { RequestLine, Headers, Done };

    void take_line(std::string_view line);
    void take_request_line(std::string_view line);
    void take_target(std::string_view target);
    void take_header(std::string_view line);
    void take_connection(std::string_view value);
    void finish();

    void fail(uint16_t status, std::string_view why = {}) {
        error_ = status;
        why_ = why;
    }

    HttpRequest request_;
    std::string line_;
    size_t head_size_ = 0;
    Part part_ = Part::RequestLine;
    uint16_t error_ = 0;
    std::string_view why_;  // static
    bool is_http_1_1_ = false;
    bool has_host_ = false;
    bool said_close_ = false;
    bool said_keep_alive_ = false;
};

struct HttpResponse {
    uint16_t status = 200;
    std::string_view content_type = "text/plain; charset=utf-8";
    std::string_view body = {};
    bool head_only = false;  // of a HEAD request: the length is said, the body not sent
    bool keep_alive = false;
    std::string_view more_headers = {};  // complete lines
};

[[nodiscard]] std::string http_text(const HttpResponse& response);

}  // namespace ringmain::stats
