#include "src/worker/pid_file.h"

#include "tests/files.h"

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

using ringmain::test::Folder;

std::string first_line_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// No file may grow while it lives.
class NoGrowth {
  public:
    NoGrowth() {
        REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
        const rlimit none = {.rlim_cur = 0, .rlim_max = before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
    }

    NoGrowth(const NoGrowth&) = delete;
    NoGrowth& operator=(const NoGrowth&) = delete;

    ~NoGrowth() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

  private:
    rlimit before_ = {};
    void (*handler_)(int) = std::signal(SIGXFSZ, SIG_IGN);
};

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
        REQUIRE(PidFile::prepare(path).ok());
        CHECK_FALSE(std::filesystem::exists(path));
        REQUIRE(file.write(path).ok());
        CHECK(first_line_of(path) == std::to_string(getpid()));
    }
    CHECK(folder.is_empty());
    std::ofstream(path) << "12\n";
    {
        PidFile file;
        REQUIRE(PidFile::prepare(path).ok());
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
        REQUIRE(PidFile::prepare(path).ok());
        std::ofstream(path) << "12\n";
    }
    CHECK(first_line_of(path) == "12");
}

TEST_CASE("a pid file may be behind links that lead to none yet") {
    const Folder folder;
    const std::string path = folder.file("pid");
    const std::string link = folder.file("link");
    std::filesystem::create_symlink("pid", link);
    std::filesystem::create_symlink(link, folder.file("other"));
    {
        PidFile file;
        REQUIRE(PidFile::prepare(folder.file("other")).ok());
        CHECK_FALSE(std::filesystem::exists(path));
        REQUIRE(file.write(folder.file("other")).ok());
        CHECK(first_line_of(path) == std::to_string(getpid()));
    }
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(std::filesystem::is_symlink(link));
}

TEST_CASE("a pid file that cannot be written keeps what it holds") {
    const Folder folder;
    const std::string path = folder.file("pid");
    std::ofstream(path) << "12\n";
    {
        const NoGrowth none;
        PidFile file;
        CHECK_FALSE(file.write(path).ok());
    }
    CHECK(first_line_of(path) == "12");
}

TEST_CASE("of a pid file that cannot be written nothing is left") {
    const Folder folder;
    const NoGrowth none;
    PidFile file;
    CHECK_FALSE(file.write(folder.file("pid")).ok());
    CHECK(folder.is_empty());
}

TEST_CASE("a pid file that cannot be written is an error that names it") {
    PidFile file;
    for (const Status& status :
         {PidFile::prepare("/nonexistent/folder/pid"), file.write("/nonexistent/folder/pid")}) {
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
