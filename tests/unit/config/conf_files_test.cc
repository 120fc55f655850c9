// The configurations that come with the program are accepted without a word, and the reference is
// what the table of options makes of itself.

#include "ringmain/config/command_line.h"
#include "ringmain/config/errors.h"
#include "ringmain/config/file.h"
#include "ringmain/config/load.h"
#include "ringmain/config/options.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::config {

namespace {

const std::filesystem::path conf_folder =
    std::filesystem::path(RM_GOLDEN_FOLDER).parent_path().parent_path() / "conf";

std::string text_of(const std::filesystem::path& path) {
    const auto text = read_file(path.string());
    REQUIRE(text.ok());
    return text.value();
}

}  // namespace

// After a change of the table: RINGMAIN_WRITE_CONF=1 unit_config, or
// `ringmain help options --toml > conf/ringmain.toml`.
TEST_CASE("conf/ringmain.toml is what the table of options generates") {
    const std::filesystem::path path = conf_folder / "ringmain.toml";
    if (std::getenv("RINGMAIN_WRITE_CONF") != nullptr) std::ofstream(path) << options_toml();
    CHECK(text_of(path) == options_toml());
}

TEST_CASE("conf/metrics.txt is what the table of metrics generates") {
    const std::filesystem::path path = conf_folder / "metrics.txt";
    if (std::getenv("RINGMAIN_WRITE_CONF") != nullptr)
        std::ofstream(path) << help_text("metrics", false);
    CHECK(text_of(path) == help_text("metrics", false));
}

TEST_CASE("conf/errors.txt is what the table of errors generates") {
    const std::filesystem::path path = conf_folder / "errors.txt";
    if (std::getenv("RINGMAIN_WRITE_CONF") != nullptr) std::ofstream(path) << errors_help();
    CHECK(text_of(path) == errors_help());
}

TEST_CASE("every file in conf/ is accepted without errors or warnings") {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(conf_folder)) {
        if (entry.path().extension() != ".toml") continue;
        const std::string text = text_of(entry.path());
        const Loaded loaded = load(text, entry.path().filename().string());
        CHECK_MESSAGE(loaded.diagnostics.empty(), report(loaded, text));
        count += 1;
    }
    CHECK(count >= 4);
}

TEST_CASE("the reference is accepted with every option switched on, each at its default") {
    std::string text;
    for (const char byte : text_of(conf_folder / "ringmain.toml")) {
        text += byte;
    }
    for (size_t at = text.find("\n#"); at != std::string::npos; at = text.find("\n#", at + 1)) {
        const char next = text[at + 2];
        if (next != ' ' && next != '\n') text.erase(at + 1, 1);
    }
    const Loaded loaded = load(text, "ringmain.toml");
    CHECK_MESSAGE(loaded.accepted(), report(loaded, text));
    REQUIRE(loaded.config.pools.size() == 1);
    const Pool& pool = loaded.config.pools.front();
    CHECK(pool.redis_auth == "secret");
    CHECK(pool.timeout_ms == Pool{}.timeout_ms);
    CHECK(pool.output_pause_size == Pool{}.output_pause_size);
    CHECK(pool.servers.size() == 3);
    CHECK(loaded.config.proxy.buffer_memory == Proxy{}.buffer_memory);
    CHECK(loaded.config.stats.listen.port == 22222);
    CHECK(loaded.config.stats.interval_ms == Stats{}.interval_ms);
    CHECK(loaded.config.admin.listen.port == 9290);
}

TEST_CASE("files that cannot be read say which and why") {
    const auto missing = read_file((conf_folder / "no-such-file.toml").string());
    REQUIRE_FALSE(missing.ok());
    CHECK(missing.error().find("no-such-file.toml") != std::string::npos);
    CHECK(missing.error().find("No such file") != std::string::npos);

    const auto odd = read_file("/no/x\x1b[2J");
    REQUIRE_FALSE(odd.ok());
    CHECK(odd.error().find("/no/x?[2J") != std::string::npos);

    const auto folder = read_file(conf_folder.string());
    REQUIRE_FALSE(folder.ok());
    CHECK(folder.error().find("directory") != std::string::npos);

    const auto endless = read_file("/dev/zero");
    REQUIRE_FALSE(endless.ok());
    CHECK(endless.error().find("8 MiB") != std::string::npos);
}

}  // namespace ringmain::config
