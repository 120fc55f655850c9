// sim --seed=N [--seeds=COUNT] [--steps=M] [--trace]
//
// Runs the worlds of the seeds N, N + 1, ... and stops at the first in which something is wrong,
// with the line that replays it. --steps bounds the part in which things go wrong; --trace tells
// the story.

#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

#include <sys/time.h>
#include <unistd.h>

namespace {

using ringmain::sim::Scenario;
using ringmain::sim::Totals;
using ringmain::sim::World;

struct Options {
    uint64_t seed = 1;
    uint64_t seeds = 1;
    uint32_t steps = 0;  // 0: as the scenario says
    bool trace = false;
};

// A world that takes more CPU time than this hangs: most take a hundredth of a second.
constexpr int seconds_per_seed = 20;

// What replays the seed at hand, for when it ends in an assertion or does not end.
char replay[160];  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): for the handler

extern "C" void on_signal(int signal) {
    const char* text = signal == SIGPROF ? "the world does not end\n" : "the process crashed\n";
    static_cast<void>(!write(STDERR_FILENO, text, std::strlen(text)));
    static_cast<void>(!write(STDERR_FILENO, replay, std::strlen(replay)));
    _exit(1);
}

bool number(std::string_view argument, std::string_view name, uint64_t* value) {
    if (!argument.starts_with(name)) return false;
    const std::string_view text = argument.substr(name.size());
    const auto* end = text.data() + text.size();
    const auto [at, code] = std::from_chars(text.data(), end, *value);
    return code == std::errc() && at == end;
}

bool parse(int count, char** arguments, Options* options) {
    for (int i = 1; i < count; ++i) {
        const std::string_view argument = arguments[i];
        uint64_t value = 0;
        if (argument == "--trace") {
            options->trace = true;
        } else if (number(argument, "--seed=", &value)) {
            options->seed = value;
        } else if (number(argument, "--seeds=", &value)) {
            options->seeds = value;
        } else if (number(argument, "--steps=", &value)) {
            options->steps = static_cast<uint32_t>(value);
        } else {
            return false;
        }
    }
    return true;
}

// False when something is wrong.
bool run(uint64_t seed, const Options& options, Totals& totals) {
    Scenario scenario(seed);
    if (options.steps > 0) scenario.steps_max = options.steps;
    std::snprintf(replay,
                  sizeof(replay),
                  "replay: sim --seed=%llu%s%s\n",
                  static_cast<unsigned long long>(seed),  // NOLINT(google-runtime-int): %llu
                  options.steps > 0 ? " --steps=" : "",
                  options.steps > 0 ? std::to_string(options.steps).c_str() : "");
    const itimerval limit = {.it_interval = {},
                             .it_value = {.tv_sec = seconds_per_seed, .tv_usec = 0}};
    setitimer(ITIMER_PROF, &limit, nullptr);
    World world(scenario, seed, options.trace);
    const std::string wrong = world.run();
    totals.add(world.totals());
    if (wrong.empty()) return true;
    std::fprintf(stderr, "%s\n%s", wrong.c_str(), replay);
    return false;
}

void print(const Totals& totals, double seconds) {
    auto number = [](uint64_t value) { return static_cast<double>(value); };
    uint64_t mishaps = 0;
    for (const uint64_t count : totals.mishaps) {
        mishaps += count;
    }
    std::printf(
        "%.0f worlds in %.1f s (%.1f per second): %.0f requests, %.0f of them served, %.0f answers "
        "(%.0f known to the letter, %.0f errors), %.0f mishaps, %.0f ejections, %.0f returns, %.0f "
        "transactions, %.0f elements, %.0f messages, %.0f carried, %.0f shared lines, %.0f "
        "flushes, %.0f "
        "reloads, %.0f clients sent away, %.0f partings, %.0f "
        "too slow, %.0f answers to others' requests, %.0f gaps that were waited for, %.0f batches, "
        "%.0f of them long, %.0f s of virtual time\n",
        number(totals.seeds),
        seconds,
        number(totals.seeds) / seconds,
        number(totals.requests),
        number(totals.served),
        number(totals.answers),
        number(totals.known),
        number(totals.errors),
        number(mishaps),
        number(totals.ejections),
        number(totals.returns),
        number(totals.transactions),
        number(totals.elements),
        number(totals.messages),
        number(totals.carried),
        number(totals.shared_lines),
        number(totals.flushes),
        number(totals.reloads),
        number(totals.drains),
        number(totals.partings),
        number(totals.closed_slow),
        number(totals.misled),
        number(totals.gaps_held),
        number(totals.batches),
        number(totals.long_batches),
        number(totals.virtual_ms) / 1000);
}

// So many worlds have everything in them.
constexpr uint64_t seeds_with_everything = 500;

// What never happened in them was never checked.
bool has_everything(const Totals& totals) {
    if (totals.seeds < seeds_with_everything) return true;
    bool right = totals.known > 0 && totals.errors > 0 && totals.shared_lines > 0 &&
                 totals.flushes > 0 && totals.reloads > 0 && totals.drains > 0 &&
                 totals.closed_slow > 0 && totals.transactions > 0 && totals.elements > 0 &&
                 totals.messages > 0 && totals.carried > 0 && totals.partings > 0 &&
                 totals.misled > 0 && totals.gaps_held > 0 && totals.long_batches > 0;
    for (const uint64_t count : totals.mishaps) {
        right = right && count > 0;
    }
    if (!right) std::fprintf(stderr, "something never happened in these worlds\n");
    return right;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, &options)) {
        std::fprintf(stderr, "usage: sim --seed=N [--seeds=COUNT] [--steps=M] [--trace]\n");
        return 2;
    }
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGPROF}) {
        std::signal(signal, on_signal);
    }
    const std::clock_t start = std::clock();
    Totals totals;
    bool right = true;
    for (uint64_t i = 0; i < options.seeds && right; ++i) {
        right = run(options.seed + i, options, totals);
    }
    print(totals, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    if (right) right = has_everything(totals);
    return right ? 0 : 1;
}
