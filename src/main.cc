// Arguments in, exit status out: 0 success, 1 refused with the reason or out of memory, 2 wrong
// usage.

#include "ringmain/base/printable.h"
#include "ringmain/config/command_line.h"
#include "ringmain/config/file.h"
#include "ringmain/config/load.h"
#include "ringmain/config/locate.h"
#include "ringmain/config/migrate.h"
#include "ringmain/resp/command_list.h"
#include "ringmain/uring/preflight.h"
#include "ringmain/worker/cpus.h"
#include "ringmain/worker/descriptors.h"
#include "ringmain/worker/io_choice.h"
#include "ringmain/worker/log.h"
#include "ringmain/worker/serve.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef RINGMAIN_MIMALLOC
#include <mimalloc.h>
#endif

namespace ringmain {
namespace {

constexpr int success = 0;
constexpr int refused = 1;
constexpr int wrong_usage = 2;

using config::CommandLine;

// Freed memory goes to the kernel at once: mimalloc would wait for the next call of a thread that
// may sleep from now on. Workers keep what they need by themselves (base/slab.h).
void set_up_allocator() {
#if !defined(RINGMAIN_MIMALLOC)
#elif MI_MALLOC_VERSION < 210
    mi_option_set_default(mi_option_decommit_delay, 0);
#else
    mi_option_set_default(mi_option_purge_delay, 0);
#endif
}

// For what has no memory to be told of it; set before there are threads.
const worker::Log* log_in_use = nullptr;  // NOLINT(*-avoid-non-const-global-variables)

// There is none for anything else: nothing is allocated here, nothing destroyed.
[[noreturn]] void end_without_memory() {
    constexpr std::string_view text =
        "ringmain: out of memory: the kernel refuses more to this process; raise what limits it "
        "(ulimit -v, ulimit -d, vm.overcommit_memory, vm.max_map_count), or lower workers, "
        "client_connections or requests_max\n";
    if (log_in_use != nullptr) {
        log_in_use->write_last(text);
    } else {
        const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
        static_cast<void>(written);
    }
    _exit(refused);
}

// mimalloc's operator new ends the process without asking the standard library's handler.
void set_up_end_without_memory() {
    std::set_new_handler(end_without_memory);
#if defined(RINGMAIN_MIMALLOC)
    const auto on_error = [](int error, void*) {
        if (error == ENOMEM) end_without_memory();
        if (error == EFAULT) std::abort();  // memory is corrupt: what we replace does it, too
    };
    mi_register_error(on_error, nullptr);
#endif
}

void print(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
}

void complain(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    if (!text.ends_with('\n')) std::fputc('\n', stderr);
}

// What `workers = "auto"` becomes.
uint32_t cpus_allowed() {
    return uring::workers_for(uring::cpu_facts(1));
}

struct Input {
    std::string name;  // as messages have it
    Result<std::string> text;
};

Input read_file(const std::string& file) {
    return {file, config::read_file(file)};
}

// With "-" what is piped in.
Input read_input(const std::string& file) {
    return file == "-" ? Input{"standard input", config::read_standard_input()} : read_file(file);
}

// Takes the configuration and says on standard error what is wrong with it.
int load(const Input& input, config::Loaded& loaded, bool always_report) {
    const auto& [name, text] = input;
    if (!text.ok()) {
        complain("ringmain: " + text.error());
        return refused;
    }
    loaded = config::load(text.value(), name, cpus_allowed());
    if (!loaded.diagnostics.empty() || always_report) {
        complain(config::report(loaded, text.value()));
    }
    return loaded.accepted() ? success : refused;
}

int check(const CommandLine& line) {
    config::Loaded loaded;
    return load(read_input(line.file), loaded, true);
}

int migrate(const CommandLine& line) {
    const auto [name, yaml] = read_input(line.file);
    if (!yaml.ok()) {
        complain("ringmain: " + yaml.error());
        return refused;
    }
    const config::Migrated migrated = config::migrate(yaml.value(), name);
    if (!migrated.diagnostics.empty()) {
        complain(config::render(migrated.diagnostics, name, yaml.value()) + name + ": " +
                 config::count_text(migrated.diagnostics, 0) + ": not migrated\n");
    }
    print(migrated.toml);
    return migrated.accepted() ? success : refused;
}

int locate_one(const config::Locator& locator, const std::string& shown, bool hex) {
    if (!hex) {
        print(locator.line(shown, shown) + "\n");
        return success;
    }
    const std::optional<std::string> key = config::key_from_hex(shown);
    if (!key.has_value()) {
        complain("ringmain locate: '" + printable(shown) +
                 "' is not hexadecimal (two digits per byte; - is the empty key)");
        return refused;
    }
    print(locator.line(shown, *key) + "\n");
    return success;
}

// The next line, which ends as on any system: a key that ends with CR is written in hexadecimal.
// Of one that is larger a little more than `size_max`. False: there is no more.
bool read_line(std::string& line, size_t size_max) {
    line.clear();
    int byte = 0;
    while (line.size() < size_max + 2) {
        byte = getc_unlocked(stdin);  // NOLINT(concurrency-mt-unsafe): there is one thread
        if (byte == EOF || byte == '\n') break;
        line.push_back(static_cast<char>(byte));
    }
    const bool is_there = byte != EOF || !line.empty();
    if (line.ends_with('\r')) line.pop_back();
    return is_there;
}

// Keys of standard input, one per line.
int locate_lines(const config::Locator& locator, uint64_t key_size_max, bool hex) {
    const size_t line_size_max = hex ? 2 * key_size_max : key_size_max;
    int status = success;
    std::string key;
    for (uint64_t number = 1; read_line(key, line_size_max); ++number) {
        if (key.size() > line_size_max) {
            complain("ringmain locate: line " + std::to_string(number) +
                     " of standard input is longer than the pool's largest key, " +
                     std::to_string(key_size_max) +
                     " bytes (key_size_max); write one key per line");
            return refused;
        }
        if (locate_one(locator, key, hex) != success) status = refused;
    }
    if (std::ferror(stdin) == 0) return status;
    complain("ringmain locate: standard input cannot be read");
    return refused;
}

int locate(const CommandLine& line) {
    config::Loaded loaded;
    if (const int status = load(read_file(line.file), loaded, false); status != success) {
        return status;
    }
    const Result<const config::Pool*> pool = config::choose_pool(loaded.config, line.pool);
    if (!pool.ok()) {
        complain("ringmain locate: " + pool.error());
        return wrong_usage;
    }
    const config::Locator locator(*pool.value());
    if (!locator.has_fixed_places()) {
        complain("ringmain locate: the pool's distribution is random: a key has no fixed server");
        return refused;
    }
    if (line.keys.empty()) return locate_lines(locator, pool.value()->key_size_max, line.hex);
    int status = success;
    for (const std::string& key : line.keys) {
        if (locate_one(locator, key, line.hex) != success) status = refused;
    }
    return status;
}

std::string_view word_for(uring::Level level) {
    switch (level) {
        case uring::Level::Ok:
            return "ok  ";
        case uring::Level::Warn:
            return "warn";
        case uring::Level::Fail:
            return "FAIL";
    }
    return "";
}

const char* ignored_features() {
    const char* text = std::getenv("RINGMAIN_IGNORE_FEATURES");  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? "" : text;
}

void print_finding(const uring::Finding& finding) {
    std::string name = finding.name;
    name.resize(std::max<size_t>(name.size(), 18), ' ');
    print(name + " " + std::string(word_for(finding.level)) + "  " + finding.text + "\n");
    if (!finding.remedy.empty()) print(std::string(25, ' ') + "fix: " + finding.remedy + "\n");
}

// What would serve the sockets, and why; `told` when the findings before have told why not
// io_uring, which a wrong name of a feature is not among.
uring::Finding judge_backend(const config::Proxy& settings, bool told) {
    const config::IoBackend wanted = settings.io_backend;
    const Result<worker::IoChoice> choice = worker::choose_io(settings, ignored_features());
    uring::Finding finding = {.name = "io_backend", .level = uring::Level::Ok};
    told = told && uring::Features().without(ignored_features()).ok();
    if (!choice.ok()) {
        finding.level = uring::Level::Fail;
        finding.text =
            told ? "io_backend = \"io_uring\" refuses to start here (see above); \"auto\" "
                   "would use epoll"
                 : choice.error();
    } else if (choice.value().backend == uring::Backend::IoUring) {
        finding.text = "io_uring is used; a self-test received through a ring with: " +
                       choice.value().features.text();
    } else if (wanted == config::IoBackend::Epoll) {
        finding.text = "epoll is used, as io_backend = \"epoll\" says; io_uring was not tried";
    } else {
        finding.level = uring::Level::Warn;
        finding.text = told ? "epoll is used in place of io_uring, which does not work here (see "
                              "above)"
                            : worker::fallback_text(choice.value());
    }
    return finding;
}

int doctor(const CommandLine& line) {
    config::Loaded loaded;
    worker::raise_descriptor_limit();  // as a start does
    uring::PreflightOptions options = {.descriptors = uring::descriptor_limits()};
    if (!line.file.empty()) {
        if (const int status = load(read_file(line.file), loaded, false); status != success) {
            return status;
        }
        options.descriptors = worker::descriptor_facts(loaded.config);
        options.workers = loaded.config.proxy.workers;
        for (const config::Pool& pool : loaded.config.pools) {
            options.backlog = std::max(options.backlog, pool.backlog);
        }
    }
    const config::IoBackend wanted = loaded.config.proxy.io_backend;
    options.tries_io_uring = wanted != config::IoBackend::Epoll;
    if (options.tries_io_uring) {
        const Result<uring::Features> probed = uring::Features::probe();
        if (probed.ok()) options.features = probed.value();
    }
    std::vector<uring::Finding> findings = uring::machine_facts();
    bool told = false;
    for (uring::Finding& finding : uring::preflight(options)) {
        // Nobody is stopped by it who may do without io_uring.
        if (finding.about_io_uring && finding.level == uring::Level::Fail) {
            told = true;
            if (wanted == config::IoBackend::Auto) finding.level = uring::Level::Warn;
        }
        findings.push_back(std::move(finding));
    }
    findings.push_back(
        worker::judge_affinity(loaded.config.proxy.cpu_affinity, worker::usable_cpus()));
    findings.push_back(judge_backend(loaded.config.proxy, told));
    int status = success;
    for (const uring::Finding& finding : findings) {
        print_finding(finding);
        if (finding.level == uring::Level::Fail) status = refused;
    }
    return status;
}

// Leaves the terminal: the parent ends when the child serves, or with its failure. Returns the pipe
// by which the child says so, -1 on failure; does not return in the parent.
int become_daemon() {
    int ends[2];
    if (pipe(ends) != 0) return -1;
    const pid_t child = fork();
    if (child < 0) return -1;
    if (child > 0) {
        close(ends[1]);
        char byte = 0;
        const bool serves = read(ends[0], &byte, 1) == 1;
        _exit(serves ? success : refused);
    }
    close(ends[0]);
    setsid();
    const int null = ::open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
    }
    return ends[1];
}

int run(const CommandLine& line) {
    if (!line.daemonize) worker::hold_signals();
    config::Loaded loaded;
    if (const int status = load(read_file(line.file), loaded, false); status != success) {
        return status;
    }
    config::Config& config = loaded.config;
    worker::ServeOptions options;
    options.overrides = {
        .log_level = line.log_level, .log_file = line.log_file, .pid_file = line.pid_file};
    options.overrides.apply(config);

    if (const Status apart = worker::check_files(config); !apart.ok()) {
        complain("ringmain: " + apart.error());
        return refused;
    }
    worker::Log log(config.proxy.log_level);
    if (const Status opened = log.open(config.proxy.log_file); !opened.ok()) {
        complain("ringmain: " + opened.error());
        return refused;
    }
    options.ignored_features = ignored_features();
    if (line.daemonize && config.proxy.log_file.empty()) {
        log.write(config::LogLevel::Warning,
                  "in the background (-d) there is no standard error: what is logged from the "
                  "start on is lost; give a file (-o FILE or log_file)");
    }
    if (line.daemonize) {
        options.ready_pipe = become_daemon();
        if (options.ready_pipe < 0) {
            complain("ringmain: cannot become a daemon: fork failed");
            return refused;
        }
        worker::hold_signals();  // the parent may be ended
    }
    log_in_use = &log;
    const Status status = worker::serve(config, log, options);
    log_in_use = nullptr;
    if (status.ok()) return success;
    complain("ringmain: " + status.error());
    if (!config.proxy.log_file.empty()) log.write(config::LogLevel::Error, status.error());
    return refused;
}

int dispatch(const CommandLine& line) {
    switch (line.verb) {
        case config::Verb::Run:
            return run(line);
        case config::Verb::Check:
            return check(line);
        case config::Verb::Doctor:
            return doctor(line);
        case config::Verb::Locate:
            return locate(line);
        case config::Verb::Migrate:
            return migrate(line);
        case config::Verb::Commands:
            print(resp::commands_text());
            return success;
        case config::Verb::Help:
            print(config::help_text(line.topic, line.toml));
            return success;
        case config::Verb::Version:
            print(std::string(config::version_text()) + "\n");
            return success;
    }
    return wrong_usage;
}

}  // namespace
}  // namespace ringmain

// What is opened later must not get the number of a standard descriptor that whoever started this
// has closed: log lines would be written into it, and -d would put /dev/null in its place. These
// are opened the wrong way round, so that who uses them is told, as with closed ones.
static bool guard_standard_descriptors() {
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (fcntl(number, F_GETFD) >= 0) continue;
        const int flags = number == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (open("/dev/null", flags) != number) return false;
    }
    return true;
}

// A limit that only a shell has set low is raised: reading a configuration takes some 100 KiB, and
// more than there may be ends the process without a word.
static bool raise_stack_limit() {
    constexpr rlim_t least = 256UL << 10;
    constexpr rlim_t usual = 8UL << 20;
    rlimit limit = {};
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= least) return true;
    limit.rlim_cur = std::min(limit.rlim_max, usual);
    return limit.rlim_cur >= least && setrlimit(RLIMIT_STACK, &limit) == 0;
}

// Output that was lost is no success.
static int flushed(int status) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    ringmain::complain("ringmain: standard output cannot be written to");
    return status == 0 ? 1 : status;
}

int main(int argc, char** argv) {
    ringmain::set_up_allocator();
    ringmain::set_up_end_without_memory();
    if (!guard_standard_descriptors()) {
        ringmain::complain(
            "ringmain: a standard descriptor (0, 1 or 2) is closed, and /dev/null cannot be "
            "opened in its place; start it with all three, or make /dev/null");
        return ringmain::refused;
    }
    if (!raise_stack_limit()) {
        ringmain::complain(
            "ringmain: the stack may not have 256 KiB: raise the limit (ulimit -s, LimitSTACK= "
            "in a systemd unit)");
        return ringmain::refused;
    }
    const ringmain::config::CommandLine line = ringmain::config::parse_command_line(
        std::span<const char* const>(argv, static_cast<size_t>(argc)).subspan(1));
    if (!line.accepted()) {
        ringmain::complain("ringmain: " + line.error);
        return ringmain::wrong_usage;
    }
    return flushed(ringmain::dispatch(line));
}
