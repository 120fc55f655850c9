#include "tests/sim/client.h"

#include "tests/sim/faults.h"
#include "tests/unit/core/wire.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ringmain::sim {

namespace {

Client::Manner draw_manner(const Scenario& scenario, Prng& prng) {
    using Manner = Client::Manner;
    if (prng.below(100) >= scenario.odd_clients) return Manner::Polite;
    static constexpr std::array<Manner, 8> odd = {Manner::Trickling,
                                                  Manner::Trickling,
                                                  Manner::Sleepy,
                                                  Manner::Sleepy,
                                                  Manner::Sleepy,
                                                  Manner::Rude,
                                                  Manner::Deaf,
                                                  Manner::Babbling};
    return odd[prng.below(odd.size())];
}

Duration some_time(Prng& prng, Duration most) {
    return {static_cast<int64_t>(prng.below(static_cast<uint64_t>(most.ns) + 1))};
}

}  // namespace

Client::Client(uint64_t number, const Scenario& scenario, Truth& truth, Prng& prng)
    : number_(number),
      scenario_(&scenario),
      truth_(&truth),
      talker_(number, truth),
      manner_(draw_manner(scenario, prng)),
      left_(5 + static_cast<uint32_t>(prng.below(120))) {
    if (manner_ == Manner::Polite && number % 3 == 2) manner_ = Manner::Parting;
    const bool is_memcached = truth.pool->protocol == config::Protocol::Memcached;
    if (is_memcached && listens() && number % 5 < 2) packets_.emplace();
}

void Client::on_connected(Link& link, Instant now) {
    link_ = &link;
    next_speech_ = next_nap_ = last_heard_ = now;
    talker_.set_id(link.channel->client->id, link.worker);
    if (manner_ == Manner::Deaf) link.channel->reads = false;
}

void Client::go_on(uint32_t requests, Instant now) {
    if (leaving_ || manner_ == Manner::Rude || !listens()) return;
    left_ = requests;
    next_speech_ = std::max(next_speech_, now);
}

void Client::on_drain(bool heard) {
    left_ = 0;
    is_sent_away_ = true;
    may_be_unheard_ = !heard;
}

void Client::say_goodbye() {
    left_ = 0;
    leaves_at_ = {};
    if (link_ != nullptr) link_->channel->reads = true;
}

Instant Client::next_act() const {
    if (gone_ || link_ == nullptr) return Instant::never();
    Instant next = std::min(leaves_at_, link_->to_peer.next());
    if (!leaving_ && left_ > 0) next = std::min(next, next_speech_);
    if (manner_ == Manner::Sleepy) next = std::min(next, next_nap_);
    return next;
}

Instant Client::waits_since() const {
    if (link_ == nullptr || gone_ || !listens() || talker_.waiting() == 0) return Instant::never();
    if (!link_->channel->reads) return Instant::never();
    const Instant since =
        std::max({talker_.oldest().asked, last_heard_, patience_from_, sent_until_});
    // The time of a large request begins when all of it has gone on, which its server may delay.
    const core::ClientConn* client = link_->channel->client;
    const core::Request* head = client == nullptr ? nullptr : client->requests.front();
    const bool is_large = head != nullptr && head->join == nullptr &&
                          head->only.size > truth_->pool->stream_threshold;
    return is_large ? std::max(since, head->only.queued) : since;
}

int64_t Client::turns() const {
    const Expected& oldest = talker_.oldest();
    return 1 + oldest.silent +
           (packets_.has_value() ? static_cast<int64_t>(oldest.uses.size()) : 0);
}

std::string Client::act(Instant now, Prng& prng) {
    if (gone_ || link_ == nullptr) return {};
    std::string wrong = listen(now);
    if (!wrong.empty() || gone_) return wrong;
    if (manner_ == Manner::Sleepy && now >= next_nap_) {
        // Before it leaves it reads on.
        link_->channel->reads = !link_->channel->reads || now >= leaves_at_;
        next_nap_ = now + Duration::millis(1 + static_cast<int64_t>(prng.below(60)));
        forgive(now);
    }
    if (now >= leaves_at_ && !leaving_) {
        const bool owed = listens() && talker_.waiting() > 0 && manner_ != Manner::Rude;
        const bool wants_wait = truth_->waits && manner_ == Manner::Parting;
        if (owed && (manner_ != Manner::Parting || wants_wait)) return {};
        if (manner_ == Manner::Parting && !is_sent_away_ && part(now, prng)) return {};
        leave(now, listens() && manner_ != Manner::Rude);
        return {};
    }
    if (!leaving_ && left_ > 0 && now >= next_speech_) speak(now, prng);
    return {};
}

std::string Client::listen(Instant now) {
    if (!link_->arrived.empty()) {
        if (listens()) {
            take(link_->arrived);
            const size_t waiting = talker_.waiting();
            const std::string wrong = talker_.listen(heard_, now);
            if (!wrong.empty()) return "client c" + std::to_string(number_) + ": " + wrong;
            if (talker_.waiting() != waiting) last_heard_ = now;
        }
        link_->arrived.clear();
    }
    if (!link_->to_peer.has_ended(now)) return {};
    return on_closed(now);
}

std::string Client::encode(std::string request) {
    if (!packets_.has_value() || request.empty()) return request;
    return packets_->encode(request);
}

void Client::take(std::string_view bytes) {
    if (!packets_.has_value()) {
        heard_ += bytes;
        return;
    }
    heard_packets_ += bytes;
    heard_ += packets_->decode(heard_packets_);
}

// The proxy closes a client that has said goodbye, and none before it has its answers.
std::string Client::on_closed(Instant now) {
    talker_.stop_listening();
    const bool expected = leaving_ || is_sent_away_ || !listens();
    const bool owed = listens() && talker_.waiting() > 0 && !may_be_unheard_;
    const bool excused = (truth_->common_faults & Scarce) != 0 || link_->was_reset ||
                         may_seem_idle(now) || may_seem_slow() || may_have_no_database() ||
                         ends_within_ || may_be_cut_short() || talker_.may_be_cut_off();
    gone_ = true;
    link_->client = nullptr;
    link_ = nullptr;
    if (excused || (expected && !owed)) return {};
    if (has_parted_) {
        const std::string wrong = talker_.miss_last();
        return wrong.empty() ? wrong : "client c" + std::to_string(number_) + ": " + wrong;
    }
    return "client c" + std::to_string(number_) + " was closed and " +
           (owed ? "waits for " + std::to_string(talker_.waiting()) + " answers"
                 : "had not said goodbye");
}

// It has waited for nothing and said nothing for that long; what it said last may have crossed with
// the proxy's closing.
bool Client::may_seem_idle(Instant now) const {
    const Duration limit = Duration::millis(truth_->pool->client_idle_timeout_ms);
    if (limit.ns == 0) return false;
    const Duration crossing = {4 * link_->latency.ns + Duration::millis(10).ns};
    if (talker_.waiting() > 0) return now - talker_.oldest().asked <= crossing;
    if (now - sent_until_ <= crossing) return true;  // without an answer
    return now + crossing >= std::max(last_heard_, sent_until_) + limit;
}

// However fast it reads: a batch may have brought more for it than may wait.
bool Client::may_seem_slow() const {
    return truth_->pool->client_output_limit < scenario_->output_limit_ample;
}

// A reload may have made another database the pool's when others had the place of one besides.
bool Client::may_have_no_database() const {
    return truth_->selects && truth_->pool->databases_max == 1 && scenario_->reload_every.ns > 0;
}

// A server was lost when the client had the beginning of its answer.
bool Client::may_be_cut_short() const {
    if (truth_->calm || talker_.waiting() == 0) return false;
    const Expected& oldest = talker_.oldest();
    // Of what streams by default no value is large enough, but several together are.
    const bool is_small = oldest.kind != Expected::Kind::Values || oldest.uses.size() < 2;
    const bool is_default = truth_->pool->stream_threshold >= config::Pool{}.stream_threshold;
    return !(is_default && is_small) && oldest.asked < truth_->calm_from;
}

// False: it has nothing to wait for.
bool Client::part(Instant now, Prng& prng) {
    std::string bytes = talker_.speak_last(prng, now);
    if (bytes.empty()) return false;
    has_parted_ = true;
    send(std::move(bytes), now, prng);
    leave(now, true);
    return true;
}

void Client::leave(Instant now, bool politely) {
    leaving_ = true;
    talker_.stop_listening();
    if (politely) {
        link_->to_proxy.close(std::max(now + link_->latency, sent_until_));
        return;
    }
    if (ends_within_ && number_ % 2 == 0) {
        link_->to_proxy.close(std::max(now + link_->latency, sent_until_));
    } else {
        link_->reset_at = on_grid(now + link_->latency);
        link_->was_reset = true;
    }
    link_->channel->reads = true;
    gone_ = true;
    link_->client = nullptr;
    link_ = nullptr;
}

void Client::speak(Instant now, Prng& prng) {
    const uint32_t depth = 1 + static_cast<uint32_t>(prng.below(scenario_->depth_max));
    std::string bytes;
    // A deaf one has no end of questions.
    const bool waits = listens() && talker_.waiting() > 2 * scenario_->depth_max;
    for (uint32_t i = 0; i < depth && left_ > 0 && !waits; ++i) {
        const std::string request =
            manner_ == Manner::Babbling ? babble(prng) : encode(talker_.speak(prng, now));
        if (request.empty()) {
            if (!listens()) left_ = 0;  // it will never hear that it is let in
            break;
        }
        left_ -= 1;
        spoken_ += 1;
        ends_within_ = manner_ == Manner::Rude && left_ == 0 && prng.below(2) == 0;
        if (ends_within_) talker_.cut_last();
        bytes += ends_within_ ? request.substr(0, prng.below(request.size())) : request;
    }
    if (!bytes.empty()) send(std::move(bytes), now, prng);
    next_speech_ = on_grid(now + grid + some_time(prng, scenario_->think));
    if (left_ > 0) return;
    const Duration rest = some_time(prng, Duration::millis(50));
    leaves_at_ = manner_ == Manner::Parting ? now : now + rest;
}

void Client::send(std::string bytes, Instant now, Prng& prng) {
    Instant at = std::max(now + link_->latency, sent_until_);
    const size_t piece_max = manner_ == Manner::Trickling ? 1 + prng.below(40) : bytes.size();
    const size_t piece_min = std::max<size_t>(piece_max, bytes.size() / 50);
    for (size_t from = 0; from < bytes.size(); from += piece_min) {
        link_->to_proxy.push(bytes.substr(from, piece_min), at);
        if (manner_ == Manner::Trickling) at = at + some_time(prng, Duration::millis(2));
    }
    sent_until_ = on_grid(at);
}

std::string Client::babble(Prng& prng) const {
    static constexpr std::array<std::string_view, 10> of_redis = {
        "*1000000\r\n",
        "*2\r\n$3\r\nGET\r\n$-5\r\n",
        "$5\r\n",
        "GET \"unbalanced\r\n",
        "*0\r\n",
        "*-1\r\n\r\n\r\n",
        "*2\r\n$3\r\nGET\r\n$600000000\r\n",
        "*1\r\n$4\r\nMGET\r\n",
        "*2\r\n$4\r\nNOPE\r\n$1\r\nx\r\n",
        "SUBSCRIBE x\r\n"};
    static constexpr std::array<std::string_view, 10> of_memcached = {
        "set a 0 0 -1\r\n",
        "get\r\n",
        "\r\n",
        "set a 0 0 5\r\nabcdefgh\r\n",
        "incr a x\r\n",
        "mg\r\n",
        "cas a 0 0 1\r\nx\r\n",
        "set a 0 0 1 noreply\r\nxyz\r\n",
        "delete a b c\r\n",
        "quit now\r\n"};
    const uint64_t kind = prng.below(12);
    if (kind < 10) {
        const bool redis = truth_->pool->protocol == config::Protocol::Redis;
        return std::string(redis ? of_redis[kind] : of_memcached[kind]);
    }
    std::string noise(1 + prng.below(300), '\0');
    for (char& byte : noise) {
        byte = static_cast<char>(prng.below(256));
    }
    return noise;
}

}  // namespace ringmain::sim
