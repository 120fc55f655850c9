// Load for RESP and memcached: checks every byte of every answer, and prints one line of JSON.
//
//   loadgen --ports PORT[,PORT...] [--protocol redis|memcached] [--verb get|set|mget|mset|mixed]
//           [--clients N] [--pipeline N] [--size BYTES] [--keys N] [--keys-per-request N]
//           [--requests N] [--seconds S] [--rate PER_SECOND] [--warmup S] [--attended yes]
//
// Run `--verb set` first: the others expect the values that it stores. load.h says how requests
// are timed. With --attended it connects, warms up, prints "ready", waits for a line on standard
// input, and after the figures keeps its connections open until standard input ends, so that
// whoever watches the other side sees the load alone.

#include "perf/lab/load.h"
#include "perf/lab/script.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <sys/prctl.h>
#include <sys/resource.h>

namespace {

using namespace ringmain::lab;  // NOLINT(google-build-using-namespace): this is its program

struct Options {
    ScriptOptions script;
    LoadOptions load;
    Limit limit;
    double warmup = 0;
    bool attended = false;
};

double number(const std::string& name, const char* text, double max) {
    char* end = nullptr;
    const double value = std::strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0) || value > max) {
        stop(name + " " + text + ": not a number from 0 to " + std::to_string(max));
    }
    return value;
}

uint32_t count(const std::string& name, const char* text) {
    return static_cast<uint32_t>(number(name, text, 1e8));
}

std::vector<uint16_t> ports_of(const std::string& text) {
    std::vector<uint16_t> ports;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find(',', begin), text.size());
        const std::string port = text.substr(begin, end - begin);
        ports.push_back(static_cast<uint16_t>(number("--ports", port.c_str(), 65535)));
        begin = end + 1;
    }
    return ports;
}

Protocol protocol_of(std::string_view text) {
    if (text == "redis") return Protocol::Redis;
    if (text == "memcached") return Protocol::Memcached;
    stop("--protocol: redis or memcached");
}

Verb verb_of(std::string_view text) {
    if (text == "get") return Verb::Get;
    if (text == "set") return Verb::Set;
    if (text == "mget") return Verb::Mget;
    if (text == "mset") return Verb::Mset;
    if (text == "mixed") return Verb::Mixed;
    stop("--verb: get, set, mget, mset or mixed");
}

void read_option(Options& options, const std::string& name, const char* value) {
    if (name == "--ports") {
        options.load.ports = ports_of(value);
    } else if (name == "--protocol") {
        options.script.protocol = protocol_of(value);
    } else if (name == "--verb") {
        options.script.verb = verb_of(value);
    } else if (name == "--clients") {
        options.load.clients = count(name, value);
    } else if (name == "--pipeline") {
        options.load.pipeline = count(name, value);
    } else if (name == "--size") {
        options.script.value_size = count(name, value);
    } else if (name == "--keys") {
        options.script.keys = count(name, value);
    } else if (name == "--keys-per-request") {
        options.script.keys_per_request = count(name, value);
    } else if (name == "--requests") {
        options.limit.requests = static_cast<uint64_t>(number(name, value, 1e15));
    } else if (name == "--seconds") {
        options.limit.seconds = number(name, value, 86400);
    } else if (name == "--rate") {
        options.load.rate = number(name, value, 1e9);
    } else if (name == "--warmup") {
        options.warmup = number(name, value, 3600);
    } else if (name == "--attended") {
        options.attended = std::string_view(value) == "yes";
    } else {
        stop("unknown option " + name + "; perf/lab/loadgen.cc lists them");
    }
}

Options read_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) stop(std::string(argv[i]) + " needs a value");
        read_option(options, argv[i], argv[i + 1]);
    }
    if (options.limit.requests == 0 && options.limit.seconds <= 0) {
        stop("--requests or --seconds says when to end");
    }
    options.script.requests_min = options.load.pipeline;
    return options;
}

// CPU time of this process so far.
double cpu_seconds() {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void wait_for_input() {
    for (int c = std::getchar(); c != EOF && c != '\n';)
        c = std::getchar();
}

void print(const Outcome& outcome, double cpu) {
    const auto requests = static_cast<double>(outcome.requests);
    const auto us = [](uint64_t ns) { return static_cast<double>(ns) * 1e-3; };
    std::printf(
        "{\"requests\": %.0f, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, "
        "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, \"cpu_us_per_request\": %.4f}\n",
        requests,
        outcome.seconds,
        requests / outcome.seconds,
        us(outcome.latency.percentile(0.5)),
        us(outcome.latency.percentile(0.99)),
        us(outcome.latency.percentile(0.999)),
        us(outcome.latency.max()),
        cpu * 1e6 / requests);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = read_options(argc, argv);
    prctl(PR_SET_TIMERSLACK, 1UL);  // a planned send is not to wait 50 us for company
    const Script script(options.script);
    Load load(script, options.load);
    if (options.warmup > 0) (void)load.run({.seconds = options.warmup});
    if (options.attended) {
        std::puts("ready");
        std::fflush(stdout);
        wait_for_input();
    }
    const double before = cpu_seconds();
    const Outcome outcome = load.run(options.limit);
    print(outcome, cpu_seconds() - before);
    if (options.attended) wait_for_input();
    return 0;
}
