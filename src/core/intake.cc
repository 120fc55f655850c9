// A client's bytes become requests.

#include "ringmain/core/intake.h"

#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"
#include "ringmain/core/proxy.h"

#include <utility>

#include "front.h"

namespace ringmain::core {

namespace {

// Smaller ones are not worth counting what is in them.
constexpr uint32_t large_piece = 2048;

}  // namespace

Intake::Intake(BlockPool& blocks)
    : input(blocks),
      partial(blocks),
      parser(std::in_place_type<resp::RequestParser>, resp::no_limits) {}

void Intake::become(ClientConn& client) {
    const bool goes_on = std::exchange(client.has_spoken, true);
    if (client.pool->is_redis()) {
        parser.emplace<resp::RequestParser>(client.pool->resp_limits);
    } else if (!goes_on || !std::holds_alternative<memcached::RequestParser>(parser)) {
        parser.emplace<memcached::RequestParser>(client.pool->memcached_limits, goes_on);
    }
    update(client);
}

void Intake::update(const ClientConn& client) {
    if (auto* resp = std::get_if<resp::RequestParser>(&parser)) {
        resp->set_limits(client.pool->resp_limits);
        resp->set_authenticated(client.authenticated);
    } else if (auto* text = std::get_if<memcached::RequestParser>(&parser)) {
        text->set_limits(client.pool->memcached_limits);
    } else {
        std::get<memcached::BinaryParser>(parser).set_limits(client.pool->memcached_limits);
    }
}

Intake& Proxy::intake_of(ClientConn& client) {
    if (client.intake != nullptr) return *client.intake;
    Intake& intake = stores_.intakes.take(*blocks_);
    client.intake = &intake;
    auto* parser = std::get_if<resp::RequestParser>(&intake.parser);
    if (parser != nullptr && client.pool->is_redis()) [[likely]] {
        parser->set_limits(client.pool->resp_limits);
        parser->set_authenticated(client.authenticated);
    } else {
        intake.become(client);
    }
    return intake;
}

void Proxy::take_bytes(ClientConn& client, Slice slice) {
    if (client.state == ClientConn::State::Closing) return;
    const bool waits = client.intake != nullptr && !client.intake->input.empty();
    if (client.paused || waits) {
        if (intake_of(client).input.append_growing(slice)) {
            mark_dirty(client);  // enough may have come for the receive to be cancelled
            return;
        }
        answer_error(client,
                     error_line(*client.pool, "out of buffer memory (buffer_memory)"),
                     true,
                     stats::Reason::Limit);
        return;
    }
    read_requests(client, slice);
}

// What is unfinished stays so.
void Proxy::end_reading(ClientConn& client) {
    client.state = ClientConn::State::Closing;
    if (client.intake != nullptr) client.intake->partial.clear();
    streams_.abandon(client);
}

namespace {

// What cannot be taken yet is read again when what came before it is done.
void postpone(ClientConn& client, Slice end, Chain whole) {
    client.paused = true;
    client.barrier = true;
    const bool kept = whole.empty() ? client.intake->input.append_shared(end)
                                    : (client.intake->input.append_chain(std::move(whole)), true);
    RM_ASSERT(kept);
}

}  // namespace

// Whoever has said enough for one batch is read on in the next: others have their turn. Of requests
// that go to servers no more than that are in flight anyway; these are those that we answer.
void Proxy::read_requests(ClientConn& client, Slice slice) {
    if (total_.is_spent(counters_->requests.get()) && client.upload == Upload::None) [[unlikely]] {
        const bool kept = intake_of(client).input.append_shared(slice);
        RM_ASSERT(kept);
        put_off(client);
        return;
    }
    if (slice.size < large_piece) [[likely]] {
        read_piece(client, slice);
        return;
    }
    const uint64_t before = counters_->requests.get();
    read_piece(client, slice);
    client.note_taken(batch_, counters_->requests.get() - before);
    if (!client.has_had_its_turn(batch_) || !client.wants_input()) return;
    if (client.upload == Upload::None) put_off(client);
}

// It is read on when others have had their turn.
void Proxy::put_off(ClientConn& client) {
    client.paused = true;
    resumable_.add(client);
    mark_dirty(client);
}

void Proxy::read_piece(ClientConn& client, Slice slice) {
    Intake& intake = intake_of(client);
    bool at_start = false;
    if (auto* parser = std::get_if<resp::RequestParser>(&intake.parser)) {
        parse_requests(client, *parser, slice);
        at_start = parser->at_start();
    } else if (auto* text = std::get_if<memcached::RequestParser>(&intake.parser)) {
        parse_requests(client, *text, slice);
        if (text->begins_binary()) [[unlikely]] {
            parse_requests(client, client.begin_binary(), slice);
        } else {
            at_start = text->at_start();
        }
    } else {
        parse_requests(client, std::get<memcached::BinaryParser>(intake.parser), slice);
    }
    if (at_start && intake.partial.empty() && intake.input.empty()) {
        stores_.intakes.put(intake);
        client.intake = nullptr;
    }
}

namespace {

// Whether the frame is refused, and what its server has of its key is removed: in its turn.
bool removes(const resp::RequestParser&) {
    return false;
}

bool removes(const memcached::RequestParser& parser) {
    return !parser.frame().removal.empty();
}

// Before its key is there, too.
bool removes(const memcached::BinaryParser& parser) {
    const memcached::BinaryFrame& frame = parser.frame();
    return frame.refusal == memcached::BinaryStatus::TooLarge &&
           frame.meaning.command == memcached::BinaryCommand::Set;
}

// Whether a complete frame is answered where it stands, and no server hears of it.
template <class Parser>
bool is_refused(const Parser& parser) {
    return parser.discarding() && !removes(parser);
}

}  // namespace

void Proxy::parse_requests(ClientConn& client, auto& parser, Slice slice) {
    Intake& intake = *client.intake;
    Tally requests(counters_->requests);
    while (slice.size > 0 && client.wants_input()) {
        const Fed fed = parser.feed(slice.view());
        if (fed.status == ParseStatus::NeedMore) {
            take_part(client, parser, slice);
            return;
        }
        if (fed.status == ParseStatus::Error) {
            intake.partial.clear();
            streams_.abandon(client);
            refuse_stream(*this, client, parser);
            return;
        }

        const auto consumed = static_cast<uint32_t>(fed.consumed);
        const Slice end = slice.cut(0, consumed);
        slice = slice.cut(consumed, slice.size - consumed);
        bool waits = false;
        if (client.upload != Upload::None) [[unlikely]] {
            const Streams::Ended ended = streams_.end_request(client, is_refused(parser), end);
            if (ended == Streams::Ended::Done) {
                parser.next();
                pause_if_full(client);
                continue;
            }
            waits = ended == Streams::Ended::Wait;
        }
        Chain whole(*blocks_);
        if (!intake.partial.empty()) {
            keep_partial(client, end);
            whole = std::move(intake.partial);
            if (!client.wants_input()) return;
        }
        const Bytes bytes = all_of(whole, end);
        requests.count += 1;
        const Taken taken = waits ? Taken::Later : take_frame(*this, client, parser.frame(), bytes);
        parser.next();
        if (taken == Taken::Later) {
            requests.count -= 1;  // it will be counted when it is taken
            postpone(client, end, std::move(whole));
        } else {
            pause_if_full(client);
        }
    }
    if (slice.size > 0 && client.state == ClientConn::State::Open) {
        // Paused in the middle of what was received.
        const bool kept = intake.input.append_shared(slice);
        RM_ASSERT(kept);
        mark_dirty(client);
    }
}

// Of an unfinished request, to its end.
template <class Parser>
void Proxy::take_part(ClientConn& client, const Parser& parser, Slice slice) {
    const bool is_on_its_way = client.upload >= Upload::Sending;
    if (parser.discarding()) {
        client.intake->partial.clear();
        if (client.upload == Upload::Sending) streams_.abandon(client);
        // On another connection than what is under way:
        const bool is_behind = client.upload == Upload::Behind && !client.requests.empty();
        if (is_behind && removes(parser)) hold_back(client);
    } else if (is_on_its_way) {
        streams_.pass_on(client, slice);
    } else {
        keep_partial(client, slice);
        if (client.state == ClientConn::State::Open) streams_.consider(client, parser);
    }
}

// Of an unfinished request. The reserve keeps the receive buffers of everybody else filled.
void Proxy::keep_partial(ClientConn& client, Slice slice) {
    Chain& partial = client.intake->partial;
    if (blocks_->available() > reserve()) {
        const bool small = partial.size() + slice.size < copy_max;
        const bool kept =
            small ? keep_beginning(partial, slice.view()) : partial.append_growing(slice);
        if (kept) return;
    }
    partial.clear();
    answer_error(
        client, error_line(*client.pool, out_of_memory_for_request), true, stats::Reason::Limit);
}

// The first bytes of many clients' requests lie together: a block for each would let clients that
// send a byte and wait have all memory. What does not grow in place moves, a few bytes at a time.
bool Proxy::keep_beginning(Chain& partial, std::string_view bytes) {
    if (partial.has_room_behind(bytes.size())) return partial.append_copy(bytes, nullptr);
    Chain moved(*blocks_);
    const auto size = static_cast<uint32_t>(partial.size());
    if (!moved.append_range(partial, {0, size}, &beginnings_)) return false;
    if (!moved.append_copy(bytes, &beginnings_)) return false;
    partial = std::move(moved);
    return true;
}

// Goes on with what was received while the client was paused.
void Proxy::resume(ClientConn& client) {
    client.paused = false;
    client.paused_by_output = false;
    if (client.uploading == nullptr) client.barrier = false;  // it is for what comes behind that
    if (client.intake != nullptr) read_on(client);
    if (client.end_of_stream && !client.paused) end_reading(client);
    mark_dirty(client);
}

void Proxy::read_on(ClientConn& client) {
    if (client.state == ClientConn::State::Open) {
        std::visit([&](const auto& parser) { streams_.consider(client, parser); },
                   client.intake->parser);  // it may have waited for its turn
    }
    Chain work = std::move(client.intake->input);
    while (!work.empty() && client.wants_input()) {
        const Slice slice = work.front();
        read_requests(client, slice);
        work.pop_front(slice.size);
    }
    if (work.empty() || client.state != ClientConn::State::Open) return;
    intake_of(client).input.append_chain(std::move(work));
}

}  // namespace ringmain::core
