"""Valid uses of every command with keys, for the comparison with a plain server.

A group runs from top to bottom on one connection; `@x` is a key of the group, and all keys of a
group carry one hash tag. Marks in front of a line:

  ~   the order within the reply is the server's own: compared as a sorted list
  ?   the reply differs from run to run (random, clocks): only its kind is compared
"""
import shlex

GROUPS = {
    "append": 'APPEND @a hello; APPEND @a " world"; GET @a; STRLEN @a; STRLEN @none',
    "bits": r"SETBIT @a 7 1; GETBIT @a 7; GETBIT @a 100; SET @b foobar; BITCOUNT @b; "
            "BITCOUNT @b 0 0; BITCOUNT @b 1 1 BYTE; BITCOUNT @b 5 30 BIT; BITPOS @b 1; "
            "BITPOS @b 0 2 -1 BIT; BITOP AND @c @a @b; BITOP OR @c @a @b; BITOP XOR @c @a @b; "
            "BITOP NOT @c @b; GET @c; BITOP NOT @c @a @b; SETBIT @a -1 1; SETBIT @a 1 2",
    "bitfield": "BITFIELD @a SET u8 0 200 INCRBY u8 0 100 GET u4 0; BITFIELD @a OVERFLOW FAIL "
                "INCRBY u2 100 10; BITFIELD_RO @a GET u8 0; BITFIELD_RO @a SET u8 0 1; BITFIELD @a",
    "copy": "SET @a 1; COPY @a @b; COPY @a @b; COPY @a @b REPLACE; GET @b; COPY @none @b",
    "counters": "INCR @a; DECR @a; INCRBY @a 41; DECRBY @a 2; INCRBYFLOAT @a 0.5; GET @a; "
                "INCR @a; SET @b 9223372036854775807; INCR @b; INCRBY @a notanumber; "
                "INCRBYFLOAT @b nan; DECRBY @b -9223372036854775808",
    "dump": "SET @a value; DUMP @a; DUMP @none; "
            r"RESTORE @b 0 garbage; RESTORE @b -1 x",
    "expire": "SET @a 1; EXPIRE @a 100; ?TTL @a; EXPIRE @a 200 NX; EXPIRE @a 200 XX; "
              "EXPIRE @a 300 GT; EXPIRE @a 100 LT; PERSIST @a; PERSIST @a; TTL @a; TTL @none; "
              "PEXPIRE @a 100000; ?PTTL @a; EXPIREAT @a 33177117420; EXPIRETIME @a; "
              "PEXPIRETIME @a; PEXPIREAT @a 33177117420000; PEXPIRETIME @a; EXPIRE @a x; "
              "EXPIRE @a 1 NX XX; EXPIREAT @a 1; EXISTS @a; PTTL @a; EXPIRETIME @none; "
              "PEXPIRETIME @none",
    "get": "SET @a v; GET @a; GET @none; GETRANGE @a 0 -1; SUBSTR @a 0 0; GETDEL @a; GETDEL @a; "
           "SET @a v EX 100 NX; SET @a w NX; SET @a w XX GET; SET @a x KEEPTTL; ?TTL @a; "
           "GETEX @a PERSIST; TTL @a; GETEX @a EX 10; GETEX @a BADOPTION; GETSET @a y; GETSET @b y; "
           "SET @a z PX 0; SET @a z BADOPTION; SETEX @a 100 q; SETEX @a 0 q; PSETEX @a 100000 r; "
           "PSETEX @a -1 r; SETNX @a s; SETNX @c s; SETRANGE @a 2 xyz; SETRANGE @a -1 x; GET @a; "
           "TYPE @a; TYPE @none; SET @a z GET NX",
    "geo": "GEOADD @a 13.361389 38.115556 Palermo 15.087269 37.502669 Catania; "
           "GEOADD @a NX CH 13.361389 38.115556 Palermo; GEODIST @a Palermo Catania km; "
           "GEODIST @a Palermo none; GEOHASH @a Palermo Catania none; GEOPOS @a Palermo none; "
           "GEORADIUS @a 15 37 200 km WITHDIST WITHCOORD ASC; GEORADIUS_RO @a 15 37 200 km ASC; "
           "GEORADIUS @a 15 37 200 km STORE @b; GEORADIUS @a 15 37 200 km STOREDIST @b; "
           "GEORADIUSBYMEMBER @a Palermo 200 km ASC; GEORADIUSBYMEMBER_RO @a Palermo 200 km ASC; "
           "GEORADIUSBYMEMBER @a Palermo 200 km STORE @c; ZCARD @b; "
           "GEOSEARCH @a FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 3 WITHHASH; "
           "GEOSEARCH @a FROMMEMBER none BYRADIUS 1 m; "
           "GEOSEARCHSTORE @b @a FROMLONLAT 15 37 BYRADIUS 200 km; GEOADD @a 200 100 x; "
           "GEODIST @a Palermo Catania parsec",
    "hash": "HSET @a f 1 g 2; HSET @a f 1 g; HGET @a f; HGET @a none; HMGET @a f none g; "
            "HMSET @a h 3; HMSET @a h; HGETALL @a; HKEYS @a; HVALS @a; HLEN @a; HEXISTS @a f; "
            "HSTRLEN @a f; HSETNX @a f 9; HSETNX @a i 4; HINCRBY @a f 5; HINCRBYFLOAT @a f 0.5; "
            "HINCRBY @a f x; HDEL @a f none; ?HRANDFIELD @a; ?HRANDFIELD @a 2; "
            "?HRANDFIELD @a -3 WITHVALUES; HRANDFIELD @none; HRANDFIELD @none 3; HSCAN @a 0; "
            "HSCAN @a 0 MATCH g* COUNT 10; HSCAN @a x; HGETALL @none; GET @a",
    "hyperloglog": "PFADD @a 1 2 3; PFADD @a 1; PFADD @b 3 4; PFCOUNT @a; PFCOUNT @a @b; "
                   "PFMERGE @c @a @b; PFCOUNT @c; PFADD @d; SET @e x; PFCOUNT @e; PFMERGE @f @e",
    "lcs": "SET @a ohmytext; SET @b mynewtext; LCS @a @b; LCS @a @b LEN; LCS @a @b IDX; "
           "LCS @a @b IDX MINMATCHLEN 4 WITHMATCHLEN; LCS @a @b LEN IDX",
    "list": "RPUSH @a 1 2 3 2; LPUSH @a 0; LPUSHX @none x; RPUSHX @none x; LPUSHX @a x; RPUSHX @a y; "
            "LRANGE @a 0 -1; LLEN @a; LINDEX @a 0; LINDEX @a 99; LSET @a 0 z; LSET @a 99 z; "
            "LSET @none 0 z; LINSERT @a BEFORE 2 new; LINSERT @a AFTER none x; LINSERT @a AT 1 x; "
            "LPOS @a 2; LPOS @a 2 RANK -1; LPOS @a 2 COUNT 0; LPOS @a none; LREM @a 1 2; "
            "LPOP @a; LPOP @a 2; RPOP @a; RPOP @a 1; LPOP @none; LPOP @none 2; RPOP @none 2; "
            "RPUSH @a 1 2 3 4; LTRIM @a 1 -2; LRANGE @a 0 -1; LMOVE @a @b LEFT RIGHT; "
            "RPOPLPUSH @a @b; RPOPLPUSH @none @b; LMOVE @none @b LEFT LEFT; LMPOP 2 @none @b LEFT; "
            "LMPOP 1 @b RIGHT COUNT 5; LMPOP 1 @none LEFT; LMPOP 0 @a LEFT; LMPOP 5 @a LEFT; "
            "LPOP @a -1; SET @s x; LPUSH @s 1; LRANGE @a x y",
    "object": "SET @a 12345; OBJECT ENCODING @a; OBJECT REFCOUNT @a; ?OBJECT IDLETIME @a; "
              "OBJECT FREQ @a; OBJECT ENCODING @none; MEMORY USAGE @none; ?MEMORY USAGE @a",
    "rename": "SET @a 1; RENAME @a @b; GET @b; RENAME @none @c; SET @c 2; RENAMENX @b @c; "
              "DEL @c; RENAMENX @b @c; GET @c",
    "set": "SADD @a 1 2 3; SADD @a 3 4; SCARD @a; SISMEMBER @a 1; SISMEMBER @a 9; "
           "SMISMEMBER @a 1 9 2; SMEMBERS @a; SREM @a 1 9; SADD @b 2 3 5; ~SINTER @a @b; "
           "~SUNION @a @b; ~SDIFF @a @b; SINTERSTORE @c @a @b; SUNIONSTORE @c @a @b; "
           "SDIFFSTORE @c @a @b; SMEMBERS @c; SINTERCARD 2 @a @b; SINTERCARD 2 @a @b LIMIT 1; "
           "SINTERCARD 0 @a; SINTERCARD 3 @a @b; SMOVE @a @b 4; SMOVE @a @b 99; ?SPOP @a; "
           "?SPOP @a 1; SPOP @none; SPOP @none 2; ?SRANDMEMBER @b; ?SRANDMEMBER @b -2; "
           "SRANDMEMBER @none; SSCAN @b 0; SSCAN @none 0; SADD @w x; SET @w 1; SMEMBERS @w",
    "sort": "RPUSH @a 3 1 2; SORT @a; SORT @a DESC LIMIT 0 2; SORT @a STORE @b; LRANGE @b 0 -1; "
            "SORT_RO @a; SORT_RO @a ALPHA; RPUSH @c x; SORT @c; SORT @a BADOPTION; SORT @none; "
            "SORT @a BY nosort; SORT @a GET #",
    "split": "MSET @a 1 @b 2; MGET @a @none @b; MSETNX @c 1 @d 2; MSETNX @d 1 @e 2; MGET @c @d @e; "
             "EXISTS @a @b @none @a; TOUCH @a @none; DEL @a @a @none; UNLINK @b @c @none; "
             "MSET @a; SADD @s 1; MGET @s @a",
    "stream": "XADD @a 1-1 f v; XADD @a 1-1 f v; XADD @a 2-0 f v g w; ?XADD @z * x y; XADD @a 0-0 f v; "
              "XADD @n NOMKSTREAM 1-1 f v; XADD @a MAXLEN 100 9999999999999-0 f v; XLEN @a; "
              "XRANGE @a 1-1 2-0; XRANGE @a 1-1 2-0 COUNT 1; XREVRANGE @a 2-0 1-1; "
              "XREAD COUNT 2 STREAMS @a 0; XREAD STREAMS @a @n 2-0 0; XREAD STREAMS @a; "
              "XDEL @a 1-1 7-7; XTRIM @a MAXLEN 2; XTRIM @a MINID 0; XTRIM @a BAD 0; "
              "XSETID @a 99999999999999-0; XSETID @a 1-0; XSETID @none 1-0",
    "groups": "XADD @a 1-1 f v; XADD @a 2-1 f v; XGROUP CREATE @a g 0; XGROUP CREATE @a g 0; "
              "XGROUP CREATE @none g 0; XGROUP CREATE @m g 0 MKSTREAM; "
              "XGROUP CREATECONSUMER @a g c2; XREADGROUP GROUP g c COUNT 1 STREAMS @a >; "
              "XREADGROUP GROUP g c STREAMS @a 0; XREADGROUP GROUP nog c STREAMS @a >; "
              "XPENDING @a g; ?XPENDING @a g - + 10; XCLAIM @a g c2 0 1-1 JUSTID; "
              "XAUTOCLAIM @a g c 0 0 JUSTID; XACK @a g 1-1 9-9; XINFO STREAM @a; XINFO GROUPS @a; "
              "?XINFO CONSUMERS @a; XINFO STREAM @none; XGROUP SETID @a g 0; "
              "XGROUP DELCONSUMER @a g c2; XGROUP DESTROY @a g; XGROUP DESTROY @a g",
    "script": "EVAL 'return {1,2,{KEYS[1],ARGV[1]}}' 1 @a x; EVAL 'return redis.call(\"set\",KEYS[1],"
              "ARGV[1])' 1 @a v; EVAL_RO 'return redis.call(\"get\",KEYS[1])' 1 @a; "
              "EVAL_RO 'return redis.call(\"set\",KEYS[1],1)' 1 @a; "
              "EVALSHA ffffffffffffffffffffffffffffffffffffffff 1 @a; "
              "EVALSHA_RO ffffffffffffffffffffffffffffffffffffffff 1 @a; "
              "EVAL 'return 1' -1 @a; EVAL 'return 1' abc @a; EVAL 'return 1' 2 @a; "
              "EVAL 'return 1' 4294967297 @a; EVAL 'return redis.error_reply(\"MY own\")' 1 @a; "
              "EVAL 'return 1' 2 @a @b; EVAL 'return nil' 1 @a; EVAL 'return false' 1 @a; "
              "EVAL 'syntax error' 1 @a; EVAL 'return {redis.error_reply(\"E x\"),1,false}' 1 @a; "
              "FCALL nosuch 1 @a; FCALL_RO nosuch 1 @a; FCALL nosuch 2 @a",
    "zset": "ZADD @a 1 a 2 b 3 c; ZADD @a NX 9 a; ZADD @a XX CH 1.5 a; ZADD @a INCR 1 b; "
            "ZADD @a GT 0 a; ZADD @a NX XX 1 a; ZADD @a nan x; ZCARD @a; ZCOUNT @a 1 2; "
            "ZCOUNT @a (1 +inf; ZINCRBY @a 2 c; ZSCORE @a a; ZSCORE @a none; ZMSCORE @a a none; "
            "ZRANK @a b; ZRANK @a none; ZREVRANK @a b; ZRANGE @a 0 -1; ZRANGE @a 0 -1 WITHSCORES; "
            "ZRANGE @a 1 3 BYSCORE LIMIT 0 2; ZRANGE @a 0 -1 REV; ZREVRANGE @a 0 -1 WITHSCORES; "
            "ZRANGEBYSCORE @a -inf +inf WITHSCORES LIMIT 1 1; ZREVRANGEBYSCORE @a +inf -inf; "
            "ZRANGESTORE @b @a 0 1; ZRANGE @b 0 -1; ZREM @a a none; ZPOPMIN @a; ZPOPMAX @a 2; "
            "ZPOPMIN @a; ZPOPMAX @none; ?ZRANDMEMBER @b; ?ZRANDMEMBER @b -2 WITHSCORES; "
            "ZRANDMEMBER @none; ZSCAN @b 0; ZADD @l 0 a 0 b 0 c; ZLEXCOUNT @l - +; "
            "ZRANGEBYLEX @l [a (c; ZREVRANGEBYLEX @l + -; ZREMRANGEBYLEX @l [a [a; "
            "ZREMRANGEBYRANK @l 0 0; ZREMRANGEBYSCORE @l -inf +inf; ZRANGEBYLEX @l a b; "
            "ZCOUNT @a x y; SET @s 1; ZADD @s 1 a",
    "zsets": "ZADD @a 1 a 2 b; ZADD @b 3 b 4 c; ZUNION 2 @a @b WITHSCORES; ZUNION 2 @a @b; "
             "ZINTER 2 @a @b WITHSCORES; ZDIFF 2 @a @b WITHSCORES; ZINTERCARD 2 @a @b; "
             "ZINTERCARD 2 @a @b LIMIT 1; ZUNIONSTORE @c 2 @a @b WEIGHTS 2 3 AGGREGATE MAX; "
             "ZRANGE @c 0 -1 WITHSCORES; ZINTERSTORE @c 2 @a @b; ZDIFFSTORE @c 2 @a @b; "
             "ZUNION 0 @a; ZUNION x @a; ZUNION 3 @a @b; ZUNIONSTORE @c 0 @a; ZMPOP 2 @none @a MIN; "
             "ZMPOP 1 @b MAX COUNT 10; ZMPOP 1 @none MIN; ZMPOP 0 @a MIN; ZINTERCARD 5 @a",
    "types": "SET @a x; LPUSH @l x; LPUSH @a y; INCR @l; HSET @l a b; ZADD @l 1 a; SADD @l a; "
             "XADD @l * a b; GETBIT @l 0; APPEND @l x; GETRANGE @l 0 1; TYPE @l; PFADD @l x; "
             "GEOPOS @l x; SETRANGE @l 0 x; XLEN @l; STRLEN @l; LLEN @a",
}

# Commands that no group can show, each with its reason.
NOT_COMPARED = {
    "answered by ringmain (test_resp_basic)": {
        "auth", "client", "command", "echo", "hello", "info", "ping", "quit", "reset", "select",
        "time"},
    "wait for others (test_blocking, test_steps)": {
        "wait", "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin"},
    "transactions (test_transactions)": {"discard", "exec", "multi", "unwatch", "watch"},
    "hold the connection or its state; refused for now": {"monitor"},
    "messages (test_pubsub)": {
        "psubscribe", "publish", "pubsub", "punsubscribe", "spublish", "ssubscribe", "subscribe",
        "sunsubscribe", "unsubscribe"},
    "asked of every server (test_gather)": {
        "dbsize", "flushall", "flushdb", "keys", "lastsave", "randomkey", "scan"},
    "asked of every server, by subcommands (test_gather)": {
        "config", "function", "latency", "script", "slowlog"},
    "about the whole data set of one server; refused for now": {"swapdb"},
    "about one process, or between servers": {
        "acl", "asking", "bgrewriteaof", "bgsave", "cluster", "debug", "failover", "lolwut",
        "migrate", "module", "move", "pfdebug", "pfselftest", "psync", "readonly", "readwrite",
        "replconf", "replicaof", "restore-asking", "role", "save", "shutdown", "slaveof", "sync"},
}


def steps(group):
    """(mark, arguments) of every line of a group."""
    for line in GROUPS[group].split(";"):
        line = line.strip()
        mark = line[0] if line[0] in "~?" else ""
        words = shlex.split(line[len(mark):])
        yield mark, [f"{{{group}}}{word[1:]}" if word.startswith("@") else word for word in words]


def covered():
    return {arguments[0].lower() for group in GROUPS for _, arguments in steps(group)}
