#include "ringmain/worker/log.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::worker {
namespace {

using config::LogLevel;

class Folder {
  public:
    Folder() {
        std::string name =
            (std::filesystem::temp_directory_path() / "ringmain-log-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    ~Folder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

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
    const std::string text = content_of(folder.file("log"));
    CHECK(text.find(" notice: shown\n") != std::string::npos);
    CHECK(text.find(" info: now shown\n") != std::string::npos);
    CHECK(text.find("hidden") == std::string::npos);
}

TEST_CASE("nothing that came from outside can forge a line") {
    const Folder folder;
    Log log(LogLevel::Notice);
    REQUIRE(log.open(folder.file("log")).ok());
    log.write(LogLevel::Notice, "a\nb\x1b[2J");
    const std::string text = content_of(folder.file("log"));
    CHECK(text.find("a?b?[2J\n") != std::string::npos);
}

TEST_CASE("after a rotation lines go to the new file") {
    const Folder folder;
    Log log(LogLevel::Notice);
    REQUIRE(log.open(folder.file("log")).ok());
    log.write(LogLevel::Notice, "before");
    REQUIRE(std::rename(folder.file("log").c_str(), folder.file("old").c_str()) == 0);
    log.reopen();
    log.write(LogLevel::Notice, "after");
    CHECK(content_of(folder.file("old")).find("after") == std::string::npos);
    CHECK(content_of(folder.file("log")).find("after") != std::string::npos);
}

TEST_CASE("a log file that cannot be opened is an error that names it") {
    Log log(LogLevel::Notice);
    const Status status = log.open("/nonexistent/folder/log");
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().find("/nonexistent/folder/log") != std::string::npos);
}

}  // namespace
}  // namespace ringmain::worker
