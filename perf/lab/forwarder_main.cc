// The floor: forwards bytes between clients and servers, without looking at them (forwarder.h).
//
//   forwarder LISTEN_PORT SERVER_PORT[,SERVER_PORT...] [REQUEST_SIZE ANSWER_SIZE]
//
// Without sizes each client has a server connection of its own, with them all share. Ends with
// SIGTERM.

#include "perf/lab/forwarder.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

[[noreturn]] void stop(const std::string& text) {
    std::fprintf(stderr, "forwarder: %s\n", text.c_str());
    std::exit(1);
}

uint32_t number(const char* text, uint32_t max) {
    char* end = nullptr;
    const auto value = std::strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value == 0 || value > max) {
        stop(std::string(text) + ": not a number from 1 to " + std::to_string(max));
    }
    return static_cast<uint32_t>(value);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 && argc != 5) {
        stop("LISTEN_PORT SERVER_PORT[,SERVER_PORT...] [REQUEST_SIZE ANSWER_SIZE]");
    }
    ringmain::lab::ForwarderOptions options;
    options.port = static_cast<uint16_t>(number(argv[1], 65535));
    const std::string servers = argv[2];
    for (size_t begin = 0; begin < servers.size();) {
        const size_t end = std::min(servers.find(',', begin), servers.size());
        const std::string port = servers.substr(begin, end - begin);
        options.servers.push_back(static_cast<uint16_t>(number(port.c_str(), 65535)));
        begin = end + 1;
    }
    if (options.servers.empty()) stop("at least one server");
    if (argc == 5) {
        options.request_size = number(argv[3], 1U << 30);
        options.answer_size = number(argv[4], 1U << 30);
    }
    ringmain::lab::Forwarder forwarder(options);
    if (ringmain::Status status = forwarder.open(); !status.ok()) stop(status.error());
    forwarder.run();
}
