#include "ringmain/stats/slow_log.h"

#include "ringmain/base/printable.h"

#include <algorithm>

#include "json_writer.h"

namespace ringmain::stats {

bool SlowQueue::push(const SlowRequest& request) {
    const uint32_t pushed = pushed_.load(std::memory_order_relaxed);
    if (pushed - popped_.load(std::memory_order_acquire) == capacity) {
        dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return false;
    }
    entries_[pushed % capacity] = request;
    pushed_.store(pushed + 1, std::memory_order_release);
    return true;
}

bool SlowQueue::pop(SlowRequest& request) {
    const uint32_t popped = popped_.load(std::memory_order_relaxed);
    if (popped == pushed_.load(std::memory_order_acquire)) return false;
    request = entries_[popped % capacity];
    popped_.store(popped + 1, std::memory_order_release);
    return true;
}

void SlowLog::add(const SlowRequest& request) {
    added_ += 1;
    const SlowEntry entry = {.id = added_, .request = request};
    const auto slower = [](const SlowEntry& a, const SlowEntry& b) {
        return a.request.total_us > b.request.total_us;
    };
    slowest_.insert(std::upper_bound(slowest_.begin(), slowest_.end(), entry, slower), entry);
    const size_t slowest_max = std::max<size_t>(size_ / 4, 1);
    if (slowest_.size() > slowest_max) slowest_.pop_back();
    latest_.push_front(entry);
    if (latest_.size() > size_) latest_.pop_back();
}

void SlowLog::add_all(std::vector<SlowRequest>& requests) {
    std::ranges::stable_sort(requests, {}, &SlowRequest::at_ns);
    for (const SlowRequest& request : requests) {
        add(request);
    }
}

namespace {

void write_entry(JsonWriter& out, const SlowEntry& entry) {
    const SlowRequest& request = entry.request;
    out.begin_entry();
    out.number("id", entry.id);
    out.signed_number("at_ms", request.at_ns / 1'000'000);
    out.text("pool", request.pool.view());
    out.text("server", request.server.view());
    out.text("command", escaped(request.command.view()));
    out.text("key", escaped(request.key.view()));
    out.number("key_size", request.key_size);
    out.text("client", request.client.view());
    out.number("client_id", request.client_id);
    out.number("worker", request.worker);
    out.boolean("answered", request.answered);
    out.signed_number("total_us", request.total_us);
    out.signed_number("queued_us", request.queued_us);
    out.signed_number("server_us", request.total_us - request.queued_us);
    out.end();
}

}  // namespace

std::string SlowLog::to_json(uint64_t threshold_us, uint64_t dropped) const {
    JsonWriter out;
    out.number("threshold_us", threshold_us);
    out.number("added", added_);
    out.number("dropped", dropped);
    out.begin_list("slowest");
    for (const SlowEntry& entry : slowest_) {
        write_entry(out, entry);
    }
    out.end_list();
    out.begin_list("latest");
    for (const SlowEntry& entry : latest_) {
        write_entry(out, entry);
    }
    out.end_list();
    return out.take();
}

}  // namespace ringmain::stats
