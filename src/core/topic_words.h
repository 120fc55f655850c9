// src/core/topic_words.h - what subscribing to a topic is called, by its kind.

#pragma once

#include "ringmain/core/topics.h"

#include <array>
#include <string_view>

namespace ringmain::core {

struct TopicWords {
    std::string_view
        subscribe;  // as redis writes it in confirmations; servers take it as a command
    std::string_view unsubscribe;
    std::string_view message;
};

[[nodiscard]] inline const TopicWords& words_of(TopicKind kind) {
    static constexpr std::array<TopicWords, topic_kind_count> words = {
        TopicWords{"subscribe", "unsubscribe", "message"},
        TopicWords{"psubscribe", "punsubscribe", "pmessage"},
        TopicWords{"ssubscribe", "sunsubscribe", "smessage"},
    };
    return words[static_cast<size_t>(kind)];
}

}  // namespace ringmain::core
