// What a request in memcached's binary protocol is: one in text, or an answer here and now.

#include "ringmain/core/counted_commands.h"
#include "ringmain/core/limits.h"
#include "ringmain/memcached/binary_forward.h"

#include "front.h"

namespace ringmain::core {

namespace {

using memcached::BinaryCommand;
using memcached::BinaryFrame;
using memcached::BinaryStatus;
using memcached::BinaryWaiting;
using memcached::Rewritten;
using memcached::Verb;

void count(const ClientConn& client, Verb verb) {
    client.pool->counters->commands[number_of(verb)].add(1);
}

void refuse(Proxy& proxy,
            ClientConn& client,
            BinaryWaiting& waiting,
            BinaryStatus status,
            std::string_view text) {
    waiting.refusal = status;
    const bool is_limit = status == BinaryStatus::InvalidArguments;
    proxy.answer_error(
        client, text, false, is_limit ? stats::Reason::Limit : stats::Reason::Request);
}

// Of a set that is too large: an older value must not be left where a new one is refused. The
// response is the answer, written as the refusal. False when nothing can be removed: there is no
// answer yet.
bool refuse_and_remove(Proxy& proxy, ClientConn& client, std::string_view key) {
    constexpr uint8_t opcode_of_delete = 0x04;
    Chain bytes(proxy.blocks());
    if (!client.pool->any_live() || !bytes.append_copy(key, nullptr)) return false;
    BinaryFrame frame;
    frame.opcode = opcode_of_delete;
    frame.meaning = memcached::meaning_of(opcode_of_delete);
    frame.key = {.offset = 0, .size = static_cast<uint32_t>(key.size())};
    Chain text(proxy.blocks());
    memcached::RequestFrame request;
    if (memcached::rewrite_request(frame, Bytes(bytes), text, request) != Rewritten::Yes) {
        return false;
    }
    forward_removal(proxy, client, request, Bytes(text));
    return true;
}

}  // namespace

Taken take_frame(Proxy& proxy, ClientConn& client, const BinaryFrame& frame, const Bytes& bytes) {
    const bool is_stat = frame.meaning.command == BinaryCommand::Stat;
    if (is_stat && client.gathers >= gathers_max) return Taken::Later;
    BinaryWaiting& waiting = client.binary->expect(frame);
    if (frame.refusal != BinaryStatus::Success) {
        count(client, Verb::Invalid);
        if (!frame.removes.empty() && refuse_and_remove(proxy, client, frame.removes)) {
            return Taken::Yes;
        }
        const bool is_too_large = frame.refusal == BinaryStatus::TooLarge;
        const stats::Reason reason = frame.hang_up  ? stats::Reason::Protocol
                                     : is_too_large ? stats::Reason::Limit
                                                    : stats::Reason::Request;
        proxy.answer_error(client, text_of(frame.refusal), frame.hang_up, reason);
        return Taken::Yes;
    }
    if (frame.meaning.command == BinaryCommand::Quit) {
        count(client, Verb::Quit);
        proxy.answer(client, "OK\r\n", true);
        return Taken::Yes;
    }
    if (frame.meaning.with_key) waiting.key = bytes.view(frame.key, proxy.scratch().text);
    if (is_stat) {
        const std::string_view kind = bytes.view(frame.key, proxy.scratch().text);
        if (kind.starts_with(memcached::binary_detail_dump)) {
            waiting.key = memcached::binary_detail_name;
        }
    }

    Chain text(proxy.blocks());
    memcached::RequestFrame request;
    switch (memcached::rewrite_request(frame, bytes, text, request)) {
        case Rewritten::Yes:
            return take_frame(proxy, client, request, Bytes(text));
        case Rewritten::KeyTooLong:
            count(client, request.verb);
            static_assert(memcached::binary_key_encoded_max == 186);
            refuse(proxy,
                   client,
                   waiting,
                   BinaryStatus::InvalidArguments,
                   "ringmain: a key with blanks or control characters has at most 186 bytes");
            break;
        case Rewritten::UnknownStat:
            count(client, Verb::Invalid);
            refuse(proxy, client, waiting, BinaryStatus::NotFound, text_of(BinaryStatus::NotFound));
            break;
        case Rewritten::NoMemory:
            proxy.answer_error(
                client, error_line(*client.pool, no_memory), false, stats::Reason::Limit);
            break;
    }
    return Taken::Yes;
}

void refuse_stream(Proxy& proxy, ClientConn& client, const memcached::BinaryParser& parser) {
    proxy.answer_error(client, parser.error(), true, stats::Reason::Protocol);
}

}  // namespace ringmain::core
