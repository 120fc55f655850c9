// Every error line that a client gets in any of these tests must be in the table of errors, and at
// the end of a whole run every row of the table must have been seen.

#include "ringmain/config/errors.h"
#include "tests/unit/core/loop.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace ringmain::test {

namespace {

using config::ErrorRow;

// Produced by other suites, with the kernel's words on sockets, a driver that closes whom it cannot
// let in, and parsers by themselves; or told to binary clients only. tools/check_errors.py looks
// for them there.
constexpr std::string_view elsewhere[] = {
    "does not answer: Connection timed out",
    "failed: {}",
    "cannot be reached: {}",
    "cannot be found: {}",
    "-ERR max number of clients reached",
    "ERROR Too many open connections",
    "it is being stopped; connect again",
    "the response would be larger than 1 MiB, ask for less at once",
    "-ERR LIMIT can't be negative",
    "-ERR unknown subcommand or wrong number of arguments for '{}'. Try ACL HELP.",
    "-ERR weight value is not a float",
    "-ERR If you want both the length and indexes, please just use IDX.",
    "-ERR The specified keys must contain string values",
    "-WRONGTYPE Key is not a valid HyperLogLog string value.",
    "-INVALIDOBJ Corrupted HLL object detected",
    "ringmain: a key with blanks or control characters has at most 186 bytes",
    "runs memcached {}, which tells a wrong cas: binary clients need 1.6.13",
    "CLIENT_ERROR line too long",
    "CLIENT_ERROR invalid or duplicate flag",
    "CLIENT_ERROR bad token in command line format",
    "CLIENT_ERROR incorrect length for M token",
    "CLIENT_ERROR invalid numeric initial value",
    "CLIENT_ERROR invalid numeric delta value",
    "CLIENT_ERROR opaque token too long",
    "CLIENT_ERROR options flags are too long",
    "CLIENT_ERROR options flags too long",
};

// Guards behind others, where the arena has not even a block for the error itself, or where no way
// leads that we know of.
constexpr std::string_view guards[] = {
    "refused a command; buffer memory is exhausted",
    "out of buffer memory (buffer_memory)",
};

class SeenErrors {
  public:
    SeenErrors() {
        client_bytes_hook = [](Channel& channel, std::string_view bytes) {
            instance().note(channel, bytes);
        };
    }

    static SeenErrors& instance() {
        static SeenErrors only;
        return only;
    }

    void note(Channel& channel, std::string_view bytes) {
        // What a client got so far of a line; no error has more bytes.
        constexpr size_t longest = 4096;
        std::string& line = channel.line;
        while (true) {
            const size_t end = bytes.find('\n');
            line += bytes.substr(0, std::min(end, longest - line.size()));
            if (end == std::string_view::npos) return;
            bytes.remove_prefix(end + 1);
            if (line.ends_with('\r')) {
                line.pop_back();
                note_line(line);
            }
            line.clear();
        }
    }

    [[nodiscard]] std::vector<std::string_view> missing() const {
        std::vector<std::string_view> texts;
        for (const ErrorRow& row : config::error_table()) {
            if (row.kind == ErrorRow::Kind::Section || seen_.contains(row.text.data())) continue;
            const bool is_left_out =
                std::ranges::find(elsewhere, row.text) != std::end(elsewhere) ||
                std::ranges::find(guards, row.text) != std::end(guards);
            if (!is_left_out) texts.push_back(row.text);
        }
        return texts;
    }

    [[nodiscard]] const std::set<std::string>& unknown() const { return unknown_; }

  private:
    void note_line(std::string_view line) {
        if (line.empty() || std::string_view("-ECS").find(line.front()) == std::string_view::npos) {
            return;
        }
        bool is_known = false;
        for (const ErrorRow& row : config::error_table()) {
            if (!config::fits(row, line)) continue;
            seen_.insert(row.text.data());
            is_known = true;
        }
        const bool is_own =
            line.starts_with("-ERR ringmain: ") || line.starts_with("SERVER_ERROR ringmain: ") ||
            line.starts_with("CLIENT_ERROR ringmain: ") ||
            line.starts_with("-CROSSSLOT ringmain: ") || line.starts_with("-EXECABORT ringmain: ");
        if (is_own && !is_known) unknown_.insert(std::string(line));
    }

    std::set<const char*> seen_;  // by the place of their text
    std::set<std::string> unknown_;
};

// Nothing to tell but at the end.
struct AtTheEnd : doctest::IReporter {
    explicit AtTheEnd(const doctest::ContextOptions& options) : options_(&options) {
        SeenErrors::instance();
    }

    void report_query(const doctest::QueryData&) override {}

    void test_run_start() override {}

    void test_run_end(const doctest::TestRunStats& run) override {
        bool is_right = true;
        for (const std::string& line : SeenErrors::instance().unknown()) {
            std::fprintf(stderr, "not in src/config/errors.def: %s\n", line.c_str());
            is_right = false;
        }
        const bool is_whole = run.numTestCasesPassingFilters == run.numTestCases &&
                              options_->first <= 1 && options_->last >= run.numTestCases;
        if (is_whole && run.numTestCasesFailed == 0) {
            for (const std::string_view text : SeenErrors::instance().missing()) {
                std::fprintf(stderr,
                             "in src/config/errors.def, but no test gets it: %.*s\n",
                             static_cast<int>(text.size()),
                             text.data());
                is_right = false;
            }
        }
        if (!is_right) std::exit(EXIT_FAILURE);  // NOLINT(concurrency-mt-unsafe): no threads here
    }

    void test_case_start(const doctest::TestCaseData&) override {}

    void test_case_reenter(const doctest::TestCaseData&) override {}

    void test_case_end(const doctest::CurrentTestCaseStats&) override {}

    void test_case_exception(const doctest::TestCaseException&) override {}

    void subcase_start(const doctest::SubcaseSignature&) override {}

    void subcase_end() override {}

    void log_assert(const doctest::AssertData&) override {}

    void log_message(const doctest::MessageData&) override {}

    void test_case_skipped(const doctest::TestCaseData&) override {}

  private:
    const doctest::ContextOptions* options_;
};

REGISTER_LISTENER("seen_errors", 1, AtTheEnd);

}  // namespace

}  // namespace ringmain::test
