// Text responses, written in binary.

#include "ringmain/base/ascii.h"
#include "ringmain/memcached/binary_forward.h"
#include "ringmain/memcached/response_parser.h"

#include <algorithm>
#include <array>

#include "numbers.h"
#include "words.h"

namespace ringmain::memcached {

namespace {

// Of a line; longer than any that memcached writes. An error is cut here.
constexpr uint32_t usual_line_size = 512;

// A response's first line with its end, or the beginning of a longer one.
std::string_view beginning_of(const Bytes& head, std::string& scratch) {
    constexpr auto line_max = static_cast<uint32_t>(response_line_size_max + line_end.size());
    std::string_view text = head.view({0, std::min(head.size(), usual_line_size)}, scratch);
    if (text.find(line_end) != std::string_view::npos || head.size() <= usual_line_size) {
        return text;
    }
    text = head.view({0, std::min(head.size(), line_max)}, scratch);
    return text.find(line_end) != std::string_view::npos ? text : text.substr(0, usual_line_size);
}

struct Packet {
    BinaryStatus status = BinaryStatus::Success;
    std::string_view extras = {};
    std::string_view key = {};
    std::string_view value = {};
    uint32_t shared_size = 0;  // of a value that is appended behind it
    uint64_t cas = 0;
};

bool append_packet(const BinaryWaiting& request,
                   const Packet& packet,
                   Chain& target,
                   OpenBlock* open) {
    std::array<char, binary_header_size> header = {};
    header[0] = binary_response_magic;
    header[1] = static_cast<char>(request.opcode);
    const size_t body_size =
        packet.extras.size() + packet.key.size() + packet.value.size() + packet.shared_size;
    write_number(packet.key.size(), 2, &header[2]);
    write_number(packet.extras.size(), 1, &header[4]);
    write_number(static_cast<uint64_t>(packet.status), 2, &header[6]);
    write_number(body_size, 4, &header[8]);
    write_number(request.opaque, 4, &header[12]);
    write_number(packet.cas, 8, &header[16]);
    for (const std::string_view part : {std::string_view(header.data(), header.size()),
                                        packet.extras,
                                        packet.key,
                                        packet.value}) {
        if (!part.empty() && !target.append_copy(part, open)) return false;
    }
    return true;
}

// What a line tells of a value: VALUE, VA, HD and the other codes of meta commands.
struct Figures {
    uint32_t flags = 0;
    uint64_t cas = 0;
    uint32_t size = 0;
};

// Of flags that a server has 64 bits for: binary clients have 32.
uint32_t low_half(std::string_view flags) {
    return static_cast<uint32_t>(read_unsigned(flags, UINT64_MAX).value_or(0));
}

Figures read_figures(std::string_view line) {
    Figures figures;
    Words words(line);
    const std::string_view first = words.next();
    if (first == "VALUE") {
        std::string_view word = words.next();  // the key
        word = words.next();
        figures.flags = low_half(word);
        figures.size = read_length(words.next()).value_or(0);
        figures.cas = read_unsigned(words.next(), UINT64_MAX).value_or(0);
        return figures;
    }
    if (first == "VA") figures.size = read_length(words.next()).value_or(0);
    for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
        const std::string_view number = word.substr(1);
        if (word.front() == 'f') {
            figures.flags = low_half(number);
        }
        if (word.front() == 'c') figures.cas = read_unsigned(number, UINT64_MAX).value_or(0);
    }
    return figures;
}

// Of a read that found something; the value is not appended.
bool append_hit(const BinaryWaiting& request,
                const Figures& figures,
                uint32_t value_size,
                Chain& target,
                OpenBlock* open) {
    std::array<char, sizeof(uint32_t)> flags = {};
    write_number(figures.flags, flags.size(), flags.data());
    return append_packet(request,
                         {.extras = {flags.data(), flags.size()},
                          .key = request.key,
                          .shared_size = value_size,
                          .cas = figures.cas},
                         target,
                         open);
}

struct Failure {
    BinaryStatus status;
    std::string_view text;
};

Failure failure_of(BinaryStatus status) {
    return {.status = status, .text = text_of(status)};
}

// Of an ERROR, CLIENT_ERROR or SERVER_ERROR line.
Failure failure_of(std::string_view line) {
    constexpr std::string_view client = "CLIENT_ERROR ";
    constexpr std::string_view server = "SERVER_ERROR ";
    constexpr std::string_view ours = "ringmain: ";
    if (line.starts_with(client)) {
        line.remove_prefix(client.size());
        if (line == "cannot increment or decrement non-numeric value") {
            return failure_of(BinaryStatus::NotNumeric);
        }
        const bool is_ours = line.starts_with(ours);
        return {is_ours ? BinaryStatus::NotSupported : BinaryStatus::InvalidArguments, line};
    }
    if (line.starts_with(server)) {
        line.remove_prefix(server.size());
        if (line.starts_with("out of memory")) return failure_of(BinaryStatus::OutOfMemory);
        if (line == "object too large for cache") return failure_of(BinaryStatus::TooLarge);
        const bool is_ours = line.starts_with(ours);
        return {is_ours ? BinaryStatus::TemporaryFailure : BinaryStatus::InternalError, line};
    }
    return {
        .status = BinaryStatus::UnknownCommand,
        .text =
            "ringmain: the server does not know the command that this is sent as; meta commands "
            "need memcached 1.6"};
}

bool is_read(BinaryCommand command) {
    return command == BinaryCommand::Get || command == BinaryCommand::GetAndTouch;
}

BinaryStatus status_of_refused_write(BinaryCommand command) {
    if (command == BinaryCommand::Add) return BinaryStatus::Exists;
    if (command == BinaryCommand::Replace) return BinaryStatus::NotFound;
    return BinaryStatus::NotStored;
}

// Who asked for a value has one then.
bool is_success(BinaryCommand command, std::string_view word) {
    constexpr std::array<std::string_view, 6> words = {"VALUE", "VA", "HD", "OK", "MN", "VERSION"};
    const auto count = is_read(command) ? 2 : words.size();
    const auto* const end = words.begin() + count;
    return std::find(words.begin(), end, word) != end;
}

// Of the line of a response to `command`, by its first word.
Failure judge(BinaryCommand command, std::string_view line) {
    const std::string_view word = line.substr(0, line.find(' '));
    if (is_success(command, word)) return {.status = BinaryStatus::Success, .text = {}};
    if (word == "END" || word == "EN" || word == "NF") return failure_of(BinaryStatus::NotFound);
    if (word == "EX") return failure_of(BinaryStatus::Exists);
    if (word == "NS") return failure_of(status_of_refused_write(command));
    // So text says it of a kind of figures that is not known.
    const bool is_unknown_stat = word == "ERROR" && command == BinaryCommand::Stat;
    if (is_unknown_stat) return failure_of(BinaryStatus::NotFound);
    if (word.ends_with("ERROR")) return failure_of(line);
    return {.status = BinaryStatus::InternalError, .text = "ringmain: not a response to this"};
}

class Writer {
  public:
    Writer(const BinaryWaiting& request, const Bytes* head, Chain& target, OpenBlock* open)
        : request_(&request), head_(head), target_(&target), open_(open) {}

    [[nodiscard]] bool add(const Packet& packet) {
        return append_packet(*request_, packet, *target_, open_);
    }

    [[nodiscard]] bool add_failure(const Failure& failure) {
        const BinaryCommand command = request_->meaning.command;
        if (failure.status != BinaryStatus::NotFound || !is_read(command)) {
            return add({.status = failure.status, .value = failure.text});
        }
        // A miss is silent, or says whose it is instead of what.
        if (request_->meaning.quiet) return true;
        const bool with_key = request_->meaning.with_key;
        return add({.status = failure.status,
                    .key = request_->key,
                    .value = with_key ? std::string_view() : failure.text});
    }

    [[nodiscard]] bool add_success(std::string_view line) {
        const BinaryCommand command = request_->meaning.command;
        const Figures figures = read_figures(line);
        const auto data_at = static_cast<uint32_t>(line.size() + line_end.size());
        if (is_read(command)) return add_hit(figures, {.offset = data_at, .size = figures.size});
        if (request_->meaning.quiet) return true;
        if (command == BinaryCommand::Touch) return add_hit(figures, {});
        if (command == BinaryCommand::Increment || command == BinaryCommand::Decrement) {
            return add_number(figures, data_at);
        }
        if (command == BinaryCommand::Version) {
            return add({.value = line.substr(line.find(' ') + 1)});
        }
        return add({.cas = command == BinaryCommand::Delete ? 0 : figures.cas});
    }

    // "STAT name value" lines: a packet for each, and one without a name.
    [[nodiscard]] bool add_stats(std::string_view text) {
        constexpr std::string_view begin = "STAT ";
        while (text.starts_with(begin)) {
            const size_t end = text.find(line_end);
            if (end == std::string_view::npos) break;
            const std::string_view line = text.substr(begin.size(), end - begin.size());
            const size_t blank = std::min(line.find(' '), line.size());
            const std::string_view name = line.substr(0, std::min<size_t>(blank, key_size_max));
            const std::string_view value = line.substr(std::min(blank + 1, line.size()));
            // A packet without a name ends the list.
            if (!name.empty() && !add({.key = name, .value = value})) return false;
            text.remove_prefix(end + line_end.size());
        }
        return add({});
    }

  private:
    // A value that is there, or of a touch its flags alone.
    [[nodiscard]] bool add_hit(const Figures& figures, ByteRange data) {
        if (head_ == nullptr || data.end() > head_->size()) {
            return add_failure(
                {.status = BinaryStatus::InternalError, .text = "ringmain: no value"});
        }
        return append_hit(*request_, figures, data.size, *target_, open_) &&
               (data.size == 0 || head_->append_to(*target_, data, open_));
    }

    [[nodiscard]] bool add_number(const Figures& figures, uint32_t data_at) {
        std::string scratch;
        std::string_view digits;
        if (head_ != nullptr && data_at + figures.size <= head_->size()) {
            digits = head_->view({.offset = data_at, .size = figures.size}, scratch);
        }
        const auto value = ascii::parse_uint64(ascii::trimmed(digits));
        if (!value.has_value()) {
            return add_failure(
                {.status = BinaryStatus::InternalError, .text = "ringmain: no number"});
        }
        std::array<char, sizeof(uint64_t)> text = {};
        write_number(*value, text.size(), text.data());
        return add({.value = {text.data(), text.size()}, .cas = figures.cas});
    }

    const BinaryWaiting* request_;
    const Bytes* head_;
    Chain* target_;
    OpenBlock* open_;
};

}  // namespace

bool write_response(const BinaryWaiting& request,
                    const Bytes* head,
                    std::string_view tail,
                    Chain& target,
                    OpenBlock* open) {
    if (head != nullptr && head->size() == 0) head = nullptr;
    const bool is_stat = request.meaning.command == BinaryCommand::Stat;
    std::string scratch;
    std::string_view text = tail;
    if (head != nullptr) {
        text = is_stat ? head->view({0, head->size()}, scratch) : beginning_of(*head, scratch);
    }
    if (text.empty()) return true;

    Writer writer(request, head, target, open);
    if (request.refusal != BinaryStatus::Success) {
        // It may be the response to the removal of an older value.
        if (request.refusal == BinaryStatus::TooLarge) text = text_of(request.refusal);
        return writer.add({.status = request.refusal, .value = text.substr(0, usual_line_size)});
    }
    const std::string_view line = text.substr(0, text.find(line_end));
    if (is_stat && request.key == binary_detail_name &&
        (line.starts_with("PREFIX ") || line == "END")) {
        return writer.add({.key = binary_detail_name, .value = text}) && writer.add({});
    }
    if (is_stat &&
        (line.starts_with("STAT ") || line == "RESET" || line == "END" || line == "OK")) {
        return writer.add_stats(text);
    }
    const Failure failure = judge(request.meaning.command, line.substr(0, usual_line_size));
    return failure.status == BinaryStatus::Success ? writer.add_success(line)
                                                   : writer.add_failure(failure);
}

std::optional<BinaryBegun> begin_response(const BinaryWaiting& request,
                                          const Bytes& head,
                                          Chain& target,
                                          OpenBlock* open) {
    std::string scratch;
    const std::string_view text = beginning_of(head, scratch);
    const size_t line_size = text.find(line_end);
    if (line_size == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, line_size);
    const Figures figures = read_figures(line);
    // A touch did not ask for the value.
    const uint32_t value_size = is_read(request.meaning.command) ? figures.size : 0;
    if (!append_hit(request, figures, value_size, target, open)) return std::nullopt;
    return BinaryBegun{.line_size = static_cast<uint32_t>(line.size() + line_end.size()),
                       .value_size = value_size};
}

}  // namespace ringmain::memcached
