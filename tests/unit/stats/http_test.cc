#include "ringmain/stats/http.h"

#include "tests/split.h"

#include <string>

#include <doctest/doctest.h>

namespace ringmain::stats {

namespace {

using Status = HttpReader::Status;

// What becomes of the bytes, however they are cut.
struct Outcome {
    Status status = Status::NeedMore;
    size_t consumed = 0;
    uint16_t error = 0;
    HttpRequest request;
};

Outcome read(std::string_view head, std::string_view tail) {
    HttpReader reader;
    HttpReader::Fed fed = reader.feed(head);
    size_t consumed = fed.consumed;
    if (fed.status == Status::NeedMore) {
        REQUIRE(fed.consumed == head.size());
        fed = reader.feed(tail);
        consumed += fed.consumed;
    }
    return {fed.status, consumed, reader.error(), reader.request()};
}

Outcome read_every_way(const std::string& bytes) {
    const Outcome whole = read(bytes, "");
    ringmain::test::for_each_split(bytes, [&](std::string_view head, std::string_view tail) {
        CAPTURE(head);
        const Outcome cut = read(head, tail);
        CHECK(cut.status == whole.status);
        CHECK(cut.consumed == whole.consumed);
        CHECK(cut.error == whole.error);
        CHECK(cut.request.method == whole.request.method);
        CHECK(cut.request.path == whole.request.path);
        CHECK(cut.request.accept == whole.request.accept);
        CHECK(cut.request.keep_alive == whole.request.keep_alive);
    });
    return whole;
}

uint16_t error_of(const std::string& bytes) {
    const Outcome outcome = read_every_way(bytes);
    CHECK(outcome.status == Status::Error);
    return outcome.error;
}

HttpRequest request_of(const std::string& bytes) {
    const Outcome outcome = read_every_way(bytes);
    REQUIRE(outcome.status == Status::Complete);
    CHECK(outcome.consumed == bytes.size());
    return outcome.request;
}

}  // namespace

TEST_CASE("a request is read however it is cut") {
    const HttpRequest request = request_of(
        "GET /metrics?pool=a HTTP/1.1\r\nHost: x:9290\r\nAccept: text/plain\r\n"
        "accept:  application/openmetrics-text;q=1 \r\nUser-Agent: \r\n\r\n");
    CHECK(request.method == "GET");
    CHECK(request.path == "/metrics");
    CHECK(request.accept == "text/plain,application/openmetrics-text;q=1");
    CHECK(request.keep_alive);
}

TEST_CASE("empty lines before a request and lines without CR are taken") {
    CHECK(request_of("\r\n\n\r\nHEAD / HTTP/1.1\nHost: x\n\n").method == "HEAD");
}

TEST_CASE("a connection is kept as the version and the reader say") {
    CHECK(request_of("GET / HTTP/1.1\r\nHost: x\r\n\r\n").keep_alive);
    CHECK_FALSE(
        request_of("GET / HTTP/1.1\r\nHost: x\r\nConnection: te, Close\r\n\r\n").keep_alive);
    CHECK_FALSE(request_of("GET / HTTP/1.0\r\n\r\n").keep_alive);
    CHECK(request_of("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST_CASE("what follows a request is left for the next one") {
    const std::string first = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    HttpReader reader;
    HttpReader::Fed fed = reader.feed(first + "GET /b HTTP/1.1\r\nHo");
    REQUIRE(fed.status == Status::Complete);
    CHECK(fed.consumed == first.size());
    CHECK(reader.request().path == "/a");
    // Until it is told to go on, it stays where it is.
    CHECK(reader.feed("GET").status == Status::Complete);
    CHECK(reader.feed("GET").consumed == 0);
    reader.next();
    CHECK(reader.is_idle());
    CHECK(reader.feed("GET /b HTTP/1.1\r\nHo").status == Status::NeedMore);
    CHECK_FALSE(reader.is_idle());
    CHECK(reader.feed("st: x\r\n\r\n").status == Status::Complete);
    CHECK(reader.request().path == "/b");
}

TEST_CASE("the absolute form of a target is its path") {
    CHECK(request_of("GET http://h:1/readyz?x HTTP/1.1\r\nHost: h\r\n\r\n").path == "/readyz");
    CHECK(request_of("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").path == "/");
}

TEST_CASE("what is no request is refused as soon as its line has come") {
    CHECK(error_of("*1\r\n$4\r\nPING\r\n") == 400);
    CHECK(error_of("PING\r\n") == 400);
    CHECK(error_of("GET /\r\n") == 400);
    CHECK(error_of("GET / HTTP/1.1 \r\n") == 400);
    CHECK(error_of("GET / http/1.1\r\n") == 400);
    CHECK(error_of("G\x01T / HTTP/1.1\r\n") == 400);
    CHECK(error_of("GET metrics HTTP/1.1\r\n") == 400);
    CHECK(error_of("GET /a b HTTP/1.1\r\n") == 400);
    CHECK(error_of(std::string("GET /a\0b HTTP/1.1\r\n", 20)) == 400);
    CHECK(error_of("GET /\xC3\xA9 HTTP/1.1\r\n") == 400);
    CHECK(error_of("PRI * HTTP/2.0\r\n") == 505);
}

TEST_CASE("malformed headers are refused") {
    const std::string line = "GET / HTTP/1.1\r\nHost: x\r\n";
    CHECK(error_of(line + "no colon\r\n") == 400);
    CHECK(error_of(line + "Host: y\r\n") == 400);
    CHECK(error_of(line + "Blank : y\r\n") == 400);
    CHECK(error_of(line + " folded\r\n") == 400);
    CHECK(error_of(line + ": nameless\r\n") == 400);
    CHECK(error_of(line + "X: a\x01\r\n") == 400);
    CHECK(error_of("GET / HTTP/1.1\r\n\r\n") == 400);  // no host
}

TEST_CASE("what is wrong with a header is said") {
    const auto why = [](std::string_view text) {
        HttpReader reader;
        CHECK(reader.feed(text).status == HttpReader::Status::Error);
        return reader.why();
    };
    CHECK(why("GET / HTTP/1.1\r\nAccept: */*\r\n\r\n") ==
          "HTTP/1.1 wants a Host header: send one, or speak HTTP/1.0");
    CHECK(why("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n") == "there are two Host headers");
    CHECK(why("GET / HTTP/1.1\r\nHost\r\n") == "a header is written NAME: VALUE");
    CHECK(why("PING\r\n").empty());
}

TEST_CASE("a body is refused, an empty one is none") {
    const std::string line = "GET / HTTP/1.1\r\nHost: x\r\n";
    CHECK(error_of(line + "Content-Length: 1\r\n") == 413);
    CHECK(error_of(line + "Content-Length: x\r\n") == 400);
    CHECK(error_of(line + "Content-Length: 99999999999999999999999\r\n") == 400);
    CHECK(error_of(line + "Transfer-Encoding: chunked\r\n") == 413);
    CHECK(request_of(line + "Content-Length: 0\r\n\r\n").path == "/");
}

TEST_CASE("eight KiB are enough, more are refused") {
    const std::string begin = "GET /";
    const std::string end = " HTTP/1.1\r\nHost: x\r\n\r\n";
    const size_t room = HttpReader::head_size_max - begin.size() - end.size();
    HttpReader reader;
    CHECK(reader.feed(begin + std::string(room, 'a') + end).status == Status::Complete);
    reader.next();
    CHECK(reader.feed(begin + std::string(room + 1, 'a') + end).status == Status::Error);
    CHECK(reader.error() == 431);
    reader.next();
    CHECK(reader.feed(begin + std::string(HttpReader::head_size_max, 'a')).status == Status::Error);
    CHECK(reader.error() == 414);
    // Also when it is nothing but empty lines.
    reader.next();
    CHECK(reader.feed(std::string(HttpReader::head_size_max, '\n')).status == Status::NeedMore);
    CHECK(reader.feed("\n").status == Status::Error);
}

TEST_CASE("a response says its length; to HEAD it says no more") {
    CHECK(http_text({.body = "ok\n", .keep_alive = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
          "Connection: keep-alive\r\nCache-Control: no-store\r\n"
          "X-Content-Type-Options: nosniff\r\n\r\nok\n");
    const std::string head =
        http_text({.status = 404, .body = "no\n", .head_only = true, .more_headers = "A: b\r\n"});
    CHECK(head.starts_with("HTTP/1.1 404 Not Found\r\n"));
    CHECK(head.ends_with("\r\nA: b\r\n\r\n"));
    CHECK(head.find("Content-Length: 3\r\n") != std::string::npos);
    CHECK(head.find("Connection: close\r\n") != std::string::npos);
}

}  // namespace ringmain::stats
