"""What ringmain does with each command: the part of the command table that people decide.

Everything else (arity, flags, places of keys) is Redis's own metadata, in redis-7.0-commands.json.
A command that is not named here is forwarded when it has keys; make_commands.py fails when it has
none. A container stands for all its subcommands that are not named themselves.
"""

ONE_SERVER = "it acts on one server, and a pool has several"
ALL_SERVERS = "its answer lies on all servers of the pool, which this version does not ask together"
WAIT = "it asks about the writes of its own connection, and clients share those here"
MESSAGES = "messages need a server connection of their own, which this version does not lease"
SHARED = "it concerns connections to one server, which clients share here"
DATABASES = "it concerns two databases at once, whose connections differ"
CLUSTER = "the servers of a pool are not a Redis Cluster"
REPLICATION = "it is spoken between servers"
LIBRARY = "all servers need the same scripts, which this version does not send to all of them"
SELF_TEST = "it holds up a whole server for a test of itself"

# Refused: reason -> commands.
REFUSED = {
    ONE_SERVER: "acl bgrewriteaof bgsave config debug failover lastsave latency memory module "
                "role save shutdown slowlog",
    ALL_SERVERS: "dbsize flushall flushdb keys randomkey scan",
    WAIT: "wait waitaof",
    MESSAGES: "monitor psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe "
              "sunsubscribe unsubscribe",
    SHARED: "client",
    DATABASES: "move swapdb",
    CLUSTER: "asking cluster readonly readwrite restore-asking",
    REPLICATION: "migrate psync replconf replicaof slaveof sync",
    LIBRARY: "function script",
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

# The same answer everywhere. Besides these, HELP of every container.
ANY_SERVER = "lolwut"

# A container that keeps nothing of its own: whatever subcommand is not named here has keys.
CONTAINERS = "object xgroup xinfo"
FORWARDED = "memory|usage"

# Answered here: command -> CommandId.
LOCAL = {
    "auth": "Auth",
    "client|getname": "ClientGetname",
    "client|id": "ClientId",
    "client|info": "ClientInfo",
    "client|no-evict": "ClientNoEvict",
    "client|no-touch": "ClientNoTouch",
    "client|setinfo": "ClientSetinfo",
    "client|setname": "ClientSetname",
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

# Waits on the server, on a connection of the client's own. XREAD and XREADGROUP do so with BLOCK.
BLOCKING = "blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin"

# Rows that need care on their way besides the local ones.
IDS = {"client": "Client", "mget": "Mget", "mset": "Mset", "del": "Del", "unlink": "Unlink",
       "exists": "Exists", "touch": "Touch"}

# Where the options begin of commands whose keys or whose waiting depend on them. They are read as
# the server reads them, which the key specifications (a search for a keyword) do not promise.
OPTIONS_FROM = {"georadius": 6, "georadiusbymember": 5, "sort": 2, "xread": 1, "xreadgroup": 1}

# Younger than redis 7.0, and COMMAND hides them. Clients send those of CLIENT unasked and want an
# answer.
HIDDEN = [
    {"name": "client|no-touch", "arity": 3, "flags": ["noscript", "loading", "stale"],
     "acl": ["@slow", "@connection"]},
    {"name": "client|setinfo", "arity": 4, "flags": ["noscript", "loading", "stale"],
     "acl": ["@slow", "@connection"]},
    {"name": "waitaof", "arity": 4, "flags": ["noscript"], "acl": ["@slow", "@connection"]},
]
