// What servers send on subscription connections: confirmations and messages; and who will hear what
// clients publish.

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"
#include "ringmain/core/streams.h"
#include "ringmain/core/subscriptions.h"
#include "ringmain/resp/glob.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "front.h"
#include "step_requests.h"
#include "topic_words.h"

namespace ringmain::core {

namespace {

// The elements of an array of bulks and integers, one after the other.
class Elements {
  public:
    // `at`: behind the array's header.
    Elements(const Bytes& bytes, uint32_t at) : bytes_(bytes), at_(at) {}

    [[nodiscard]] std::optional<ByteRange> bulk() {
        const std::optional<int64_t> size = number('$');
        if (!size.has_value() || *size < 0 || *size > int64_t{bytes_.size()} - at_) {
            return std::nullopt;
        }
        const ByteRange range = {.offset = at_, .size = static_cast<uint32_t>(*size)};
        at_ += range.size + line_end_size;
        return range;
    }

    [[nodiscard]] bool integer() { return number(':').has_value(); }

    [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }

  private:
    static constexpr uint32_t line_end_size = 2;
    static constexpr uint32_t header_size_max = 24;

    [[nodiscard]] std::optional<int64_t> number(char type) {
        if (at_ >= bytes_.size()) return std::nullopt;
        const uint32_t size = std::min(header_size_max, bytes_.size() - at_);
        const std::string_view line = bytes_.view({at_, size}, scratch_);
        const size_t end = line.find('\r');
        if (line[0] != type || end == std::string_view::npos) return std::nullopt;
        at_ += static_cast<uint32_t>(end) + line_end_size;
        return ascii::parse_int64(line.substr(1, end - 1));
    }

    const Bytes& bytes_;
    uint32_t at_;
    std::string scratch_;
};

constexpr std::string_view unasked = "sent what nobody asked for on a subscription connection";

// A message that some worker has published for itself (WAIT).
bool is_own(const Bytes& bytes, ByteRange channel) {
    if (channel.size != wait_channel.size()) return false;
    std::string scratch;
    return bytes.view(channel, scratch) == wait_channel;
}

// "*3\r\n" or "*4\r\n".
constexpr uint32_t array_header_size = 4;

}  // namespace

void Subscriptions::lose(ServerConn& conn, std::string_view reason) {
    proxy_->lose(conn, reason);
}

// Whether a byte may come: an answer to what has left, or a message of what is held.
bool Subscriptions::awaits_bytes(const ServerConn& conn) {
    if (conn.prelude_answers > 0) return conn.prelude_out.empty();
    const Link& link = *conn.server->link;
    return !link.asked.empty() || link.held > 0;
}

// --- turns ---------------------------------------------------------------------------------------

void Subscriptions::on_bytes(ServerConn& conn, Slice slice) {
    if (kept_.empty()) {
        take(conn, slice);
    } else {
        keep(conn, slice);
    }
}

// What waits is not to be lost with the connection, nor to be taken in one go.
bool Subscriptions::on_end(ServerConn& conn, std::string_view reason) {
    Link& link = *conn.server->link;
    if (link.kept.empty()) return true;
    if (link.end.empty()) link.end = reason;
    proxy_->streams().pause(conn, true);
    return false;
}

bool Subscriptions::waits_for_clients() const {
    return proxy_->blocks().available() < relief_below(proxy_->blocks().capacity()) &&
           proxy_->now() < low_until_;
}

bool Subscriptions::is_turn_over() const {
    if (copied_in_ != proxy_->batch_ || copied_ == 0) return false;
    const uint32_t capacity = proxy_->blocks().capacity();
    return copied_ >= uint64_t{fan_out_max(capacity)} * block_size ||
           proxy_->blocks().available() < relief_below(capacity);
}

void Subscriptions::note_copied(uint64_t size) {
    if (std::exchange(copied_in_, proxy_->batch_) != proxy_->batch_) copied_ = 0;
    copied_ += size;
}

void Subscriptions::keep(ServerConn& conn, Slice slice) {
    Link& link = *conn.server->link;
    if (kept_.empty()) low_until_ = proxy_->now() + exhaustion_max;
    kept_.add(link);
    // Copied when small: a block for each message would be more than it is worth.
    constexpr uint32_t blocks_enough = 2;
    const bool kept = proxy_->blocks().available() >= blocks_enough
                          ? link.kept.append_growing(slice)
                          : link.kept.append_shared(slice);
    RM_ASSERT(kept);
    if (link.kept.size() >= messages_kept_max) proxy_->streams().pause(conn, true);
}

// Each has its turn before one has another.
void Subscriptions::take_kept() {
    if (waits_for_clients()) {
        proxy_->wake_at(low_until_);
        return;
    }
    if (proxy_->blocks().available() >= relief_below(proxy_->blocks().capacity())) {
        low_until_ = proxy_->now() + exhaustion_max;
    }
    while (!kept_.empty() && !is_turn_over()) {
        take_kept(*kept_.front());
    }
}

// In the order in which it came, until the turn is over.
void Subscriptions::take_kept(Link& link) {
    ServerConn& conn = *link.conn;
    Chain bytes = std::move(link.kept);
    while (!bytes.empty() && !is_turn_over()) {
        const Slice slice = bytes.front();
        take(conn, slice);
        if (conn.is_given_up()) return;
        bytes.pop_front(slice.size);
    }
    link.kept.append_chain(std::move(bytes));
    kept_.remove(link);
    if (!link.kept.empty()) {
        kept_.add(link);
    } else if (const std::string end = std::exchange(link.end, {}); !end.empty()) {
        proxy_->on_server_lost(conn, end);
        return;
    }
    if (conn.paused && link.end.empty() && link.kept.size() < messages_kept_max) {
        link.heard_at = proxy_->now();
        proxy_->streams().pause(conn, false);
    }
}

// --- frames --------------------------------------------------------------------------------------

void Subscriptions::take(ServerConn& conn, Slice slice) {
    auto& parser = std::get<resp::ResponseParser>(conn.parser);
    Link& link = *conn.server->link;
    while (slice.size > 0) {
        if (is_turn_over()) {
            keep(conn, slice);
            return;
        }
        if (!awaits_bytes(conn)) {
            lose(conn, unasked);
            return;
        }
        const Fed fed = parser.feed(slice.view());
        if (fed.status == ParseStatus::Error) {
            lose(conn, std::string("sent a malformed message: ").append(parser.error()));
            return;
        }
        const auto consumed = static_cast<uint32_t>(fed.consumed);
        const Slice end = slice.cut(0, consumed);
        slice = slice.cut(consumed, slice.size - consumed);
        if (fed.status == ParseStatus::NeedMore) {
            note_part(link, consumed);
            keep_part(conn, end);
            continue;
        }
        note_heard(link);
        Chain whole(proxy_->blocks());
        if (!conn.partial.empty()) {
            keep_part(conn, end);
            whole = std::move(conn.partial);
        }
        if (std::exchange(link.is_dropping, false)) {
            conn.server->pool().counters->messages_dropped.add(1);
        } else {
            on_frame(conn, parser.frame(), all_of(whole, end));
        }
        if (conn.is_given_up()) return;
        parser.next();
    }
}

void Subscriptions::note_heard(Link& link) const {
    link.heard_at = proxy_->now();
    link.part_size = 0;
}

// As of a response that is streamed (Streams::check). In a message that has no end lies all that
// comes behind it, be it whole messages: some bytes say nothing.
void Subscriptions::note_part(Link& link, uint64_t size) const {
    link.part_size += size;
    if (link.part_size >= Streams::moves_by) note_heard(link);
}

// Of a message that crosses receives. One for which there is no memory is dropped: others are not
// to miss theirs for it.
void Subscriptions::keep_part(ServerConn& conn, Slice slice) {
    Link& link = *conn.server->link;
    if (link.is_dropping) return;
    const bool fits = conn.partial.size() + slice.size <= response_size_max &&
                      proxy_->blocks().available() > proxy_->reserve();
    if (fits && conn.partial.append_growing(slice)) return;
    conn.partial.clear();
    link.is_dropping = true;
}

void Subscriptions::on_frame(ServerConn& conn,
                             const resp::ResponseFrame& frame,
                             const Bytes& bytes) {
    if (conn.prelude_answers > 0) {
        proxy_->on_prelude_response(conn, frame, bytes);
        return;
    }
    Link& link = *conn.server->link;
    conn.spoke_since_connect = true;
    if (frame.type == '*' && (frame.number == 3 || frame.number == 4)) {
        on_array(conn, frame, bytes);
        return;
    }
    const bool is_due = !link.asked.empty() && link.asked.front().batch != proxy_->batch_;
    const bool is_ping = is_due && link.asked.front().topic == nullptr;
    std::string scratch;
    const std::string_view text = bytes.view({0, std::min(bytes.size(), 32U)}, scratch);
    // Any answer says that it lives: its ACL may allow no PING, a script may keep it busy, or its
    // disk be full.
    const bool is_pong = is_ping && (text == "*2\r\n$4\r\npong\r\n$0\r\n\r\n" ||
                                     text == "+PONG\r\n" || frame.type == '-');
    if (is_due && frame.type == '-' && !is_pong) {
        on_refused(conn, bytes);
        return;
    }
    if (!is_pong) {
        lose(conn, unasked);
        return;
    }
    static_cast<void>(take_answered(link));
    note_recovery(link);
    check_ready(link);
}

// Whether it is what the oldest command is confirmed with.
bool Subscriptions::confirms(const Link& link, std::string_view word, std::string_view name) {
    if (link.asked.empty()) return false;
    const Link::Asked& asked = link.asked.front();
    if (asked.topic == nullptr || asked.batch == proxy_->batch_) return false;
    const TopicWords& words = words_of(asked.topic->kind);
    return word == (asked.subscribes ? words.subscribe : words.unsubscribe) &&
           name == asked.topic->name;
}

// [word, name, count], [word, channel, payload] or [word, pattern, channel, payload].
void Subscriptions::on_array(ServerConn& conn,
                             const resp::ResponseFrame& frame,
                             const Bytes& bytes) {
    Link& link = *conn.server->link;
    std::string word_scratch;
    std::string name_scratch;
    Elements elements(bytes, array_header_size);
    const std::optional<ByteRange> word_range = elements.bulk();
    const std::optional<ByteRange> name_range =
        word_range.has_value() ? elements.bulk() : std::nullopt;
    if (!name_range.has_value()) {
        lose(conn, unasked);
        return;
    }
    const std::string_view word = bytes.view(*word_range, word_scratch);
    const std::string_view name = bytes.view(*name_range, name_scratch);
    if (frame.number == 3 && confirms(link, word, name)) {
        if (elements.integer() && elements.at_end()) {
            on_confirmed(link);
        } else {
            lose(conn, unasked);
        }
        return;
    }
    constexpr std::array kinds = {TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard};
    const auto* const kind =
        std::ranges::find_if(kinds, [&](TopicKind one) { return words_of(one).message == word; });
    Topic* topic = nullptr;
    std::optional<ByteRange> channel;
    if (kind != kinds.end() && frame.number == (*kind == TopicKind::Pattern ? 4 : 3)) {
        channel = *kind == TopicKind::Pattern ? elements.bulk() : name_range;
        const bool is_whole =
            channel.has_value() && elements.bulk().has_value() && elements.at_end();
        if (is_whole) topic = find(conn.server->pool(), *kind, name);
    }
    Spot* spot = topic == nullptr ? nullptr : topic->spot(*conn.server);
    if (spot == nullptr || !spot->held) {
        lose(conn, unasked);
        return;
    }
    // Until it has ended what has moved it sends what was published there before. Where it refuses
    // to end it that is nobody's.
    const bool is_left = !spot->wanted && spot->was_refused;
    if (is_left || (*kind != TopicKind::Shard && is_own(bytes, *channel))) return;
    deliver(conn.server->pool(), *topic, bytes);
}

// The oldest command is answered. Who waits for others does so while enough are: to drip is not to
// move (Streams::check).
Link::Asked Subscriptions::take_answered(Link& link) const {
    const Link::Asked asked = link.asked.front();
    link.asked.pop_front();
    link.asked_size -= asked.size;
    link.moved_size += asked.size;
    if (link.moved_size >= Streams::moves_by) {
        link.moved_size = 0;
        link.moved_at = proxy_->now();
    }
    return asked;
}

void Subscriptions::on_confirmed(Link& link) {
    const Link::Asked asked = take_answered(link);
    Topic& topic = *asked.topic;
    Pool& pool = link.conn->server->pool();
    Spot& spot = *topic.spot(*link.conn->server);
    spot.pending -= 1;
    note_held(*link.conn->server, topic, spot, asked.subscribes);
    spot.was_refused = false;
    spot.was_told = false;
    note_recovery(link);
    if (topic.is_confirmed()) confirm(topic);
    settle(pool, topic);
    if (!link.todo.empty() || link.wanted == 0) mark(link);
}

// Who will get what is published there, less the one that the server knows.
int64_t Subscriptions::more_receivers(const Topic& topic, const Server& server) {
    const bool is_held = std::ranges::any_of(
        topic.spots, [&](const Spot& spot) { return spot.server == &server && spot.held; });
    return is_held ? static_cast<int64_t>(topic.clients.size()) - 1 : 0;
}

// By patterns; nothing when that takes more than `steps`.
std::optional<int64_t> Subscriptions::more_by_patterns(const Server& server,
                                                       std::string_view channel,
                                                       uint64_t& steps) {
    int64_t more = 0;
    const Pool& pool = server.pool();
    if (pool.topics == nullptr) return more;
    for (const Topic& topic : pool.topics->miscounted) {
        if (steps < pattern_steps_min) return std::nullopt;
        steps -= pattern_steps_min;
        const std::optional<bool> matches =
            resp::glob_matches_within(topic.name, channel, resp::Letters::AsTheyAre, steps);
        if (!matches.has_value()) return std::nullopt;
        if (*matches) more += more_receivers(topic, server);
    }
    return more;
}

void Subscriptions::count_receivers(Request& request,
                                    const Server& server,
                                    TopicKind kind,
                                    std::string_view channel) {
    const Pool& pool = server.pool();
    const bool has_patterns = kind == TopicKind::Channel;
    int64_t more = 0;
    if (std::exchange(counted_in_, proxy_->batch_) != proxy_->batch_) steps_ = publish_steps_max;
    if (const Topic* topic = find(pool, kind, channel)) more += more_receivers(*topic, server);
    if (has_patterns) {
        const std::optional<int64_t> own = more_by_patterns(server, channel, steps_);
        if (!own.has_value()) return;
        more += *own;
    }
    const Environment& environment = proxy_->environment();
    for (uint32_t worker = 0; worker < environment.worker_count; ++worker) {
        if (worker == environment.worker_index) continue;
        const Hearers& hearers = (*pool.shared->hearers)[worker];
        more += hearers.more_receivers(kind, channel, server.number());
        if (!has_patterns) continue;
        const std::optional<int64_t> others =
            hearers.more_by_patterns(channel, server.number(), steps_);
        if (!others.has_value()) return;
        more += *others;
    }
    if (more == 0) return;
    request.only.special = Special::Publish;
    request.extra = more;
}

TopicKind publishes_to(const Command& command) {
    // Shard channels are hashed like keys.
    return command.key_specs.empty() ? TopicKind::Channel : TopicKind::Shard;
}

// An error in place of a confirmation: the server's word for who waits for it, and nothing was
// done. Who has the subscription keeps it without its messages, and what was to end goes on; either
// is asked for again later. All other topics on the connection have nothing to do with it.
void Subscriptions::on_refused(ServerConn& conn, const Bytes& bytes) {
    Link& link = *conn.server->link;
    const std::string line = proxy_->first_line(bytes);
    if (is_full(line)) {  // of the connection, and not of the topic
        proxy_->lose(conn, crowded_text(line), Blame::Us);
        return;
    }
    const Link::Asked asked = take_answered(link);
    Topic& topic = *asked.topic;
    Spot& spot = *topic.spot(*conn.server);
    spot.pending -= 1;
    // More of the same may be under way: they are answered, too.
    if (spot.pending == 0) spot.told = spot.held;
    // The first who asked for it is told, and does without.
    const bool is_missed = asked.subscribes && !topic.clients.empty();
    const bool is_behind = spot.pending == 0 && spot.wanted != spot.told && !spot.queued;
    if (is_behind && (is_missed || !asked.subscribes)) {
        hold_back(link, topic, spot);
        if (is_missed && !std::exchange(spot.was_told, true)) tell_refusal(link, topic, line);
    }
    topic.joinings += 1;
    if (topic.is_confirmed()) {
        confirm(topic);  // it never ended
    } else if (asked.subscribes) {
        fail(topic, line + "\r\n", std::nullopt);
    }
    topic.joinings -= 1;
    note_recovery(link);
    settle(conn.server->pool(), topic);
    mark(link);
}

namespace {

// Beside what is larger a block for a small piece is little.
constexpr uint32_t evened_max = 64 * block_size;

// A message as RESP3 or RESP2 has it, which differ in the first byte, in as few blocks as hold it
// and equally much in each. A client that is slow would have a block of its own for each small
// piece between large ones; these are large, and one copy is there for all.
[[nodiscard]] bool copy_message(
    char kind, const Bytes& bytes, Chain& target, BlockPool& blocks, std::string& scratch) {
    if (!target.append_copy({&kind, 1}, nullptr)) return false;
    if (bytes.size() > evened_max) {
        return bytes.append_to(target, {1, bytes.size() - 1}, nullptr);
    }
    const uint32_t count = (bytes.size() + block_size - 1) / block_size;
    const uint32_t size = (bytes.size() + count - 1) / count;
    if (!target.append_copy(bytes.view({1, size - 1}, scratch), nullptr)) return false;
    for (uint32_t at = size; at < bytes.size(); at += size) {
        Chain part(blocks);
        const ByteRange range = {at, std::min(size, bytes.size() - at)};
        if (!part.append_copy(bytes.view(range, scratch), nullptr)) return false;
        target.append_chain(std::move(part));
    }
    return true;
}

}  // namespace

// To all clients that have the topic. For whom there is no memory, it is dropped: what is left is
// for requests.
void Subscriptions::deliver(Pool& pool, Topic& topic, const Bytes& bytes) {
    pool.counters->messages.add(1);
    const uint32_t left_free = 2 * proxy_->reserve();
    const bool is_whole = bytes.is_contiguous() || bytes.size() > evened_max;
    const uint32_t copied = std::clamp(bytes.size(), message_cost_min, copy_max);
    Chain resp2(proxy_->blocks());
    Chain resp3(proxy_->blocks());
    bool is_too_large = false;  // to be copied
    uint64_t delivered = 0;
    uint64_t dropped = 0;
    for (ClientConn* client : topic.clients) {
        if (client->broken || client->state != ClientConn::State::Open) continue;
        const bool is_as_it_came = !client->resp3 && is_whole;
        Chain& copy = client->resp3 ? resp3 : resp2;
        bool has_room = proxy_->blocks().available() > left_free;
        if (has_room && !is_as_it_came && copy.empty()) {
            is_too_large = is_too_large || !copy_message(client->resp3 ? '>' : '*',
                                                         bytes,
                                                         copy,
                                                         proxy_->blocks(),
                                                         proxy_->scratch().text);
            if (is_too_large) copy.clear();
            has_room = !is_too_large;
        }
        if (!has_room) {
            dropped += 1;
            continue;
        }
        const Bytes copied_once(copy);
        proxy_->append_response(*client, is_as_it_came ? &bytes : &copied_once, {});
        heard_.add(*client->session->subscriber);
        delivered += 1;
    }
    note_copied(topic.clients.size() * copied);
    pool.counters->messages_delivered.add(delivered);
    pool.counters->messages_dropped.add(dropped);
}

ClientConn* Subscriptions::next_hearer() {
    Subscriber* subscriber = heard_.front();
    if (subscriber == nullptr) return nullptr;
    heard_.remove(*subscriber);
    return subscriber->client;
}

}  // namespace ringmain::core
