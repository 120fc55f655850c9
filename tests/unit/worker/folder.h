// tests/unit/worker/folder.h - a folder of the test's own, removed at its end.

#pragma once

#include <filesystem>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::worker {

class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "ringmain-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    ~Folder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }

    [[nodiscard]] bool is_empty() const { return std::filesystem::is_empty(path_); }

  private:
    std::filesystem::path path_;
};

}  // namespace ringmain::worker
