#include "src/worker/pid_file.h"

#include "tests/unit/worker/folder.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

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

}  // namespace ringmain::worker
