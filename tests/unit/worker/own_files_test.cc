#include "ringmain/worker/serve.h"
#include "tests/files.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::worker {

namespace {

using ringmain::test::Folder;

std::string said_of(const std::string& log, const std::string& pid, const std::string& file) {
    config::Config config;
    config.file = file;
    config.proxy.log_file = log;
    config.proxy.pid_file = pid;
    const Status status = check_files(config);
    return status.ok() ? "" : status.error();
}

}  // namespace

TEST_CASE("the log, the pid file and the configuration are three files") {
    const Folder folder;
    const std::string file = folder.file("ringmain.toml");
    std::ofstream(file) << "x";
    const std::string a = folder.file("a");
    CHECK(said_of("", "", file).empty());
    CHECK(said_of(a, folder.file("b"), file).empty());
    CHECK(said_of("/dev/null", "/dev/null", "standard input").empty());
    CHECK(said_of(a, a, file) == "log_file '" + a + "' and pid_file '" + a +
                                     "' are one file: choose another path for one of them");
    CHECK(said_of(a, folder.file("./a"), file).ends_with("choose another path for one of them"));
    CHECK(said_of(file, "", file) == "log_file '" + file + "' is the configuration file '" + file +
                                         "': it would be written over; choose another path");
    CHECK(
        said_of(a, folder.file("../") + file.substr(file.rfind('/', file.rfind('/') - 1) + 1), file)
            .starts_with("pid_file '"));
}

TEST_CASE("a file is the same by another name") {
    const Folder folder;
    const std::string file = folder.file("ringmain.toml");
    const std::string link = folder.file("link");
    const std::string hard = folder.file("hard");
    std::ofstream(file) << "x";
    std::filesystem::create_symlink("ringmain.toml", link);
    std::filesystem::create_hard_link(file, hard);
    CHECK(said_of(link, "", file).starts_with("log_file '" + link + "' is the configuration"));
    CHECK(said_of("", hard, file).starts_with("pid_file '" + hard + "' is the configuration"));
    CHECK(said_of(link, hard, "other").ends_with("choose another path for one of them"));
}

}  // namespace ringmain::worker
