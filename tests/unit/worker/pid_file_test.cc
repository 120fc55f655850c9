#include "src/worker/pid_file.h"

#include "tests/unit/worker/folder.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <sys/stat.h>

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

TEST_CASE("a pid file that cannot be written is an error that names it") {
    PidFile file;
    const Status status = file.write("/nonexistent/folder/pid");
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().find("/nonexistent/folder/pid") != std::string::npos);
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
