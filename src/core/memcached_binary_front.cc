// What a request in memcached's binary protocol is: one in text, or an answer here and now.

#include "ringmain/core/counted_commands.h"
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
    count(client, Verb::Invalid);
    waiting.refusal = status;
    proxy.answer_error(client, text);
}

}  // namespace

Taken take_frame(Proxy& proxy, ClientConn& client, const BinaryFrame& frame, const Bytes& bytes) {
    BinaryWaiting& waiting = client.binary->expect(frame);
    if (frame.refusal != BinaryStatus::Success) {
        count(client, Verb::Invalid);
        proxy.answer_error(client,
                           text_of(frame.refusal),
                           frame.hang_up,
                           frame.hang_up ? stats::Reason::Protocol : stats::Reason::Other);
        return Taken::Yes;
    }
    if (frame.meaning.command == BinaryCommand::Quit) {
        count(client, Verb::Quit);
        proxy.answer(client, "OK\r\n", true);
        return Taken::Yes;
    }
    if (frame.meaning.with_key) waiting.key = bytes.view(frame.key, proxy.scratch().text);

    Chain text(proxy.blocks());
    memcached::RequestFrame request;
    switch (memcached::rewrite_request(frame, bytes, text, request)) {
        case Rewritten::Yes:
            return take_frame(proxy, client, request, Bytes(text));
        case Rewritten::KeyTooLong:
            static_assert(memcached::binary_key_encoded_max == 186);
            refuse(proxy,
                   client,
                   waiting,
                   BinaryStatus::InvalidArguments,
                   "ringmain: a key with blanks or control characters has at most 186 bytes");
            break;
        case Rewritten::UnknownStat:
            refuse(proxy, client, waiting, BinaryStatus::NotFound, text_of(BinaryStatus::NotFound));
            break;
        case Rewritten::NoMemory:
            proxy.answer_error(client,
                               error_line(*client.pool, "out of buffer memory; see buffer_memory"));
            break;
    }
    return Taken::Yes;
}

void refuse_stream(Proxy& proxy, ClientConn& client, const memcached::BinaryParser& parser) {
    proxy.answer_error(client, parser.error(), true, stats::Reason::Protocol);
}

}  // namespace ringmain::core
