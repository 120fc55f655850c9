// tests/sim/packets.h - a client of memcached that speaks the binary protocol.
//
// What a talker says, in text, becomes packets, and packets become what it would have heard in
// text.

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace ringmain::sim {

class Packets {
  public:
    // One request of a talker's.
    [[nodiscard]] std::string encode(std::string_view request);

    // As many answers as `heard` has to the end, which are taken from it. What is no answer to what
    // was asked becomes a word that no talker expects.
    [[nodiscard]] std::string decode(std::string& heard);

  private:
    enum class Shape : uint8_t {
        Get,      // VALUE key flags size [cas], END
        GetOne,   // of several: a miss is silent
        GetEnd,   // a noop behind those
        MetaGet,  // VA size, EN
        Set,
        SetMute,  // nobody hears what becomes of it
        MetaSet,
        Delete,
        MetaDelete,
        Touch,
        Noop,
        Unknown,
        Stats,
        Flush,
    };

    struct Waiting {
        Shape shape;
        uint32_t opaque;
        bool cas;
    };

    struct Packet;

    [[nodiscard]] std::string encode_get(std::string_view words, bool cas);
    [[nodiscard]] std::string ask(Shape shape,
                                  uint8_t opcode,
                                  std::string_view key,
                                  std::string_view extras = {},
                                  std::string_view value = {},
                                  bool cas = false);
    [[nodiscard]] std::string text_of(const Packet& packet);
    [[nodiscard]] std::string text_of(const Packet& packet, const Waiting& waiting);
    [[nodiscard]] static std::string value_of(const Packet& packet, const Waiting& waiting);
    [[nodiscard]] static std::string_view word_of(Shape shape, bool is_there);

    std::deque<Waiting> waiting_;
    uint32_t asked_ = 0;
    std::string values_;  // of several keys, of which the last has not come
    std::string error_;   // or some, of which the first counts
};

}  // namespace ringmain::sim
