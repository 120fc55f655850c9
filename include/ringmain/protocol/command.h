// ringmain/protocol/command.h - what one row of the command table says.
//
// In the terms of Redis's own metadata (COMMAND INFO, key specifications, command tips), so that a
// new command is one row. The rows are in src/resp/*.def, written by tools/make_commands.py.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ringmain {

// Who answers.
enum class Handling : uint8_t {
    Forward,  // the server of its keys; CROSSSLOT when they live on several
    Split,    // one fragment per server, responses joined: MGET MSET DEL UNLINK EXISTS TOUCH
    Gather,   // every server is asked, their answers become one: DBSIZE KEYS FLUSHALL ...
    Combine,  // as Forward; keys on several servers: their values are fetched, the answer computed
    AnyServer,    // has no key and the same answer everywhere: LOLWUT, OBJECT HELP ...
    Local,        // answered here
    Transaction,  // MULTI EXEC DISCARD WATCH UNWATCH: see src/design/0009
    Blocking,     // waits on the server of its keys, on a connection of the client's own
    Publish,      // as Forward, by its channel; whom the server does not know is counted here
    Subscribe,    // SUBSCRIBE, UNSUBSCRIBE and their kin: see src/design/0012
    Refused,      // `reason` says why; a clear error and the connection stays usable
};

enum class ResponsePolicy : uint8_t {
    One,           // the only response passes
    PerKey,        // MGET: the elements in the order of the keys
    AggSum,        // DEL EXISTS TOUCH UNLINK
    AllSucceeded,  // MSET
    Script,        // One, of a script that is kept for other servers (core/scripts.h)
    Gathered,      // as Gathering says
};

// How the responses of a gather become one (core/gather.h).
enum class Gathering : uint8_t {
    None,
    // Of every server's response.
    Sum,         // DBSIZE
    Smallest,    // LASTSAVE
    And,         // SCRIPT EXISTS: per element, and what ringmain would tell the servers
    AllOk,       // FLUSHALL
    Alike,       // SCRIPT LOAD: all say the same
    AnyOne,      // RANDOMKEY: one of those that are not null
    Concat,      // KEYS: one array
    Newest,      // SLOWLOG GET: the latest entries of all
    Texts,       // MEMORY DOCTOR: each under its server's name
    Running,     // FUNCTION STATS: of the server that runs a script, else the first
    Page,        // SCAN: of one server after the other
    Largest,     // PUBSUB NUMPAT: every pattern is on every server
    PerChannel,  // PUBSUB NUMSUB: of each channel's own server
    Keyspace,    // INFO, which is answered here but for what the servers hold

    // Of the parts that are fetched for Handling::Combine (resp/combine.h).
    Union,
    Inter,
    InterCard,
    Diff,
    Zunion,
    Zinter,
    ZinterCard,
    Zdiff,
    PfCount,
    Lcs,
};

// What becomes of a command whose keys live on several servers. Unless it is Popped, where the pool
// says cross_server_writes = "emulate" (core/steps.h, src/design/0014).
enum class Crossing : uint8_t {
    Refused,    // CROSSSLOT, there too
    Popped,     // its keys are asked in their order: BLPOP, LMPOP ... (core/turns.h)
    Carried,    // copies of the sources' values go to the destination's server
    Renamed,    // the same, then the source is removed: RENAME
    RenamedNx,  // the same, unless there is a destination
    Moved,      // SMOVE: added there, then removed here
};

// Bits of KeySpec::flags. The names are redis's, but for `remove` ("delete").
namespace key_flag {
inline constexpr uint16_t rw = 1U << 0;
inline constexpr uint16_t ro = 1U << 1;
inline constexpr uint16_t ow = 1U << 2;
inline constexpr uint16_t rm = 1U << 3;
inline constexpr uint16_t access = 1U << 4;
inline constexpr uint16_t update = 1U << 5;
inline constexpr uint16_t insert = 1U << 6;
inline constexpr uint16_t remove = 1U << 7;
inline constexpr uint16_t not_key = 1U << 8;  // a name that is hashed like a key: shard channels
inline constexpr uint16_t incomplete = 1U << 9;
inline constexpr uint16_t variable_flags = 1U << 10;
}  // namespace key_flag

// Where keys are. Mirrors redis's key specifications.
struct KeySpec {
    // Unknown: no search can tell; Command::options_from helps where it matters.
    enum class Begin : uint8_t { Index, Keyword, Unknown };
    enum class Find : uint8_t { Range, KeyNumber, Unknown };

    Begin begin = Begin::Index;
    // Index: position. Keyword: where to start the search; negative: from the end, backwards.
    int16_t index = 0;
    std::string_view keyword = {};  // Keyword: upper case
    Find find = Find::Range;
    // Range: last key relative to the first (negative: from the end), step, and `limit` (n: only
    // the first 1/n of the remaining arguments are keys).
    int16_t last_key = 0;
    int16_t key_step = 1;
    int16_t limit = 0;
    // KeyNumber: position of the count and of the first key, relative to begin.
    int16_t number_index = 0;
    int16_t first_key = 0;
    uint16_t flags = 0;
    std::string_view notes = {};  // for COMMAND INFO only
};

namespace command_flag {
// Bits of Command::flags. The names are redis's.
inline constexpr uint32_t write = 1U << 0;
inline constexpr uint32_t readonly = 1U << 1;
inline constexpr uint32_t denyoom = 1U << 2;
inline constexpr uint32_t admin = 1U << 3;
inline constexpr uint32_t pubsub = 1U << 4;
inline constexpr uint32_t noscript = 1U << 5;
inline constexpr uint32_t blocking = 1U << 6;
inline constexpr uint32_t loading = 1U << 7;
inline constexpr uint32_t stale = 1U << 8;
inline constexpr uint32_t skip_monitor = 1U << 9;
inline constexpr uint32_t skip_slowlog = 1U << 10;
inline constexpr uint32_t asking = 1U << 11;
inline constexpr uint32_t fast = 1U << 12;
inline constexpr uint32_t no_auth = 1U << 13;
inline constexpr uint32_t may_replicate = 1U << 14;
inline constexpr uint32_t no_mandatory_keys = 1U << 15;
inline constexpr uint32_t no_async_loading = 1U << 16;
inline constexpr uint32_t no_multi = 1U << 17;
inline constexpr uint32_t movablekeys = 1U << 18;
inline constexpr uint32_t allow_busy = 1U << 19;
}  // namespace command_flag

namespace acl_category {
// Bits of Command::acl. The names are redis's.
inline constexpr uint32_t keyspace = 1U << 0;
inline constexpr uint32_t read = 1U << 1;
inline constexpr uint32_t write = 1U << 2;
inline constexpr uint32_t set = 1U << 3;
inline constexpr uint32_t sortedset = 1U << 4;
inline constexpr uint32_t list = 1U << 5;
inline constexpr uint32_t hash = 1U << 6;
inline constexpr uint32_t string = 1U << 7;
inline constexpr uint32_t bitmap = 1U << 8;
inline constexpr uint32_t hyperloglog = 1U << 9;
inline constexpr uint32_t geo = 1U << 10;
inline constexpr uint32_t stream = 1U << 11;
inline constexpr uint32_t pubsub = 1U << 12;
inline constexpr uint32_t admin = 1U << 13;
inline constexpr uint32_t fast = 1U << 14;
inline constexpr uint32_t slow = 1U << 15;
inline constexpr uint32_t blocking = 1U << 16;
inline constexpr uint32_t dangerous = 1U << 17;
inline constexpr uint32_t connection = 1U << 18;
inline constexpr uint32_t transaction = 1U << 19;
inline constexpr uint32_t scripting = 1U << 20;
}  // namespace acl_category

// Which code answers a Local command; also names the rows that need special care on the way.
// clang-format off
enum class CommandId : uint8_t {
    Other,
    Ping, Echo, Quit, Auth, Hello, Select, Info, Time, Reset,
    AclCat, AclWhoami,
    Client, ClientGetname, ClientGetredir, ClientId, ClientInfo, ClientList, ClientNoEvict,
    ClientNoTouch, ClientReply, ClientSetinfo, ClientSetname, ClientTrackinginfo,
    Command, CommandCount, CommandDocs, CommandGetkeys, CommandGetkeysandflags, CommandHelp,
    CommandInfo, CommandList,
    Mget, Mset, Del, Unlink, Exists, Touch,
    Multi, Exec, Discard, Watch, Unwatch,
    Config, Eval, Evalsha, ScriptExists, ScriptFlush, ScriptLoad, Wait,
    Subscribe, Psubscribe, Ssubscribe, Unsubscribe, Punsubscribe, Sunsubscribe,
};

// clang-format on

struct Command {
    std::string_view name;  // lower case, "get"; a subcommand: "client|setname"
    int16_t arity = 0;      // with the name; negative: at least
    uint8_t number = 0;     // of the row among commands(), from 1; a subcommand has none
    Handling handling = Handling::Forward;
    CommandId id = CommandId::Other;
    ResponsePolicy response = ResponsePolicy::One;
    Gathering gathering = Gathering::None;
    Crossing crossing = Crossing::Refused;
    // The usual case, decided once: one key, or a channel, which has a place like a key: the
    // argument at this position; 0 when not so.
    uint8_t only_key = 0;
    // Where the options begin of a command whose keys or whose waiting depend on them (SORT ...
    // STORE, XREAD ... STREAMS); 0 when not so.
    uint8_t options_from = 0;
    bool takes_one_more = false;  // argument, in versions after redis 7.0; COMMAND does not say so
    bool hidden = false;          // COMMAND says nothing of it: younger, or a module's
    uint32_t flags = 0;           // bits of command_flag
    uint32_t acl = 0;             // bits of acl_category; for COMMAND only
    std::span<const KeySpec> key_specs = {};
    std::span<const Command> subcommands = {};
    std::string_view reason = {};  // Refused: why, as a clause behind "'NAME' is not supported: "
    std::span<const std::string_view> tips = {};  // for COMMAND only
};

}  // namespace ringmain
