#include "ringmain/worker/log.h"

#include "tests/files.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <string>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmain::worker {
namespace {

using config::LogLevel;
using ringmain::test::Folder;
using ringmain::test::text_in;

TEST_CASE("lines above the level are left out, and the level can change") {
    const Folder folder;
    Log log(LogLevel::Notice);
    REQUIRE(log.open(folder.file("log")).ok());
    log.write(LogLevel::Info, "hidden");
    log.write(LogLevel::Notice, "shown");
    CHECK(log.change_level(1) == LogLevel::Info);
    log.write(LogLevel::Info, "now shown");
    CHECK(log.change_level(-9) == LogLevel::Error);
    log.write(LogLevel::Warning, "hidden again");
    const std::string text = text_in(folder.file("log"));
    CHECK(text.find(" notice: shown\n") != std::string::npos);
    CHECK(text.find(" info: now shown\n") != std::string::npos);
    CHECK(text.find("hidden") == std::string::npos);
}

TEST_CASE("nothing that came from outside can forge a line") {
    const Folder folder;
    Log log(LogLevel::Notice);
    REQUIRE(log.open(folder.file("log")).ok());
    log.write(LogLevel::Notice, "a\nb\x1b[2J");
    log.write(LogLevel::Notice, "\xc2\x9b[2J \x9b[2J \xe2\x80\xa8x gr\xc3\xbc\xc3\x9f");
    const std::string text = text_in(folder.file("log"));
    CHECK(text.find("a?b?[2J\n") != std::string::npos);
    CHECK(text.find("notice: ??[2J ?[2J ???x gr\xc3\xbc\xc3\x9f\n") != std::string::npos);
}

// All that can be read now.
std::string drain(int pipe) {
    std::string text;
    char bytes[65536];
    ssize_t size = 0;
    while ((size = read(pipe, bytes, sizeof bytes)) > 0) {
        text.append(bytes, static_cast<size_t>(size));
    }
    return text;
}

size_t open_files() {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
}

TEST_CASE("whoever writes does not wait for a reader who stands still, who is told what is lost") {
    const Folder folder;
    const std::string path = folder.file("pipe");
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(reader >= 0);
    Log log(LogLevel::Notice);
    REQUIRE(log.open(path).ok());
    alarm(20);  // a log that waits ends here
    constexpr size_t lines = 3000;
    const std::string line(200, 'x');
    for (size_t i = 0; i < lines; ++i) {
        log.write(LogLevel::Notice, line);
    }
    log.write(LogLevel::Notice, std::string(20'000, 'y'));
    alarm(0);
    const std::string before = drain(reader);
    const auto kept = static_cast<size_t>(std::ranges::count(before, '\n'));
    CHECK(kept > 100);
    CHECK(kept < lines);
    CHECK(before.find("yy") == std::string::npos);

    log.write(LogLevel::Notice, "again");
    const std::string after = drain(reader);
    const size_t told =
        after.find(" warning: " + std::to_string(lines + 1 - kept) + " lines of the log lost here");
    CAPTURE(after);
    CHECK(told != std::string::npos);
    CHECK(after.find(" notice: again\n") > told);
    log.write(LogLevel::Notice, "and again");
    CHECK(drain(reader).find("lost") == std::string::npos);
    close(reader);
}

TEST_CASE("a pipe that nobody reads is no reason to wait, and its reader gets what was said") {
    const Folder folder;
    const std::string path = folder.file("pipe");
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    Log log(LogLevel::Notice);
    alarm(20);  // a log that waits ends here
    REQUIRE(log.open(path).ok());
    log.write(LogLevel::Notice, "early");
    CHECK(log.reopen());
    const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(reader >= 0);
    log.write(LogLevel::Notice, "late");
    alarm(0);
    const std::string text = drain(reader);
    CHECK(text.find(" notice: early\n") != std::string::npos);
    CHECK(text.find(" notice: late\n") != std::string::npos);
    close(reader);
}

// A terminal of the test's own.
struct Terminal {
    Terminal() {
        REQUIRE(reader >= 0);
        REQUIRE(unlockpt(reader) == 0);
        char name[64] = {};
        REQUIRE(ptsname_r(reader, name, sizeof name) == 0);
        path = name;
        writer = open(name, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        REQUIRE(writer >= 0);
    }

    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    ~Terminal() {
        close(writer);
        close(reader);
    }

    int reader = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int writer = -1;
    std::string path;
};

// Fills it, and reads it as often as it takes a whole line again.
void check_that_nobody_waits(const Log& log, int reader) {
    alarm(20);  // a log that waits ends here
    for (int i = 0; i < 1000; ++i) {
        log.write(LogLevel::Notice, std::string(200, 'x'));
    }
    std::string text;
    for (int i = 0; i < 5; ++i) {
        text += drain(reader);
        log.write(LogLevel::Notice, "again");
    }
    alarm(0);
    text += drain(reader);
    CAPTURE(text);
    CHECK(text.find(" lines of the log lost here: whoever reads it was too slow\r\n") !=
          std::string::npos);
    CHECK(text.ends_with(" notice: again\r\n"));
}

TEST_CASE("a terminal that nobody reads is no reason to wait") {
    const Terminal terminal;
    SUBCASE("as a file") {
        Log log(LogLevel::Notice);
        REQUIRE(log.open(terminal.path).ok());
        check_that_nobody_waits(log, terminal.reader);
    }
    SUBCASE("as standard error, which stays as it is") {
        const int before = dup(STDERR_FILENO);
        REQUIRE(dup2(terminal.writer, STDERR_FILENO) == STDERR_FILENO);
        {
            const Log log(LogLevel::Notice);
            check_that_nobody_waits(log, terminal.reader);
        }
        CHECK((fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK) == 0);
        REQUIRE(dup2(before, STDERR_FILENO) == STDERR_FILENO);
        close(before);
    }
}

TEST_CASE("a file that may not grow loses whole lines, and the next one says how many and why") {
    const Folder folder;
    Log log(LogLevel::Notice);
    REQUIRE(log.open(folder.file("log")).ok());
    rlimit before = {};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit little = {.rlim_cur = 100, .rlim_max = before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &little) == 0);
    for (int i = 0; i < 5; ++i) {
        log.write(LogLevel::Notice, std::string(40, 'x'));
    }
    CHECK(log.reopen());
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, handler);
    log.write(LogLevel::Notice, "again");
    const std::string text = text_in(folder.file("log"));
    CAPTURE(text);
    CHECK(std::ranges::count(text, '\n') == 4);
    CHECK(text[100] == '\n');
    CHECK(text.find(" warning: 4 lines of the log lost here: File too large (EFBIG)\n") !=
          std::string::npos);
    CHECK(text.ends_with(" notice: again\n"));
}

TEST_CASE("a line has a limit") {
    const Folder folder;
    Log log(LogLevel::Notice);
    REQUIRE(log.open(folder.file("log")).ok());
    log.write(LogLevel::Notice, std::string(10'000, 'x'));
    CHECK(text_in(folder.file("log")).size() == 4096);
}

TEST_CASE("another file, or none, leaves no descriptor open") {
    const Folder folder;
    Log log(LogLevel::Error);
    const size_t before = open_files();  // of a terminal it has one of its own
    for (int i = 0; i < 3; ++i) {
        REQUIRE(log.open(folder.file("log")).ok());
        REQUIRE(log.open(folder.file("other")).ok());
        CHECK(open_files() == before + 1);
        REQUIRE(log.open("").ok());
        CHECK(open_files() == before);
    }
}

TEST_CASE("after a rotation lines go to the new file") {
    const Folder folder;
    Log log(LogLevel::Notice);
    REQUIRE(log.open(folder.file("log")).ok());
    log.write(LogLevel::Notice, "before");
    REQUIRE(std::rename(folder.file("log").c_str(), folder.file("old").c_str()) == 0);
    CHECK(log.reopen());
    log.write(LogLevel::Notice, "after");
    CHECK(text_in(folder.file("old")).find("after") == std::string::npos);
    CHECK(text_in(folder.file("log")).find("after") != std::string::npos);
}

TEST_CASE("a log that cannot be opened anew goes on in the old file and says so") {
    const Folder folder;
    Log log(LogLevel::Notice);
    REQUIRE(log.open(folder.file("log")).ok());
    REQUIRE(std::rename(folder.file("log").c_str(), folder.file("old").c_str()) == 0);
    REQUIRE(std::filesystem::create_directory(folder.file("log")));
    CHECK_FALSE(log.reopen());
    CHECK(text_in(folder.file("old")).find("the old one is still written to") != std::string::npos);
}

TEST_CASE("a log file that cannot be opened is an error that names it") {
    Log log(LogLevel::Notice);
    const Status status = log.open("/nonexistent/folder/log");
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().find("/nonexistent/folder/log") != std::string::npos);
}

}  // namespace
}  // namespace ringmain::worker
