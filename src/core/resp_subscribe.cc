// SUBSCRIBE and its kin, and what a client may say that is subscribed (src/design/0012).

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/core/limits.h"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "resp_front.h"

namespace ringmain::core {

namespace {

struct Wish {
    TopicKind kind;
    bool subscribes;
};

Wish wish_of(CommandId id) {
    if (id == CommandId::Subscribe) return {TopicKind::Channel, true};
    if (id == CommandId::Psubscribe) return {TopicKind::Pattern, true};
    if (id == CommandId::Ssubscribe) return {TopicKind::Shard, true};
    if (id == CommandId::Punsubscribe) return {TopicKind::Pattern, false};
    if (id == CommandId::Sunsubscribe) return {TopicKind::Shard, false};
    RM_DCHECK(id == CommandId::Unsubscribe);
    return {TopicKind::Channel, false};
}

bool may_be_said_subscribed(const Command& command) {
    return command.handling == Handling::Subscribe || command.id == CommandId::Ping ||
           command.id == CommandId::Quit || command.id == CommandId::Reset;
}

}  // namespace

// In RESP2 a subscribed client could not tell other answers from messages.
bool RespFront::is_confined() const {
    return client_.session->is_subscribed() && !client_.resp3;
}

Taken RespFront::refuse_confined(std::string_view name) {
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(), ascii::lower);
    std::ranges::replace_if(
        lower, [](char byte) { return byte == '\r' || byte == '\n'; }, ' ');
    const bool is_exec = command_ != nullptr && command_->id == CommandId::Exec;
    const std::string begin = is_exec ? "-EXECABORT Transaction discarded because of: " : "-ERR ";
    error(begin + "Can't execute '" + lower +
          "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
          "context\r\n");
    return Taken::Yes;
}

bool RespFront::is_refused_subscribed(const Command& command) {
    if (!is_confined() || may_be_said_subscribed(command)) return false;
    static_cast<void>(refuse_confined(command.name));
    return true;
}

Taken RespFront::publish(const Command& command) {
    const ByteRange channel = frame_.arguments[command.only_key];
    uint32_t server = 0;
    if (!route(channel, &server)) return Taken::Yes;
    if (has_to_wait()) return later();
    Request* request = forward_to(server);
    if (request == nullptr) return Taken::Yes;
    proxy_.subscriptions().count_receivers(*request,
                                           pool_.server(server),
                                           publishes_to(command),
                                           bytes_.view(channel, proxy_.scratch().text));
    return Taken::Yes;
}

Taken RespFront::take_subscribe(const Command& command) {
    // What the client may say next depends on the answer, and messages begin behind it.
    if (!client_.requests.empty()) return later();
    if (frame_.argument_count > subscribe_arguments_max) {
        refuse(std::to_string(frame_.argument_count) + " arguments for '" +
                   std::string(command.name) + "', which takes at most " +
                   std::to_string(subscribe_arguments_max),
               stats::Reason::Limit);
        return Taken::Yes;
    }
    const Wish wish = wish_of(command.id);
    // The names are copied.
    const uint32_t size_max = wish.subscribes ? topic_names_size_max : split_request_size_max;
    if (bytes_.size() > size_max) {
        refuse(too_large_to_answer(command, bytes_.size(), size_max), stats::Reason::Limit);
        return Taken::Yes;
    }
    const std::span<const ByteRange> ranges = arguments().subspan(1);
    for (const ByteRange& range : ranges) {
        if (wish.subscribes && !is_short_enough(range)) return Taken::Yes;
        if (wish.subscribes && wish.kind == TopicKind::Pattern && range.size > pattern_size_max) {
            refuse("a pattern of a subscription has at most " + std::to_string(pattern_size_max) +
                       " bytes, this one has " + std::to_string(range.size) + "; use a shorter one",
                   stats::Reason::Limit);
            return Taken::Yes;
        }
    }
    Subscriptions& subscriptions = proxy_.subscriptions();
    std::string why;
    if (wish.subscribes && !has_server()) return Taken::Yes;
    std::vector<std::string> names;
    names.reserve(ranges.size());
    ChainPlace place;
    for (const ByteRange& range : ranges) {
        names.emplace_back(bytes_.view(range, proxy_.scratch().text, place));
    }
    if (!wish.subscribes) {
        subscriptions.unsubscribe(client_, wish.kind, names);
    } else if (!subscriptions.allows(client_, wish.kind, names, &why) ||
               !subscriptions.subscribe(client_, wish.kind, names, &why)) {
        refuse(why, stats::Reason::Limit);
    }
    return Taken::Yes;
}

}  // namespace ringmain::core
