#include "ringmain/core/proxy.h"

#include "ringmain/base/assert.h"
#include "ringmain/base/prefetch.h"
#include "ringmain/core/limits.h"

#include <algorithm>
#include <utility>

#include "client_text.h"
#include "front.h"

namespace ringmain::core {

namespace {

constexpr std::string_view stop_text = "ringmain is being stopped";

// Of all workers.
uint64_t clients_of(const Pool& pool) {
    uint64_t sum = 0;
    for (const stats::PoolCounters& worker : *pool.shared->counters) {
        sum += worker.client_connections.get();
    }
    return sum;
}

std::string full_text(uint64_t limit, std::string_view where, std::string_view what) {
    std::string text = std::to_string(limit);
    return text.append(" clients are connected")
        .append(where)
        .append(", the limit of ")
        .append(what);
}

}  // namespace

Proxy::Proxy(const config::Config& config,
             BlockPool& blocks,
             Counters& counters,
             const Environment& environment)
    : config_(&config),
      blocks_(&blocks),
      counters_(&counters),
      environment_(environment),
      prng_(environment.seed),
      stores_(config.proxy.requests_max),
      open_(blocks),
      kept_(blocks),
      beginnings_(blocks) {
    slow_threshold_ = slow_threshold_of(config);
    for (size_t i = 0; i < config.pools.size(); ++i) {
        pools_.push_back(std::make_unique<Pool>(
            blocks, config.pools[i], environment.shared->pools[i], environment.share()));
        pools_.back()->place_anew(now_);
    }
}

Proxy::~Proxy() {
    while (!clients_.empty()) {
        remove_client(*clients_.front());
    }
    for (const auto* pools : {&pools_, &retired_, &finished_}) {
        for (const auto& pool : *pools) {
            subscriptions_.end(*pool);
            for (ServerConn* conn : pool->connections()) {
                lose(*conn, "is shut down", Blame::Nobody);
            }
        }
    }
}

bool Proxy::begin_batch(Instant now, Instant wall) {
    now_ = now;
    wall_ = wall;
    batch_ += 1;
    total_.renew(counters_->requests.get());
    joins_.begin_batch();
    if (!joins_.empty()) [[unlikely]] {
        while (const Join* join = joins_.next()) {
            finish_split(*join->fragments.front()->request);
        }
    }
    leases_.follow_shortages();
    const uint64_t epoch = environment_.shared->epoch();
    const bool has_changed = std::exchange(epoch_, epoch) != epoch;
    const bool is_time = now >= next_change_;
    return (has_changed || is_time) && follow_servers();
}

void Proxy::end_batch() {
    streams_.take_early();
    List<ClientConn, &ClientConn::resume_link> later;
    if (!resumable_.empty()) total_.renew(counters_->requests.get());
    while (!resumable_.empty() && !total_.is_spent(counters_->requests.get())) {
        ClientConn& client = *resumable_.pop_front();
        if (client.has_had_its_turn(batch_)) [[unlikely]] {
            later.add(client);
        } else {
            resume(client);
        }
    }
    while (ClientConn* client = later.pop_front()) {
        resumable_.add(*client);
    }
    subscriptions_.end_batch();
    // An argument that crosses blocks may have had half a gigabyte. To assign an empty string would
    // keep its memory.
    constexpr size_t kept_max = size_t{1} << 20;
    if (scratch_.text.capacity() > kept_max) std::string().swap(scratch_.text);
    stats::WorkerCounters& shown = counters_->worker;
    shown.buffer_memory.set(uint64_t{blocks_->in_use()} * block_size);
    shown.request_memory.set(stores_.requests.live() * sizeof(Request) +
                             stores_.fragments.live() * sizeof(Fragment));
    streams_.drive();
    if (now_ - last_stall_check_ >= stall_check_interval) look_for_stalled();
    if (blocks_->available() >= relief_below(blocks_->capacity())) {
        pressure_.end(now_);
    } else {
        relieve();
    }
    oldest_.end_batch(now_, stores_.requests.live(), pools_, retired_);
    if (!retired_.empty()) sweep_retired();
}

std::optional<Notice> Proxy::take_notice() {
    if (notices_.empty()) return std::nullopt;
    Notice notice = std::move(notices_.front());
    notices_.pop_front();
    return notice;
}

// --- clients -------------------------------------------------------------------------------------

ClientConn* Proxy::accept_client(uint32_t pool_index, std::string peer) {
    Pool& pool = *pools_[pool_index];
    // Who came to a unix socket has no address: redis says where it came to.
    if (pool.options->listen.is_path()) peer = end_text(pool.options->listen);
    const uint32_t limit = pool.options->client_connections;
    // The kernel shares clients out as it likes, so that no worker has a limit of its own.
    const uint32_t process_limit = config_->proxy.client_connections;
    std::string full;
    if (limit != 0 && clients_of(pool) >= limit) {
        full = full_text(limit, " to the pool", "its client_connections");
    } else if (process_limit != 0 &&
               Totals(environment_.all_counters).of(&Counters::clients) >= process_limit) {
        full = full_text(process_limit, "", "client_connections in [proxy]");
    } else if (!leases_.make_descriptor_room()) {
        full = leases_.descriptors_text();
    }
    if (draining_ || !full.empty()) {
        if (!draining_) tell_refusal(pool, peer, full);
        counters_->clients_refused.add(1);
        pool.counters->clients_refused.add(1);
        return nullptr;
    }
    // Numbers of different workers never meet.
    const uint64_t id = next_client_id_ * environment_.worker_count + environment_.worker_index;
    next_client_id_ += 1;
    ClientConn* client = stores_.clients.make(*blocks_, pool, id);
    RM_ASSERT(client != nullptr);
    client->affinity = static_cast<uint32_t>(next_client_id_);
    client->peer = std::move(peer);
    client->since = now_;
    client->heard_at = now_;
    clients_.add(*client);
    note_activity(*client);
    pool.clients += 1;
    counters_->clients.add(1);
    counters_->clients_accepted.add(1);
    pool.counters->client_connections.add(1);
    pool.counters->clients_accepted.add(1);
    return client;
}

std::string Proxy::refusal(uint32_t pool_index) const {
    if (draining_) return error_line(*pools_[pool_index], "it is being stopped; connect again");
    if (pools_[pool_index]->is_redis()) return "-ERR max number of clients reached\r\n";
    return "ERROR Too many open connections\r\n";
}

namespace {

stats::Counter& counter_of(ClientConn::End end, stats::PoolCounters& counters) {
    switch (end) {
        case ClientConn::End::Lost:
        case ClientConn::End::Failed:
            return counters.client_err;
        case ClientConn::End::Left:
            return counters.client_eof;
        case ClientConn::End::Idle:
            return counters.clients_idle;
        case ClientConn::End::Closed:
            return counters.clients_closed;
    }
    RM_ASSERT(false);
}

}  // namespace

void Proxy::remove_client(ClientConn& client) {
    streams_.abandon(client);
    while (!client.requests.empty()) {
        Request& request = *client.requests.pop_front();
        prefetch(client.requests.front(), cache_line_size);
        request.only.response.clear();
        detach(request);
        free_if_done(request);
    }
    streams_.drive();
    subscriptions_.leave(client);
    leases_.reset(client);
    clients_.remove(client);
    dirty_clients_.remove(client);
    resumable_.remove(client);
    client.pool->by_activity.remove(client);
    if (client.intake != nullptr) stores_.intakes.drop(*client.intake);
    client.pool->clients -= 1;
    counters_->clients.subtract(1);
    stats::PoolCounters& counters = *client.pool->counters;
    counters.client_connections.subtract(1);
    counter_of(client.end, counters).add(1);
    stores_.clients.free(&client);
}

void Proxy::on_client_bytes(ClientConn& client, Slice slice) {
    counters_->bytes_received.add(slice.size);
    client.pool->counters->request_bytes.add(slice.size);
    client.heard_at = now_;
    note_activity(client);
    if (!draining_ && !client.pool->retired) {
        take_bytes(client, slice);
        return;
    }
    if (client.end_of_stream) return;
    const auto counting = static_cast<uint32_t>(std::min<uint64_t>(slice.size, client.unread));
    client.unread -= counting;
    take_bytes(client, slice.cut(0, counting));
    if (client.unread == 0) on_client_end(client, ClientConn::End::Closed);
}

void Proxy::on_client_end(ClientConn& client, ClientConn::End why) {
    const std::string_view text = draining_ ? stop_text : "its pool is not configured any more";
    if (why == ClientConn::End::Closed && client.unread > 0) {
        leases_.end_wait(client, text);  // what is unread may not be read before
        return;
    }
    client.end_of_stream = true;
    client.note_end(why);
    if (leases_.is_ending(client)) {
        leases_.end_wait(client, text);
    } else {
        leases_.on_client_end(client);
    }
    // What a paused client sent before its end is still to be read (resume).
    if (!client.paused) end_reading(client);
    mark_dirty(client);
}

void Proxy::on_client_sent(ClientConn& client, uint64_t bytes) {
    client.unsent -= bytes;
    if (bytes > 0) client.stalled_since = Instant::never();
    note_activity(client);
    counters_->bytes_sent.add(bytes);
    client.pool->counters->response_bytes.add(bytes);
    if (client.paused) reconsider(client);
}

// A client with much in flight or unsent is not read on until that has become less.
void Proxy::pause_if_full(ClientConn& client) {
    const config::Pool& options = *client.pool->options;
    if (client.requests.size() < options.requests_in_flight_max &&
        client.out.size() + client.unsent < options.output_pause_size) {
        return;
    }
    resumable_.remove(client);  // its turn may be over, too
    client.paused = true;
    client.paused_by_output = client.out.size() + client.unsent >= options.output_pause_size;
    reconsider(client);
    mark_dirty(client);
}

// Puts a paused client among those to go on when what stopped it is gone. Hysteresis of one half
// keeps a busy client from being stopped and started for every response.
void Proxy::reconsider(ClientConn& client) {
    if (!client.paused) return;
    if (client.uploading != nullptr) {
        if (Streams::has_room(client)) resumable_.add(client);
        return;
    }
    const config::Pool& options = *client.pool->options;
    if (client.barrier ? !client.requests.empty()
                       : client.requests.size() > options.requests_in_flight_max / 2) {
        return;
    }
    const uint64_t mark =
        client.paused_by_output ? options.output_pause_size / 2 : options.output_pause_size - 1;
    if (client.out.size() + client.unsent > mark) return;
    resumable_.add(client);
}

bool Proxy::is_idle() const {
    return stores_.requests.live() == 0;
}

bool Proxy::is_settled() const {
    return retired_.empty() && finished_.empty();
}

size_t Proxy::live_requests() const {
    return stores_.requests.live();
}

ClientConn* Proxy::first_client() const {
    return clients_.front();
}

void Proxy::drain() {
    draining_ = true;
    for (ClientConn* client = clients_.front(); client != nullptr;
         client = decltype(clients_)::after(*client)) {
        if (!client->end_of_stream) on_client_end(*client, ClientConn::End::Closed);
    }
}

// --- requests ------------------------------------------------------------------------------------

namespace {

void begin(Request& request, ClientConn& client) {
    request.resp3 = client.resp3;
    request.mute = client.is_mute();
    request.only.request = &request;
    client.requests.push_back(&request);
}

}  // namespace

Request* Proxy::make_request(ClientConn& client) {
    Request* request = stores_.requests.make(*blocks_, &client);
    if (request != nullptr) begin(*request, client);
    return request;
}

// Its response is dropped.
Request* Proxy::make_own_request() {
    Request* request = stores_.requests.make(*blocks_, nullptr);
    if (request == nullptr) return nullptr;
    request->only.request = request;
    request->untimed = true;
    return request;
}

void Proxy::make_fragment(Request& request) {
    Fragment* fragment = stores_.fragments.make(*blocks_);
    RM_ASSERT(fragment != nullptr);
    fragment->request = &request;
    request.join->fragments.push_back(fragment);
}

Join* Proxy::make_join() {
    return &stores_.joins.take(*blocks_);
}

void Proxy::answer(ClientConn& client, std::string_view text, bool close_after) {
    if (close_after) {
        client.note_end(ClientConn::End::Left);  // unless it is for an error
        client.state = ClientConn::State::Closing;
        if (client.intake != nullptr) client.intake->input.clear();
        streams_.abandon(client);  // it will have no end
    }
    if (client.is_mute()) {
        mark_dirty(client);
        return;
    }
    if (text.size() > small_answer_max) note_answer(client, text.size());
    if (client.binary != nullptr) [[unlikely]] {
        client.binary->expect_beyond(
            client.requests.size(),
            std::get<memcached::BinaryParser>(client.intake->parser).frame());
    }
    if (client.requests.empty()) {
        OpenBlock* open = client.unsent == 0 ? &open_ : nullptr;
        const bool kept = client.binary == nullptr
                              ? client.out.append_copy(text, open)
                              : client.binary->write_next(nullptr, text, client.out, open);
        if (!kept) give_up(client);
        note_output(client, text.size());
        mark_dirty(client);
        return;
    }
    Request* request = make_request(client);
    if (request == nullptr) {
        // Its place is behind those before it. One for each client: no more is taken until they
        // are answered.
        request = stores_.requests.make_beyond(*blocks_, &client);
        begin(*request, client);
        hold_back(client);
    }
    request->ready = true;
    client.keeps = true;
    if (!request->response.append_copy(text, &kept_)) give_up(client);
}

// What is written here costs like requests, of which a client has its share.
void Proxy::note_answer(ClientConn& client, uint64_t size) {
    total_.note_answer(size);
    const uint64_t share = client.pool->options->requests_in_flight_max;
    client.note_taken(batch_, size * share / environment_.bounds.client_answers);
    const bool is_over =
        client.has_had_its_turn(batch_) || total_.is_spent(counters_->requests.get());
    if (is_over && client.wants_input() && client.upload == Upload::None) put_off(client);
}

void Proxy::count_error(const Pool& pool, stats::Reason reason) {
    counters_->errors.add(1);
    pool.counters->errors[static_cast<size_t>(reason)].add(1);
}

void Proxy::answer_error(ClientConn& client,
                         std::string_view text,
                         bool close_after,
                         stats::Reason reason) {
    count_error(*client.pool, reason);
    if (close_after) client.note_end(ClientConn::End::Failed);
    answer(client, text, close_after);
}

void Proxy::refuse_forward(ClientConn& client, std::string_view text, stats::Reason reason) {
    client.pool->counters->forward_error.add(1);
    answer_error(client, text, false, reason);
}

void Proxy::finish(Request& request, std::string_view text) {
    request.client->keeps = true;
    if (!request.response.append_copy(text, &kept_)) give_up(*request.client);
    make_ready(request);
}

void Proxy::enqueue(ServerConn& conn, Fragment& fragment) {
    Request& request = *fragment.request;
    request.fragments_waiting += 1;
    request.fragments_queued += 1;
    fragment.batch = static_cast<uint32_t>(batch_);
    conn.open_get = {};
    fragment.queued = now_;
    fragment.sent = now_;
    conn.note_queued(fragment);
    if (conn.first_in_time == nullptr) {
        conn.first_in_time = &fragment;
        const Duration limit = first_limit(*conn.server->pool().options);
        if (limit.ns > 0) {
            waiting_.add(conn);
            wake_at(now_ + limit);
        }
    }
    conn.note_newest(fragment, now_);
    conn.fragments.push_back(&fragment);
    if (conn.state == ServerConn::State::Ready) {
        dirty_servers_.add(conn);
    } else {
        conn.publish(now_);
    }
}

// What leaves in the batch in which it was queued did not wait; of the rest the time is noted.
Chain& Proxy::take_sendable(ServerConn& conn) {
    if (conn.state != ServerConn::State::Ready) {
        conn.unsent += conn.prelude_out.size();
        conn.server->counters().request_bytes.add(conn.prelude_out.size());
        return conn.prelude_out;
    }
    if (conn.pairing.is_due(now_) && conn.holds_back(now_, environment_.pairing_interval)) {
        conn.publish(now_);
        return conn.prelude_out;  // which is empty
    }
    if (conn.unsent == 0) conn.taken_at = now_;
    if (conn.out.size() > large_request_size) [[unlikely]] {
        streams_.note_leaving(conn);
    }
    conn.unsent += conn.out.size();
    Fragment* first = conn.traffic.first_unsent;
    if (first == nullptr && conn.traffic.out_size == 0 && conn.uploader == nullptr) {
        conn.server->counters().request_bytes.add(conn.out.size());  // no request: SUBSCRIBE, PING
        return conn.out;
    }
    if (notes_commands() && first != nullptr && first->batch != static_cast<uint32_t>(batch_)) {
        for (Fragment* fragment = first; fragment != nullptr; fragment = fragment->next) {
            fragment->sent = now_;
        }
    }
    counters_->fragments.add(conn.traffic.unsent - conn.traffic.questions);
    conn.note_taken();
    if (conn.uploader != nullptr) [[unlikely]] {
        streams_.on_taken(conn);
    }
    return conn.out;
}

// The response is complete: to the client when it is its turn, else it waits.
void Proxy::make_ready(Request& request) {
    request.ready = true;
    if (request.client != nullptr) {
        settle(*request.client);
    } else {
        free_if_done(request);
    }
}

// Moves ready heads to the output, in order.
void Proxy::settle(ClientConn& client) {
    while (!client.requests.empty() && client.requests.front()->ready) {
        Request& request = *client.requests.pop_front();
        if (request.mute) [[unlikely]] {
            request.response.clear();
        } else if (client.binary != nullptr) [[unlikely]] {
            if (!client.binary->rewrite_next(*blocks_, request.response, &open_)) give_up(client);
        }
        const uint64_t size = request.response.size();
        client.out.append_chain(std::move(request.response));
        note_output(client, size);
        detach(request);
        free_if_done(request);
    }
    mark_dirty(client);
    if (client.paused) reconsider(client);
}

// The client has its answer or is gone: what the servers of some parts brought is of no use while
// the last part is still to come. memcached's keys stay: its response must still be one to them.
void Proxy::detach(Request& request) {
    ClientConn& client = *std::exchange(request.client, nullptr);
    request.response.clear();
    if (request.join == nullptr) return;
    if (request.policy == ResponsePolicy::Gathered) {
        client.gathers -= 1;
        joins_.remove(*request.join);
        request.join->keys.clear();
    }
    for (Fragment* fragment : request.join->fragments) {
        fragment->response.clear();
    }
}

// A part of its output is missing: nothing more may be sent to it.
void Proxy::give_up(ClientConn& client) {
    client.broken = true;
    client.note_end(ClientConn::End::Failed);
    mark_dirty(client);
}

void Proxy::free_if_done(Request& request) {
    if (request.client != nullptr || request.fragments_queued > 0) return;
    if (request.join != nullptr) {
        Join& join = *request.join;
        for (Fragment* fragment : join.fragments) {
            stores_.fragments.free(fragment);
        }
        join.fragments.clear();
        join.keys.clear();
        join.named = {};
        join.gathered = 0;
        const auto clear = [](auto& list) {
            constexpr size_t kept_max = 32 * 1024 / sizeof(list[0]);
            list.clear();
            if (list.capacity() > kept_max) list.shrink_to_fit();
        };
        clear(join.owners);
        clear(join.key_sizes);
        clear(join.numbers);
        stores_.joins.put(join);
    }
    stores_.requests.free(&request);
}

}  // namespace ringmain::core
