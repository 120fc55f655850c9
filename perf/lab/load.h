// perf/lab/load.h - connections that send a script's requests and check every answer.
//
// Closed loop (rate 0): each client sends `pipeline` requests, waits for all their answers, and
// sends the next. An answer's latency counts from the moment its batch was sent.
//
// Open loop: request n is due at n / rate, whatever has become of those before it, and client
// n % clients sends it. A client with `pipeline` requests under way sends what is due as answers
// come in. Latency counts from the moment a request was due: a server that stalls does not thereby
// spare itself the requests of the meantime (no "coordinated omission").
//
// A wrong answer, a connection that is lost and ten seconds without any answer end the program
// with a message and status 1.

#pragma once

#include "perf/lab/histogram.h"
#include "perf/lab/script.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::lab {

struct LoadOptions {
    std::vector<uint16_t> ports = {};  // clients take them in turn
    uint32_t clients = 50;
    uint32_t pipeline = 1;
    double rate = 0;  // requests per second of all clients together
};

// Until the first of both; 0: no limit. In a closed loop each client sends at least one batch.
struct Limit {
    uint64_t requests = 0;
    double seconds = 0;
};

struct Outcome {
    uint64_t requests = 0;
    double seconds = 0;  // from the first request to the last answer
    Histogram latency = {};
};

class Load {
  public:
    // Connects all clients.
    Load(const Script& script, const LoadOptions& options);
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    // May be called again: the connections go on.
    [[nodiscard]] Outcome run(const Limit& limit);

  private:
    struct Client {
        int socket = -1;
        bool waits_for_room = false;  // to send
        uint32_t next_request = 0;    // of the script
        uint32_t next_answer = 0;
        uint32_t under_way = 0;
        uint32_t overdue = 0;  // open loop: requests that the pipeline has no room for
        uint64_t send_at = 0;  // bytes of the script's requests
        uint64_t unsent = 0;
        uint64_t answer_at = 0;  // bytes of the script's answers
        uint64_t sent_time = 0;  // closed loop: of the batch
        uint64_t answered = 0;   // open loop: since the beginning of the run
        std::string partial;     // an unordered answer so far
    };

    void start(Client& client, uint32_t requests);
    void flush(Client& client);
    void watch(const Client& client, bool for_room);
    void receive(uint32_t index);
    uint32_t take(Client& client, std::string_view bytes);
    uint32_t take_unordered(Client& client, std::string_view bytes);
    void count_answers(uint32_t index, uint32_t answers, uint64_t now);
    void start_what_is_due(uint64_t now);
    void wait(uint64_t now);

    [[nodiscard]] bool open() const { return options_.rate > 0; }

    [[nodiscard]] bool may_start(uint64_t now) const;
    [[nodiscard]] uint64_t due_time(uint64_t number) const;
    [[noreturn]] void wrong(const Client& client, std::string_view got, std::string_view wanted);

    const Script& script_;
    LoadOptions options_;
    std::vector<Client> clients_;
    std::vector<char> buffer_;
    int events_ = -1;

    Limit limit_;  // of this run, and its state
    Outcome outcome_;
    uint64_t begin_ = 0;
    uint64_t end_ = 0;
    uint64_t last_answer_ = 0;
    uint64_t started_ = 0;
    uint64_t planned_ = 0;  // open loop: requests that were due so far
};

}  // namespace ringmain::lab
