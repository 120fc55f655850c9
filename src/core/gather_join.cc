// Of all parts of a gather one response.

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/core/topics.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/combine.h"
#include "ringmain/resp/join.h"
#include "ringmain/resp/reader.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "gather.h"
#include "info_section.h"
#include "resp_front.h"
#include "resp_local.h"
#include "script_front.h"

namespace ringmain::core {

namespace {

class Joiner {
  public:
    Joiner(Proxy& proxy, Request& request, std::span<const Chain* const> responses, OpenBlock* open)
        : proxy_(proxy),
          request_(request),
          pool_(*request.client->pool),
          responses_(responses),
          open_(open) {}

    [[nodiscard]] bool join();

  private:
    [[nodiscard]] bool join_large();
    [[nodiscard]] std::string refused_question() const;
    [[nodiscard]] bool combine();
    [[nodiscard]] bool join_texts();
    [[nodiscard]] bool names_channels() const;
    [[nodiscard]] bool distinct();
    [[nodiscard]] bool concat();
    [[nodiscard]] bool page();
    [[nodiscard]] bool any_one();
    [[nodiscard]] bool sum();
    [[nodiscard]] bool alike();
    [[nodiscard]] bool all_ok();
    [[nodiscard]] bool texts();
    [[nodiscard]] bool newest();
    [[nodiscard]] bool hearers();
    [[nodiscard]] bool info();
    [[nodiscard]] bool exist();
    void keep_script();

    [[nodiscard]] const Chain* first_error() const;
    [[nodiscard]] bool is_large() const;
    void flatten();
    [[nodiscard]] std::vector<std::string> arguments(uint32_t size_max) const;

    [[nodiscard]] bool append(std::string_view text) {
        return request_.response.append_copy(text, open_);
    }

    [[nodiscard]] bool append(const Chain& response) {
        const ByteRange whole = {.offset = 0, .size = static_cast<uint32_t>(response.size())};
        return request_.response.append_range(response, whole, open_);
    }

    [[nodiscard]] bool fail(std::string_view text, stats::Reason reason = stats::Reason::Other);
    [[nodiscard]] std::string title(size_t part) const;

    [[nodiscard]] resp::Version version() const { return resp::version_of(request_.resp3); }

    Proxy& proxy_;
    Request& request_;
    Pool& pool_;
    std::span<const Chain* const> responses_;
    OpenBlock* open_;
    std::vector<std::string> copies_;
    std::vector<std::string_view> parts_;
    std::string out_;
};

char first_byte(const Chain& chain) {
    const std::string_view piece = Cursor(chain).piece();
    return piece.empty() ? '\0' : piece.front();
}

const Chain* Joiner::first_error() const {
    for (const Chain* response : responses_) {
        if (resp::is_error_type(first_byte(*response))) return response;
    }
    return nullptr;
}

// In one piece each, as most are, for whoever reads them value by value.
void Joiner::flatten() {
    copies_.reserve(responses_.size());
    parts_.reserve(responses_.size());
    for (const Chain* response : responses_) {
        const std::string_view piece = Cursor(*response).piece();
        const bool is_whole = piece.size() == response->size();
        parts_.push_back(is_whole ? piece : copies_.emplace_back(response->to_string()));
    }
}

// Of the request, or of as much of each.
std::vector<std::string> Joiner::arguments(uint32_t size_max) const {
    const Bytes bytes(request_.join->keys);
    // It was within the limits when it came; they may have changed since.
    resp::RequestParser parser(resp::no_limits);
    Cursor cursor(bytes);
    Fed fed;
    while (fed.status == ParseStatus::NeedMore && !cursor.at_end()) {
        fed = parser.feed(cursor.piece());
        cursor.skip(fed.consumed);
    }
    RM_ASSERT(fed.status == ParseStatus::Complete);
    std::vector<ByteRange> ranges;
    resp::find_arguments(parser.frame(), bytes, ranges);
    return resp::texts_of(bytes, ranges, size_max);
}

bool Joiner::fail(std::string_view text, stats::Reason reason) {
    if (!append(error_line(pool_, text))) return false;  // that is another error
    proxy_.count_error(pool_, reason);
    return true;
}

// After a reload in between the servers may be others.
std::string Joiner::title(size_t part) const {
    if (part >= pool_.servers.size()) return "number " + std::to_string(part);
    return pool_.servers[part]->title();
}

bool Joiner::join() {
    if (request_.command->handling == Handling::Combine) return combine();
    if (request_.gathering == Gathering::Keyspace) return info();
    if (const Chain* error = first_error()) return append(*error);
    if (is_large()) return join_large();
    flatten();
    return join_texts();
}

// What is taken over from chain to chain.
bool Joiner::is_large() const {
    return (request_.gathering == Gathering::Concat && !names_channels()) ||
           request_.gathering == Gathering::Page;
}

bool Joiner::join_large() {
    return request_.gathering == Gathering::Page ? page() : concat();
}

bool Joiner::join_texts() {
    switch (request_.gathering) {
        case Gathering::Concat:
            return distinct();
        case Gathering::None:
        case Gathering::Page:
        case Gathering::Keyspace:
        case Gathering::Union:
        case Gathering::Inter:
        case Gathering::InterCard:
        case Gathering::Diff:
        case Gathering::Zunion:
        case Gathering::Zinter:
        case Gathering::ZinterCard:
        case Gathering::Zdiff:
        case Gathering::PfCount:
        case Gathering::Lcs:
            break;
        case Gathering::Sum:
            return sum();
        case Gathering::Smallest:
            return resp::join_smallest(parts_, out_) ? append(out_) : fail(misfit);
        case Gathering::Largest:
            return resp::join_largest(parts_, out_) ? append(out_) : fail(misfit);
        case Gathering::PerChannel:
            return hearers();
        case Gathering::And:
            return exist();
        case Gathering::AllOk:
            return all_ok();
        case Gathering::Alike:
            return alike();
        case Gathering::AnyOne:
            return any_one();
        case Gathering::Newest:
            return newest();
        case Gathering::Texts:
            return texts();
        case Gathering::Running:
            return append(parts_[resp::find_running(parts_)]);
    }
    RM_ASSERT(false);
}

// A server counts a worker once: the clients of this process are counted in their place.
bool Joiner::hearers() {
    const Join& join = *request_.join;
    if (!resp::join_counts(parts_, join.owners, out_)) return fail(misfit);
    const bool is_shard = request_.command->name == "pubsub|shardnumsub";
    const TopicKind kind = is_shard ? TopicKind::Shard : TopicKind::Channel;
    const std::string counted = std::move(out_);
    resp::Reader reader(counted);
    const auto items = static_cast<uint64_t>(reader.next()->number);
    out_.clear();
    resp::write_array_header(out_, items);
    for (uint64_t i = 0; i < items; i += 2) {
        const std::string_view name = reader.next()->text;
        const int64_t counted_there = reader.next()->number;
        const auto server = static_cast<uint32_t>(join.numbers[join.owners[i / 2]]);
        const int64_t more = proxy_.subscriptions().more_hearers(pool_, kind, name, server);
        resp::write_bulk(out_, name);
        int64_t count = 0;
        if (__builtin_add_overflow(counted_there, more, &count)) count = counted_there;
        resp::write_integer(out_, std::max<int64_t>(count, 0));
    }
    return append(out_);
}

bool Joiner::info() {
    flatten();
    const std::vector<std::string> words = arguments(resp::word_size_max);
    const ServerInfo servers = read_server_info(pool_, request_.join->owners, parts_);
    const auto sections = std::span(words).subspan(1);
    resp::write_text(out_, info_text(proxy_, pool_, sections, servers), version());
    return append(out_);
}

// What a server's ACL says of a command that the client did not name. Empty: no such thing.
std::string Joiner::refused_question() const {
    const std::string name = upper_case(request_.command->name);
    for (size_t i = 0; i < parts_.size(); ++i) {
        const std::string_view asked = resp::question(request_.gathering, i == 0).name;
        if (asked == name || !parts_[i].starts_with("-NOPERM")) continue;
        return "server " + title(request_.join->owners[i]) + " refuses " + std::string(asked) +
               ", which " + name + " over several servers needs: " +
               std::string(parts_[i].substr(0, parts_[i].find('\r'))) +
               "; make it take that, or give the keys a common hash tag";
    }
    return {};
}

bool Joiner::combine() {
    flatten();
    const std::vector<std::string> words = arguments(UINT32_MAX);
    if (const std::string refusal = refused_question(); !refusal.empty()) return fail(refusal);
    const uint32_t elements_max = pool_.options->gather_elements_max;
    const resp::CombineStatus status = resp::combine({.gathering = request_.gathering,
                                                      .words = words,
                                                      .parts = parts_,
                                                      .version = version(),
                                                      .elements_max = elements_max,
                                                      .hash_key = proxy_.environment().hash_key},
                                                     out_);
    switch (status) {
        case resp::CombineStatus::Done:
            return append(out_);
        case resp::CombineStatus::WrongShape:
            return fail(misfit);
        case resp::CombineStatus::TooMany:
            return fail("the keys live on several servers and have more than " +
                            std::to_string(elements_max) +
                            " elements together (gather_elements_max); give them a common hash tag",
                        stats::Reason::Limit);
        case resp::CombineStatus::TooLong:
            return fail(
                "the strings live on two servers and are too long to be compared here: one "
                "length times the other is more than " +
                    std::to_string(resp::lcs_cells_max) + "; give them a common hash tag",
                stats::Reason::Limit);
    }
    RM_ASSERT(false);
}

// PUBSUB CHANNELS: those that are subscribed on every server (core/topics.h) are named once.
bool Joiner::distinct() {
    std::unordered_set<std::string_view, KeyedHash> seen(0,
                                                         KeyedHash{proxy_.environment().hash_key});
    std::vector<std::string_view> names;
    for (const std::string_view part : parts_) {
        resp::Reader reader(part);
        const std::optional<resp::Value> head = reader.next();
        if (!head.has_value() || head->type != '*') return fail(misfit);
        for (int64_t i = 0; i < head->number; ++i) {
            const std::optional<resp::Value> name = reader.next();
            if (!name.has_value() || !name->is_bulk()) return fail(misfit);
            if (seen.insert(name->text).second) names.push_back(name->text);
        }
    }
    resp::write_array_header(out_, names.size());
    for (const std::string_view name : names) {
        resp::write_bulk(out_, name);
    }
    return append(out_);
}

bool Joiner::names_channels() const {
    return (request_.command->flags & command_flag::pubsub) != 0;
}

bool Joiner::concat() {
    const resp::JoinStatus status = resp::concat_arrays(responses_, request_.response, open_);
    if (status == resp::JoinStatus::WrongShape) return fail(misfit);
    return status == resp::JoinStatus::Joined;
}

// The server's cursor becomes ours, and at its end the next server's beginning.
bool Joiner::page() {
    const Chain& response = *responses_[0];
    Cursor cursor(response);
    const std::optional<uint64_t> place = resp::read_page_cursor(cursor);
    if (!place.has_value()) return fail(misfit);
    const uint64_t index = request_.join->owners[0];
    if (*place > UINT64_MAX / page_step - 1) {
        return fail("server " + title(index) + " gave a cursor that is too large to be passed on");
    }
    uint64_t next = *place * page_step + index;
    if (*place == 0) next = index + 1 < pool_.servers.size() ? index + 1 : 0;
    resp::write_array_header(out_, 2);
    resp::write_bulk(out_, std::to_string(next));
    return append(out_) &&
           cursor.append_to(request_.response, response.size() - cursor.position(), open_);
}

bool Joiner::sum() {
    const std::optional<int64_t> sum = resp::sum_integers(responses_);
    if (!sum.has_value()) return fail(misfit);
    resp::write_integer(out_, *sum);
    return append(out_);
}

bool Joiner::all_ok() {
    if (!resp::all_ok(responses_)) return fail(misfit);
    return append(resp::ok_response);
}

// Of SCRIPT LOAD: all have it now.
void Joiner::keep_script() {
    if (request_.command->id != CommandId::ScriptLoad || request_.join->keys.empty()) return;
    const std::optional<resp::Value> digest = resp::Reader(parts_[0]).next();
    if (!digest.has_value()) return;
    pool_.scripts.keep_loaded(digest->text, arguments(UINT32_MAX)[2], request_.join->scripts);
}

// SCRIPT EXISTS: all have it, or will be told it. What was found to be no script since it was asked
// never was one; what was flushed since was there. A server that was told it and does not have it
// was flushed by somebody else.
bool Joiner::exist() {
    if (!resp::join_and(parts_, out_)) return fail(misfit);
    const std::vector<std::string> words = arguments(resp::word_size_max);
    const std::string counted = std::move(out_);
    resp::Reader reader(counted);
    const auto items = static_cast<uint64_t>(reader.next()->number);
    const std::vector<uint64_t>& kept = request_.join->numbers;
    if (items + 2 != words.size() || items != kept.size()) return fail(misfit);
    std::vector<resp::Reader> of_servers(parts_.begin(), parts_.end());
    for (resp::Reader& one : of_servers) {
        static_cast<void>(one.next());
    }
    const bool is_flushed = pool_.scripts.all().generation() != request_.join->scripts;
    out_.clear();
    resp::write_array_header(out_, items);
    for (uint64_t i = 0; i < items; ++i) {
        const bool everywhere = reader.next()->number == 1;
        const ScriptId script = find_script(pool_, words[2 + i]);
        const bool is_kept = kept[i] != 0 && !pool_.scripts.all().is_none(kept[i]) &&
                             (is_flushed || script.is_one());
        resp::write_integer(out_, everywhere || is_kept ? 1 : 0);
        for (size_t part = 0; part < of_servers.size(); ++part) {
            const bool has_it = of_servers[part].next()->number == 1;
            if (has_it || !script.is_one()) continue;
            const bool is_there = part < pool_.servers.size();  // a reload may have come
            if (is_there) forget_told(*pool_.servers[part], script);
        }
    }
    return append(out_);
}

bool Joiner::alike() {
    for (size_t i = 1; i < parts_.size(); ++i) {
        if (parts_[i] == parts_[0] || resp::are_same_settings(parts_[i], parts_[0])) continue;
        return fail("servers " + title(0) + " and " + title(i) +
                    " answer differently; ask them directly");
    }
    keep_script();
    return append(parts_[0]);
}

bool Joiner::any_one() {
    std::erase_if(parts_,
                  [](std::string_view part) { return part == "$-1\r\n" || part == "_\r\n"; });
    if (parts_.empty()) return append(resp::null_response(version()));
    return append(parts_[proxy_.prng().below(parts_.size())]);
}

bool Joiner::texts() {
    std::vector<std::string> titles;
    for (size_t i = 0; i < parts_.size(); ++i) {
        titles.push_back("server " + title(i));
    }
    return resp::join_texts(parts_, titles, version(), out_) ? append(out_) : fail(misfit);
}

// SLOWLOG GET [count]: the servers have refused what is no count.
bool Joiner::newest() {
    constexpr int64_t count_default = 10;
    const std::vector<std::string> words = arguments(resp::word_size_max);
    const std::optional<int64_t> count =
        words.size() > 2 ? ascii::parse_int64(words[2]) : count_default;
    return resp::join_newest(parts_, count.value_or(count_default), out_) ? append(out_)
                                                                          : fail(misfit);
}

}  // namespace

bool join_gather(Proxy& proxy,
                 Request& request,
                 std::span<const Chain* const> responses,
                 OpenBlock* open) {
    return Joiner(proxy, request, responses, open).join();
}

}  // namespace ringmain::core
