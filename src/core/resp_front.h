// src/core/resp_front.h - one request of a redis client on its way to its answer.
//
// resp_front.cc says what becomes of it, resp_forward.cc sends it to its server; what concerns
// transactions and waiting is in files of its own. Lives for the call.

#pragma once

#include "ringmain/base/byte_range.h"
#include "ringmain/buffer/bytes.h"
#include "ringmain/core/proxy.h"
#include "ringmain/core/steps.h"
#include "ringmain/protocol/command.h"
#include "ringmain/resp/request_parser.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "front.h"

namespace ringmain::core {

// "CLIENT SETNAME" of client|setname.
[[nodiscard]] std::string upper_case(std::string_view name);

// Of a request whose arguments would be copied.
[[nodiscard]] std::string too_large_to_answer(const Command& command,
                                              uint32_t size,
                                              uint32_t limit);

class RespFront {
  public:
    RespFront(Proxy& proxy, ClientConn& client, const resp::RequestFrame& frame, const Bytes& bytes)
        : proxy_(proxy), client_(client), pool_(*client.pool), frame_(frame), bytes_(bytes) {}

    Taken take();

  private:
    void refuse_unread();
    Taken take_unknown(std::string_view name);

    // resp_forward.cc
    Taken forward_by(ByteRange key);
    Taken forward_watched(uint32_t server_index, ByteRange key);
    void forward(uint32_t server);
    void forward_to_any();
    Request* forward_to(uint32_t server_index);
    Request* forward_shared(uint32_t server_index);
    [[nodiscard]] bool goes_apart() const;

    [[nodiscard]] bool has_to_wait() const { return is_large() && has_to_wait_if_large(); }

    [[nodiscard]] bool has_to_wait_if_large() const;
    [[nodiscard]] Request* forward_apart(uint32_t server_index, ScriptId script);

    [[nodiscard]] bool is_large() const { return bytes_.size() > pool_.large_from; }

    void run_script(uint32_t server_index);
    void run_text(uint32_t server_index);
    [[nodiscard]] bool has_key_count();
    void forward_on(ServerConn& conn, Special special, uint32_t leading, std::string_view before);

    // permission.cc: what a request touches, of its user's keys or not
    enum class Reach : uint8_t { Within, OtherKey, OtherChannel, Anything };
    [[nodiscard]] std::string why_forbidden(const Command& container, const Command& row);
    Taken forbid(const Command& row, std::string why);
    [[nodiscard]] bool may_use(ByteRange name, std::string& scratch, ChainPlace& place) const;
    [[nodiscard]] bool may_use_arguments(uint32_t first, uint32_t end);
    [[nodiscard]] Reach reach_of(const Command& row);
    [[nodiscard]] Reach reach_of_channels(const Command& row);
    [[nodiscard]] bool reads_other_keys();

    Taken take_command(const Command& command);
    Taken take_local(const Command& command);

    // resp_transaction.cc
    Taken take_transaction(const Command& command);
    Taken take_queued(const Command& command);
    void note_place(Session& session) const;
    [[nodiscard]] bool joins_transaction(uint32_t server);
    void queue();
    [[nodiscard]] bool note_script();
    void announce_scripts(ServerConn& conn);
    [[nodiscard]] bool transaction_goes_apart(uint64_t size) const;
    Taken exec();
    [[nodiscard]] bool abort_transaction();
    Taken abort_exec(const std::string& line, stats::Reason reason);
    Taken refuse_exec(std::string_view why);
    Taken fail_exec(std::string_view why, stats::Reason reason);
    Taken refuse_arity(const Command& command);
    [[nodiscard]] bool may_execute(std::string* why, stats::Reason* reason);
    void send_transaction(ServerConn& conn);
    Taken check_transactions(ServerConn& conn);
    void discard();
    Taken watch(const Command& command);
    void unwatch();

    // resp_wait.cc
    void keep_waited_keys(Session& session);
    [[nodiscard]] bool blocks(const Command& command);
    Taken wait_for(const Command& command);
    Taken pop_in_turns(const Command& command);

    // resp_steps.cc
    [[nodiscard]] bool is_emulated(const Command& command);
    Taken take_crossing(const Command& command);
    Taken take_steps(std::unique_ptr<Steps> steps, size_t fragment_count);
    Taken wait_for_replicas(const Command& command);

    // resp_subscribe.cc
    Taken take_subscribe(const Command& command);
    Taken publish(const Command& command);
    [[nodiscard]] bool is_confined() const;
    [[nodiscard]] bool is_refused_subscribed(const Command& command);
    Taken refuse_confined(std::string_view name);

    enum class Place : uint8_t {
        OneServer,
        Anywhere,  // no keys, or arguments that a server refuses
        Several,   // of place_keys() only
        Refused,   // and answered
    };

    [[nodiscard]] Place place_keys(const Command& command, uint32_t* server);
    [[nodiscard]] Instant first_move(std::span<const ByteRange> all);
    [[nodiscard]] bool reads_elsewhere(const Command& command, uint32_t server);
    [[nodiscard]] Place place(const Command& command, uint32_t* server);
    void refuse_crossing(const std::string& what,
                         bool may_be_emulated = false,
                         stats::Reason reason = stats::Reason::Unsupported);
    Taken forward_by_keys(const Command& command);
    Taken split(const Command& command);
    [[nodiscard]] bool has_large_part(uint32_t step);
    [[nodiscard]] ServerConn& connection_for_part(ServerConn& shared);
    void send_fragments(const Command& command, std::string_view name, uint32_t step);

    std::span<const ByteRange> arguments();
    std::string_view word(uint32_t index);
    [[nodiscard]] bool has_server();
    [[nodiscard]] bool has_room_for(uint64_t size);
    [[nodiscard]] bool is_short_enough(ByteRange key);
    [[nodiscard]] bool route(ByteRange key, uint32_t* server);
    [[nodiscard]] uint32_t server_of(ByteRange key);
    void note(Request& request);
    void refuse(std::string_view text, stats::Reason reason = stats::Reason::Unsupported);
    Taken refuse_command(std::string_view name, std::string_view reason);
    void error(std::string_view line, stats::Reason reason = stats::Reason::Request);

    // To be taken again when all earlier requests have their answers.
    [[nodiscard]] static Taken later() { return Taken::Later; }

    Taken count_once(Taken taken);

    [[nodiscard]] bool takes_unknown() const {
        return pool_.options->unknown_commands != config::UnknownCommands::Refuse;
    }

    Taken take_known(const Command& container);

    Proxy& proxy_;
    ClientConn& client_;
    Pool& pool_;
    const resp::RequestFrame& frame_;
    const Bytes& bytes_;
    const Command* command_ = nullptr;  // null: not in the table
    stats::Counter* counted_ = nullptr;
    ByteRange first_key_ = {};    // that was placed
    ChainPlace place_;            // keys are placed in the order in which they came
    bool all_arguments_ = false;  // scratch.arguments is filled
};

}  // namespace ringmain::core
