#include "tests/sim/packets.h"

#include "tests/unit/memcached/packet.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ringmain::sim {

namespace {

using memcached::test::number;
using memcached::test::number_at;

constexpr size_t header_size = 24;

constexpr uint8_t op_get = 0x00;
constexpr uint8_t op_set = 0x01;
constexpr uint8_t op_delete = 0x04;
constexpr uint8_t op_flush = 0x08;
constexpr uint8_t op_noop = 0x0A;
constexpr uint8_t op_get_key = 0x0C;
constexpr uint8_t op_get_key_quiet = 0x0D;
constexpr uint8_t op_stat = 0x10;
constexpr uint8_t op_set_quiet = 0x11;
constexpr uint8_t op_touch = 0x1C;
constexpr uint8_t op_none = 0x1F;

// The next of the words that blanks part; they get shorter by it.
std::string_view take_word(std::string_view& words) {
    words.remove_prefix(std::min(words.find_first_not_of(' '), words.size()));
    const std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(word.size());
    return word;
}

// What the text of such an answer would be.
std::string error_text(uint64_t status, std::string_view text) {
    struct Told {
        uint64_t status;
        std::string_view begin;
        std::string_view text;  // empty: as it is
    };

    static constexpr std::array<Told, 7> all = {{
        {.status = 0x03, .begin = "SERVER_ERROR ", .text = "object too large for cache"},
        {.status = 0x04, .begin = "CLIENT_ERROR ", .text = {}},
        {.status = 0x81, .begin = "ERROR", .text = ""},
        {.status = 0x82, .begin = "SERVER_ERROR ", .text = "out of memory storing object"},
        {.status = 0x83, .begin = "CLIENT_ERROR ", .text = {}},
        {.status = 0x84, .begin = "SERVER_ERROR ", .text = {}},
        {.status = 0x86, .begin = "SERVER_ERROR ", .text = {}},
    }};
    for (const Told& told : all) {
        if (told.status != status) continue;
        const bool is_quoted = told.text.data() == nullptr;
        return std::string(told.begin) + std::string(is_quoted ? text : told.text) + "\r\n";
    }
    return {};
}

constexpr std::string_view wrong_order = "ANOTHER ANSWER WAS TO COME\r\n";

}  // namespace

struct Packets::Packet {
    uint64_t status;
    uint32_t opaque;
    uint64_t cas;
    std::string_view extras;
    std::string_view key;
    std::string_view value;

    explicit Packet(std::string_view bytes)
        : status(number_at(bytes, 6, 2)),
          opaque(static_cast<uint32_t>(number_at(bytes, 12, 4))),
          cas(number_at(bytes, 16, 8)) {
        bytes.remove_prefix(header_size);
        const std::string_view header(bytes.data() - header_size, header_size);
        const size_t extras_size = number_at(header, 4, 1);
        const size_t key_size = number_at(header, 2, 2);
        extras = bytes.substr(0, extras_size);
        key = bytes.substr(extras_size, key_size);
        value = bytes.substr(extras_size + key_size);
    }
};

std::string Packets::ask(Shape shape,
                         uint8_t opcode,
                         std::string_view key,
                         std::string_view extras,
                         std::string_view value,
                         bool cas) {
    asked_ += 1;
    waiting_.push_back({.shape = shape, .opaque = asked_, .cas = cas});
    return memcached::test::packet({.opcode = opcode,
                                    .key = std::string(key),
                                    .value = std::string(value),
                                    .extras = std::string(extras),
                                    .opaque = asked_});
}

std::string Packets::encode(std::string_view request) {
    const size_t end = request.find("\r\n");
    std::string_view words = request.substr(0, end);
    const std::string_view verb = take_word(words);
    if (verb == "get" || verb == "gets") return encode_get(words, verb == "gets");
    if (verb == "mn") return ask(Shape::Noop, op_noop, {});
    if (verb == "stats") return ask(Shape::Stats, op_stat, {});
    if (verb == "flush_all") return ask(Shape::Flush, op_flush, {});
    const std::string_view key = take_word(words);
    if (verb == "mg") return ask(Shape::MetaGet, op_get, key);
    if (verb == "delete") return ask(Shape::Delete, op_delete, key);
    if (verb == "md") return ask(Shape::MetaDelete, op_delete, key);
    if (verb == "touch") return ask(Shape::Touch, op_touch, key, number(0, 4));
    if (verb == "set" || verb == "ms") {
        const std::string_view value = request.substr(end + 2, request.size() - end - 4);
        if (words.ends_with(" noreply")) {
            return ask(Shape::SetMute, op_set_quiet, key, number(0, 8), value);
        }
        return ask(verb == "ms" ? Shape::MetaSet : Shape::Set, op_set, key, number(0, 8), value);
    }
    return ask(Shape::Unknown, op_none, {});
}

std::string Packets::encode_get(std::string_view words, bool cas) {
    const std::string_view first = take_word(words);
    if (words.empty()) {
        return ask(Shape::Get, op_get_key, first, {}, {}, cas);
    }
    std::string packets = ask(Shape::GetOne, op_get_key_quiet, first, {}, {}, cas);
    while (!words.empty()) {
        packets += ask(Shape::GetOne, op_get_key_quiet, take_word(words), {}, {}, cas);
    }
    return packets + ask(Shape::GetEnd, op_noop, {});
}

std::string Packets::decode(std::string& heard) {
    std::string text;
    size_t at = 0;
    while (heard.size() - at >= header_size) {
        const std::string_view rest = std::string_view(heard).substr(at);
        if (rest[0] != '\x81') return text + "NO PACKET\r\n";
        const size_t size = header_size + number_at(rest, 8, 4);
        if (rest.size() < size) break;
        text += text_of(Packet(rest.substr(0, size)));
        at += size;
    }
    heard.erase(0, at);
    return text;
}

// The silent ones before it have done what they should.
std::string Packets::text_of(const Packet& packet) {
    const auto found =
        std::find_if(waiting_.begin(), waiting_.end(), [&packet](const Waiting& waiting) {
            return waiting.opaque == packet.opaque;
        });
    if (found == waiting_.end()) {  // perhaps what was cut
        const std::string error = error_text(packet.status, packet.value);
        return error.empty() ? std::string(wrong_order) : error;
    }
    const bool are_silent = std::all_of(waiting_.begin(), found, [](const Waiting& before) {
        return before.shape == Shape::GetOne || before.shape == Shape::SetMute;
    });
    if (!are_silent) return std::string(wrong_order);
    const Waiting waiting = *found;
    const bool goes_on = waiting.shape == Shape::Stats && !packet.key.empty();
    waiting_.erase(waiting_.begin(), goes_on ? found : found + 1);
    return text_of(packet, waiting);
}

std::string Packets::text_of(const Packet& packet, const Waiting& waiting) {
    const bool is_there = packet.status == 0;
    const std::string error = error_text(packet.status, packet.value);
    if (waiting.shape == Shape::SetMute) return std::string(is_there ? wrong_order : "");
    if (waiting.shape == Shape::GetOne) {
        (error.empty() ? values_ : error_) += error.empty() ? value_of(packet, waiting) : error;
        return {};
    }
    if (waiting.shape == Shape::GetEnd) {
        const std::string values = std::exchange(values_, {}) + "END\r\n";
        const std::string first_error = std::exchange(error_, {});
        return first_error.empty() ? values : first_error.substr(0, first_error.find('\n') + 1);
    }
    if (!error.empty()) return error;
    if (waiting.shape == Shape::Get) return value_of(packet, waiting) + "END\r\n";
    if (waiting.shape == Shape::MetaGet && is_there) {
        const std::string size = std::to_string(packet.value.size());
        return "VA " + size + "\r\n" + std::string(packet.value) + "\r\n";
    }
    if (waiting.shape == Shape::Stats && !packet.key.empty()) {
        return "STAT " + std::string(packet.key) + " " + std::string(packet.value) + "\r\n";
    }
    return std::string(word_of(waiting.shape, is_there));
}

std::string_view Packets::word_of(Shape shape, bool is_there) {
    switch (shape) {
        case Shape::MetaGet:
            return "EN\r\n";
        case Shape::Set:
            return is_there ? "STORED\r\n" : "NOT_STORED\r\n";
        case Shape::MetaSet:
            return is_there ? "HD\r\n" : "NS\r\n";
        case Shape::Delete:
            return is_there ? "DELETED\r\n" : "NOT_FOUND\r\n";
        case Shape::MetaDelete:
            return is_there ? "HD\r\n" : "NF\r\n";
        case Shape::Touch:
            return is_there ? "TOUCHED\r\n" : "NOT_FOUND\r\n";
        case Shape::Noop:
            return "MN\r\n";
        case Shape::Flush:
            return "OK\r\n";
        case Shape::Stats:
            return "END\r\n";
        case Shape::Get:
        case Shape::GetOne:
        case Shape::GetEnd:
        case Shape::SetMute:
        case Shape::Unknown:
            break;
    }
    return wrong_order;
}

// Nothing of a miss.
std::string Packets::value_of(const Packet& packet, const Waiting& waiting) {
    if (packet.status != 0) return {};
    std::string text = "VALUE " + std::string(packet.key) + " ";
    text += std::to_string(number_at(packet.extras, 0, 4)) + " ";
    text += std::to_string(packet.value.size());
    if (waiting.cas) text += " " + std::to_string(packet.cas);
    return text + "\r\n" + std::string(packet.value) + "\r\n";
}

}  // namespace ringmain::sim
