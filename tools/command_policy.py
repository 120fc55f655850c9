"""What ringmain does with each command: the part of the command table that people decide.

Everything else (arity, flags, places of keys) is Redis's own metadata, in redis-7.0-commands.json.
A command that is not named here is forwarded when it has keys; make_commands.py fails when it has
none. A container stands for all its subcommands that are not named themselves.
"""

ONE_SERVER = "it acts on one server, and a pool has several"
WAITAOF = "it asks about the writes of its own connection, and clients share those here"
MONITORED = "it shows what one server does, and a pool has several"
USERS = "users of ringmain are the option users of a pool, and those of a server are set there"
TRACKING = ("a server tells of changed keys on the connection that read them, and clients share "
            "those here; let what is kept expire, or subscribe to __keyevent@0__ channels")
UNBLOCK = ("what waits has a connection to a server for itself; give it a timeout, or close the "
           "client that waits")
SHARED = "it concerns connections to one server, which clients share here"
DATABASES = "it concerns two databases at once, whose connections differ"
CLUSTER = "the servers of a pool are not a Redis Cluster"
REPLICATION = "it is spoken between servers"
BUSY_SCRIPT = ("it would wait behind the script that it is to end, "
               "on the connection that both share")
ONE_FIGURES = "its figures are one server's, and a pool has several"
SELF_TEST = "it holds up a whole server for a test of itself"

# Refused: reason -> commands.
REFUSED = {
    USERS: "acl",
    TRACKING: "client|caching client|tracking",
    UNBLOCK: "client|unblock",
    ONE_SERVER: "bgrewriteaof bgsave debug failover module role save shutdown",
    ONE_FIGURES: "memory latency",
    WAITAOF: "waitaof",
    MONITORED: "monitor",
    SHARED: "client",
    DATABASES: "move swapdb",
    CLUSTER: "asking cluster readonly readwrite restore-asking",
    REPLICATION: "migrate psync replconf replicaof slaveof sync",
    BUSY_SCRIPT: "function|kill script",
    SELF_TEST: "pfselftest",
}

# One fragment per server; how the responses become one.
SPLIT = {
    "mget": "PerKey",
    "mset": "AllSucceeded",
    "del": "AggSum",
    "unlink": "AggSum",
    "exists": "AggSum",
    "touch": "AggSum",
}

# Every server is asked; how their responses become one (src/design/0010).
GATHERED = {
    "config|get": "Alike",
    "config|resetstat": "AllOk",
    "config|rewrite": "AllOk",
    "config|set": "AllOk",
    "dbsize": "Sum",
    "flushall": "AllOk",
    "flushdb": "AllOk",
    "function|delete": "AllOk",
    "function|flush": "AllOk",
    "function|load": "Alike",
    "function|restore": "AllOk",
    "function|stats": "Running",
    "keys": "Concat",
    "lastsave": "Smallest",
    "latency|doctor": "Texts",
    "latency|graph": "Texts",
    "latency|history": "Concat",
    "latency|latest": "Concat",
    "latency|reset": "Sum",
    "memory|doctor": "Texts",
    "memory|malloc-stats": "Texts",
    "memory|purge": "AllOk",
    "pubsub|channels": "Concat",
    "pubsub|numpat": "Largest",
    "pubsub|numsub": "PerChannel",
    "pubsub|shardchannels": "Concat",
    "pubsub|shardnumsub": "PerChannel",
    "randomkey": "AnyOne",
    "scan": "Page",
    "script|exists": "And",
    "script|flush": "AllOk",
    "script|load": "Alike",
    "slowlog|get": "Newest",
    "slowlog|len": "Sum",
    "slowlog|reset": "AllOk",
}

# Forwarded; with keys on several servers the parts are fetched and the answer is computed.
COMBINED = {
    "lcs": "Lcs",
    "pfcount": "PfCount",
    "sdiff": "Diff",
    "sinter": "Inter",
    "sintercard": "InterCard",
    "sunion": "Union",
    "zdiff": "Zdiff",
    "zinter": "Zinter",
    "zintercard": "ZinterCard",
    "zunion": "Zunion",
}

# With keys on several servers: what becomes of it where the pool says so (cross_server_writes,
# src/design/0014). Lists have no such way: who takes an element in the middle would leave it twice.
# "Popped" needs nobody's word: only one server is asked at a time (core/turns.h).
CROSSING = {
    "bitop": "Carried",
    "blmpop": "Popped",
    "blpop": "Popped",
    "brpop": "Popped",
    "bzmpop": "Popped",
    "bzpopmax": "Popped",
    "bzpopmin": "Popped",
    "copy": "Carried",
    "georadius": "Carried",
    "georadiusbymember": "Carried",
    "geosearchstore": "Carried",
    "lmpop": "Popped",
    "pfmerge": "Carried",
    "rename": "Renamed",
    "renamenx": "RenamedNx",
    "sdiffstore": "Carried",
    "sinterstore": "Carried",
    "smove": "Moved",
    "sort": "Carried",
    "sunionstore": "Carried",
    "zdiffstore": "Carried",
    "zinterstore": "Carried",
    "zmpop": "Popped",
    "zrangestore": "Carried",
    "zunionstore": "Carried",
}

# The same answer everywhere. Besides these, HELP of every container.
ANY_SERVER = "lolwut function|dump function|list"

# A container that keeps nothing of its own: whatever subcommand is not named here has keys.
CONTAINERS = "config function object pubsub slowlog xgroup xinfo"
FORWARDED = "memory|usage"

# Answered here: command -> CommandId.
LOCAL = {
    "acl|cat": "AclCat",
    "acl|whoami": "AclWhoami",
    "auth": "Auth",
    "client|getname": "ClientGetname",
    "client|getredir": "ClientGetredir",
    "client|id": "ClientId",
    "client|info": "ClientInfo",
    "client|list": "ClientList",
    "client|no-evict": "ClientNoEvict",
    "client|no-touch": "ClientNoTouch",
    "client|reply": "ClientReply",
    "client|setinfo": "ClientSetinfo",
    "client|setname": "ClientSetname",
    "client|trackinginfo": "ClientTrackinginfo",
    "command": "Command",
    "command|count": "CommandCount",
    "command|docs": "CommandDocs",
    "command|getkeys": "CommandGetkeys",
    "command|getkeysandflags": "CommandGetkeysandflags",
    "command|help": "CommandHelp",
    "command|info": "CommandInfo",
    "command|list": "CommandList",
    "echo": "Echo",
    "hello": "Hello",
    "info": "Info",
    "ping": "Ping",
    "quit": "Quit",
    "reset": "Reset",
    "select": "Select",
    "time": "Time",
}

# What makes, ends or concerns a transaction: command -> CommandId.
TRANSACTION = {"multi": "Multi", "exec": "Exec", "discard": "Discard", "watch": "Watch",
               "unwatch": "Unwatch"}

# Messages: command -> CommandId.
SUBSCRIBING = {"subscribe": "Subscribe", "psubscribe": "Psubscribe", "ssubscribe": "Ssubscribe",
               "unsubscribe": "Unsubscribe", "punsubscribe": "Punsubscribe",
               "sunsubscribe": "Sunsubscribe"}

# Goes to one server by an argument that is no key, at this position.
PLACED_BY = {"publish": 1, "spublish": 1}

# Waits on the server, on a connection of the client's own. XREAD and XREADGROUP do so with BLOCK.
# WAIT does so on every server.
BLOCKING = "wait blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin"

# Rows that need care on their way besides the local ones.
IDS = {"client": "Client", "mget": "Mget", "mset": "Mset", "del": "Del", "unlink": "Unlink",
       "exists": "Exists", "touch": "Touch", "config|get": "Config", "config|resetstat": "Config",
       "config|rewrite": "Config", "config|set": "Config", "eval": "Eval",
       "eval_ro": "Eval", "evalsha": "Evalsha", "evalsha_ro": "Evalsha",
       "script|exists": "ScriptExists", "script|flush": "ScriptFlush", "script|load": "ScriptLoad",
       "wait": "Wait"}

# Where the options begin of commands whose keys or whose waiting depend on them. They are read as
# the server reads them, which the key specifications (a search for a keyword) do not promise.
OPTIONS_FROM = {"georadius": 6, "georadiusbymember": 5, "sort": 2, "sort_ro": 2, "xread": 1,
                "xreadgroup": 1}

# Later versions take one argument more. Whether a server does, it knows itself.
ONE_MORE = "zrank zrevrank"


def range_of(flags, last, step=1, index=1):
    """Every `step`th argument from `index` on; a negative `last` counts from the end."""
    return {"flags": flags, "begin_search": {"type": "index", "index": index},
            "find_keys": {"type": "range", "lastkey": last, "keystep": step, "limit": 0}}


def counted(flags, index, step=1):
    """As many as the argument at `index` says, right behind it."""
    return {"flags": flags, "begin_search": {"type": "index", "index": index},
            "find_keys": {"type": "keynum", "keynumidx": 0, "firstkey": 1, "keystep": step}}


READ, WRITE, OVERWRITE = ["RO", "access"], ["RW", "access", "update"], ["OW", "update"]

# Younger than redis 7.0, or of modules, and COMMAND hides them. Clients send those of CLIENT unasked
# and want an answer. The others have several keys, which by the first argument alone would be looked
# for where they are not.
HIDDEN = [
    {"name": "client|no-touch", "arity": 3, "flags": ["noscript", "loading", "stale"],
     "acl": ["@slow", "@connection"]},
    {"name": "client|setinfo", "arity": 4, "flags": ["noscript", "loading", "stale"],
     "acl": ["@slow", "@connection"]},
    {"name": "waitaof", "arity": 4, "flags": ["noscript"], "acl": ["@slow", "@connection"]},
    {"name": "msetex", "arity": -4, "flags": ["write", "denyoom", "movablekeys"],
     "acl": ["@write", "@string", "@slow"], "key_specs": [counted(OVERWRITE, 1, step=2)]},
    {"name": "cms.merge", "arity": -4, "flags": ["write", "denyoom", "movablekeys"],
     "acl": ["@write", "@slow"], "key_specs": [range_of(WRITE, 0), counted(READ, 2)]},
    {"name": "json.mget", "arity": -3, "flags": ["readonly"], "acl": ["@read", "@slow"],
     "key_specs": [range_of(READ, -2)]},
    {"name": "json.mset", "arity": -4, "flags": ["write", "denyoom"], "acl": ["@write", "@slow"],
     "key_specs": [range_of(WRITE, -1, step=3)]},
    {"name": "tdigest.merge", "arity": -4, "flags": ["write", "denyoom", "movablekeys"],
     "acl": ["@write", "@slow"], "key_specs": [range_of(WRITE, 0), counted(READ, 2)]},
    {"name": "ts.createrule", "arity": -6, "flags": ["write", "denyoom"],
     "acl": ["@write", "@slow"], "key_specs": [range_of(WRITE, 1)]},
    {"name": "ts.deleterule", "arity": 3, "flags": ["write"], "acl": ["@write", "@slow"],
     "key_specs": [range_of(WRITE, 1)]},
    {"name": "ts.madd", "arity": -4, "flags": ["write", "denyoom"], "acl": ["@write", "@slow"],
     "key_specs": [range_of(WRITE, -1, step=3)]},
]
