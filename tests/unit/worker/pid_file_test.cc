#include "src/worker/pid_file.h"

#include "tests/unit/worker/folder.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmain::worker {

namespace {

std::string first_line_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

}  // namespace

TEST_CASE("a pid file is there while its process serves") {
    const Folder folder;
    const std::string path = folder.file("pid");
    {
        PidFile file;
        REQUIRE(file.write(path).ok());
        CHECK(first_line_of(path) == std::to_string(getpid()));
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("the pid file of a successor is left to it") {
    const Folder folder;
    const std::string path = folder.file("pid");
    {
        PidFile file;
        REQUIRE(file.write(path).ok());
        std::ofstream(path) << getpid() << "1\n";
    }
    CHECK(first_line_of(path) == std::to_string(getpid()) + "1");
}

TEST_CASE("a pid file is tried before it is written, and what is there stays until then") {
    const Folder folder;
    const std::string path = folder.file("pid");
    {
        PidFile file;
        REQUIRE(file.prepare(path).ok());
        CHECK(first_line_of(path).empty());
    }
    CHECK_FALSE(std::filesystem::exists(path));
    std::ofstream(path) << "12\n";
    {
        PidFile file;
        REQUIRE(file.prepare(path).ok());
        CHECK(first_line_of(path) == "12");
        REQUIRE(file.write(path).ok());
        CHECK(first_line_of(path) == std::to_string(getpid()));
        std::ofstream(path) << "12\n";
    }
    CHECK(first_line_of(path) == "12");
}

TEST_CASE("a pid file of whoever wrote it meanwhile is left to it") {
    const Folder folder;
    const std::string path = folder.file("pid");
    {
        PidFile file;
        REQUIRE(file.prepare(path).ok());
        std::ofstream(path) << "12\n";
    }
    CHECK(first_line_of(path) == "12");
}

TEST_CASE("a pid file that cannot be written keeps what it holds") {
    const Folder folder;
    const std::string path = folder.file("pid");
    std::ofstream(path) << "12\n";
    rlimit before = {};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
    {
        PidFile file;
        CHECK_FALSE(file.write(path).ok());
    }
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, handler);
    CHECK(first_line_of(path) == "12");
}

TEST_CASE("a pid file that cannot be written is an error that names it") {
    PidFile file;
    for (const Status& status :
         {file.prepare("/nonexistent/folder/pid"), file.write("/nonexistent/folder/pid")}) {
        REQUIRE_FALSE(status.ok());
        CHECK(status.error().find("/nonexistent/folder/pid") != std::string::npos);
    }
}

TEST_CASE("what another process left is written anew, and what is no pid file stays") {
    const Folder folder;
    const std::string path = folder.file("pid");
    for (const std::string_view old : {"", "1234567890", "12\n"}) {
        CAPTURE(old);
        std::ofstream(path) << old;
        PidFile file;
        REQUIRE(file.write(path).ok());
        CHECK(first_line_of(path) == std::to_string(getpid()));
    }
    for (const std::string_view other : {"[proxy]\n", "123456789012345678901234567890"}) {
        std::ofstream(path) << other;
        {
            PidFile file;
            const Status status = file.write(path);
            REQUIRE_FALSE(status.ok());
            CHECK(status.error() == "cannot write the pid file '" + path +
                                        "': it is there and holds something else; choose another "
                                        "pid_file, or remove it");
        }
        CHECK(first_line_of(path) + "\n" == std::string(other).substr(0, other.find('\n')) + "\n");
    }
    const std::string fifo = folder.file("fifo");
    REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
    PidFile file;
    CHECK_FALSE(file.write(fifo).ok());
    CHECK_FALSE(file.write("/dev/null").ok());
}

}  // namespace ringmain::worker
