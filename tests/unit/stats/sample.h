// tests/unit/stats/sample.h - a snapshot in which every figure is another one.

#pragma once

#include "ringmain/stats/snapshot.h"
#include "tests/contains.h"

namespace ringmain::stats::test {

// Numbers that occur nowhere else: above a million, each once.
class Unique {
  public:
    uint64_t next() { return last_ += 7; }

  private:
    uint64_t last_ = 1'000'003;
};

inline Snapshot sample() {
    Unique unique;
    Snapshot now;
    now.process.version = "0.9.9";
    now.process.kernel = "6.1.0";
    now.process.host = "host1";
    now.process.io_backend = "epoll";
    now.process.id = 42;
    now.process.started_at_s = 1'800'000'000;
    now.process.taken_at_s = 1'800'000'100;
    now.process.uptime_s = 90;  // the calendar was set meanwhile
    now.process.reloaded_at_s = 1'800'000'050;
    now.process.connections = 15;
    now.process.connections_opened = 123;
    now.process.cpu_us = 12'500'000;
    now.process.resident_bytes = unique.next();
    now.process.descriptors = 77;
    now.process.descriptors_max = 1024;

    WorkerSnapshot worker;
    worker.batches = 31;
    worker.cpu_us = 2'250'000;
    worker.ready_us = 125'000;
    worker.waiting_us = 7'500'000;
    worker.busy_millionths = 612'300;
#define WORKER(kind, field, text) worker.values.field = unique.next();
#include "ringmain/stats/counters.def"
    now.workers.push_back(worker);

    PoolSnapshot pool;
    pool.name = "alpha";
    pool.protocol = "redis";
    pool.listen = "127.0.0.1:22121";
    pool.client_limit = 10'000;
#define POOL(kind, field, text) pool.values.field = unique.next();
#include "ringmain/stats/counters.def"
    for (uint64_t& errors : pool.values.errors) {
        errors = unique.next();
    }
    pool.commands.push_back({.name = "get", .count = unique.next()});
    pool.requests_read = unique.next();
    pool.requests_write = unique.next();
    pool.requests_other = unique.next();
    pool.oldest_request_us = 1'375'000;
    ServerSnapshot server;
    server.name = "cache1";
    server.address = "10.0.0.1:6379";
    server.weight = 2;
    server.state = ServerState::Ejected;
    server.reason = "3 failures in a row";
    server.state_since_s = 1'800'000'090;
    server.ejections = unique.next();
    server.ejected_at_us = 1'800'000'090'250'000;
#define SERVER(kind, field, text) server.values.field = unique.next();
#include "ringmain/stats/counters.def"
    Histogram took;
    took.prepare();
    took.record(Duration{300'000});
    took.record(Duration::millis(3));
    server.values.latency.add(took);
    pool.values.latency.add(took);
    pool.servers.push_back(server);

    ServerSnapshot other;
    other.name = "10.0.0.2";
    other.address = "10.0.0.2:11211";
    pool.servers.push_back(other);
    now.pools.push_back(pool);
    return now;
}

// Every figure of the rows of counters.def, and its name.
template <class Check>
void for_each_figure(const Snapshot& now, const Check& check) {
    const PoolSnapshot& pool = now.pools.front();
#define POOL(kind, field, text) check("pool " #field, pool.values.field);
#include "ringmain/stats/counters.def"
#define SERVER(kind, field, text) check("server " #field, pool.servers.front().values.field);
#include "ringmain/stats/counters.def"
#define WORKER(kind, field, text) check("worker " #field, now.workers.front().values.field);
#include "ringmain/stats/counters.def"
    for (const uint64_t errors : pool.values.errors) {
        check("errors", errors);
    }
    check("requests_read", pool.requests_read);
    check("requests_write", pool.requests_write);
    check("requests_other", pool.requests_other);
    check("ejections", pool.servers.front().ejections);
}

using ringmain::test::contains;

}  // namespace ringmain::stats::test
