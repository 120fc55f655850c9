"""Commands of every type of redis, made at random from templates.

A template is a line of words. In it
    <kind>        a key of that kind: string bits list set zset hash stream geo hll none
    <kind>+       one to five of them, <kind>+2 two to five
    <word>        something else that WORDS knows how to make: <int>, <member>, ...
    a|b|c         one of them
    [ ... ]       what may be left out
    #             the number of keys that follow
and its first word may begin with marks:
    ~   a set or a hash: the order of the elements is nobody's promise
    %   the same of pairs
    &   a cursor and such a list
    @   a time: only its sign is compared
    =   all keys must lie on one server
"""
import hashlib
import re

# Of the string "hello", as redis 7.0 writes it.
DUMP = b"\x00\x05hello\n\x00cr\xdfve4 \n"

SPREAD = 14  # keys of each kind; half of them are tagged
TAGS = 4

TEMPLATES = """
SET <string> <text> [ NX|XX ] [ GET ] [ EX|PX <ttl>|<bad> ]
SET <string> <text> EXAT|PXAT <far>
SET <string> <int> [ KEEPTTL ] [ GET ] [ XX ]
SET <string> <text> EX 100000 KEEPTTL|PX|NX
GET <string>
GETEX <string> [ PERSIST ]
GETEX <string> EX|PX <ttl>|<bad> [ PERSIST ]
GETEX <string> EXAT|PXAT <far>|<bad>
GETDEL <string>
GETSET <string> <text>
SETNX <string> <text>
SETEX <string> <ttl>|<bad> <text>
PSETEX <string> <ttl> <text>
APPEND <string> <text>
STRLEN <string>
SUBSTR <string> <index> <index>
GETRANGE <string> <index> <index>
SETRANGE <string> <offset> <text>
INCR <string>
DECR <string>
INCRBY <string> <int>|<bad>
DECRBY <string> <int>
INCRBYFLOAT <string> <float>|<bad>
MGET <string>+
MGET <string>+2 <none> <hash>
LCS <string> <string> [ LEN|IDX ] [ WITHMATCHLEN ]
SETBIT <bits> <offset> 0|1|<bad>
GETBIT <bits> <offset>
BITCOUNT <bits> [ <index> <index> [ BIT|BYTE ] ]
BITPOS <bits> 0|1|<bad> [ <index> [ <index> [ BIT|BYTE ] ] ]
BITFIELD <bits> SET u8|i5|u64 <offset> <int> GET i16|u3|x9 <offset> [ OVERFLOW SAT|WRAP|FAIL ] INCRBY u4 <offset> <int>
BITFIELD <bits> OVERFLOW SAT|WRAP|FAIL|x INCRBY i8|u63|i64|u64 <offset>|#1 <int>|<bad> GET u1|i64 #2
BITFIELD <bits>
BITFIELD_RO <bits> GET u8 <offset> [ GET i64 #1 ]
BITFIELD_RO <bits> SET u8 0 1
=BITOP AND|OR|XOR|NOT <bits> <bits>+
=MSETNX <string> <text> <string> <text>
LPUSH|RPUSH <list> <member> [ <member> <member> ]
LPUSHX|RPUSHX <list> <member>
LPOP|RPOP <list> [ <count>|<bad> ]
LLEN <list>
LRANGE <list> <index> <index>
LINDEX <list> <index>
LINSERT <list> BEFORE|AFTER|x <member> <member>
LSET <list> <index> <member>
LREM <list> <index> <member>
LTRIM <list> <index> <index>
LPOS <list> <member> [ RANK <index> ] [ COUNT <count> ] [ MAXLEN <count> ]
=LMOVE <list> <list> LEFT|RIGHT LEFT|RIGHT|x
=RPOPLPUSH <list> <list>
LMPOP # <list>+ LEFT|RIGHT|x [ COUNT <count>|<bad> ]
LMPOP <bad> <list> LEFT
=BLPOP <list>+ 0.01
=BRPOP <list>+ 0.01
BLPOP|BRPOP <list>+ 0.01
BLPOP <list> <bad>
BLMPOP 0.01|0.01|<bad> # <list>+ LEFT|RIGHT|x [ COUNT <count> ]
=BLMOVE <list> <list> LEFT RIGHT|x 0.01
=BRPOPLPUSH <list> <list> 0.01
=BZPOPMIN|BZPOPMAX <zset>+ 0.01
BZPOPMIN|BZPOPMAX <zset>+ 0.01
BZMPOP 0.01|0.01|<bad> # <zset>+ MIN|MAX|x [ COUNT <count> ]
SADD <set> <member> [ <member> <member> ]
SREM <set> <member> [ <member> ]
SCARD <set>
~SMEMBERS <set>
SISMEMBER <set> <member>
SMISMEMBER <set> <member> <member>
SPOP <set> 0
SRANDMEMBER <set> 0
=SMOVE <set> <set> <member>
=SUNIONSTORE|SINTERSTORE|SDIFFSTORE <set> <set>+
~SUNION|SINTER|SDIFF <set>+
SINTERCARD # <set>+ [ LIMIT <count>|<bad> ]
&SSCAN <set> 0 COUNT 1000 [ MATCH m* ]
ZADD <zset> [ NX|XX ] [ GT|LT ] [ CH ] [ INCR ] <score> <member>
ZADD <zset> INCR <score> <member> <score> <member>
ZADD <zset> <score>
ZADD <zset> <score> <member> <score> <member> <score>|<bad> <member>
ZINCRBY <zset> <score> <member>
ZREM <zset> <member> <member>
ZCARD <zset>
ZSCORE <zset> <member>
ZMSCORE <zset> <member> <member>
ZRANK|ZREVRANK <zset> <member>
ZCOUNT <zset> <border> <border>
ZLEXCOUNT <zset> <lex> <lex>
ZRANGE <zset> <index> <index> [ REV ] [ WITHSCORES ]
ZRANGE <zset> <border> <border> BYSCORE [ REV ] [ LIMIT <count> <index> ] [ WITHSCORES ]
ZRANGE <zset> <lex> <lex> BYLEX [ REV ] [ LIMIT <count> <index> ]
ZRANGE <zset> <index> <index> LIMIT <count> <count>|BYLEX
ZRANGE <zset> <lex> <lex> BYLEX WITHSCORES
ZREVRANGE <zset> <index> <index> [ WITHSCORES ]
ZRANDMEMBER <zset> 0
ZRANDMEMBER <none> [ 3 [ WITHSCORES ] ]
ZRANGEBYSCORE|ZREVRANGEBYSCORE <zset> <border> <border> [ WITHSCORES ] [ LIMIT <count> <index> ]
ZRANGEBYLEX|ZREVRANGEBYLEX <zset> <lex> <lex>
ZPOPMIN|ZPOPMAX <zset> [ <count>|<bad> ]
ZREMRANGEBYRANK <zset> <index> <index>
ZREMRANGEBYSCORE <zset> <border> <border>
ZREMRANGEBYLEX <zset> <lex> <lex>
=ZRANGESTORE <zset> <zset> <index> <index>
=ZRANGESTORE <zset> <zset> <border> <border> BYSCORE|BYLEX [ REV ] [ LIMIT <count> <index> ]
=ZUNIONSTORE|ZINTERSTORE|ZDIFFSTORE <zset> # <zset>+
=ZUNIONSTORE|ZINTERSTORE <zset> 2 <zset> <set> [ WEIGHTS <score> 2 ] [ AGGREGATE SUM|MIN|MAX|x ]
ZMPOP # <zset>+ MIN|MAX|x [ COUNT <count>|<bad> ]
ZUNION|ZINTER # <zset>+ [ AGGREGATE SUM|MIN|MAX ] [ WITHSCORES ]
ZDIFF # <zset>+ [ WITHSCORES ]
ZINTERCARD # <zset>+ [ LIMIT <count>|<bad> ]
ZUNION|ZINTER # <zset>+2 <set> [ WEIGHTS <score> ] [ AGGREGATE x ]
&ZSCAN <zset> 0 COUNT 1000
HSET <hash> <field> <text> [ <field> <int> ]
HSET <hash> <field>
HMSET <hash> <field> <text>
HSETNX <hash> <field> <text>
HGET <hash> <field>
HMGET <hash> <field> <field>
%HGETALL <hash>
~HKEYS|HVALS <hash>
HDEL <hash> <field> <field>
HLEN <hash>
HEXISTS <hash> <field>
HSTRLEN <hash> <field>
HINCRBY <hash> <field> <int>|<bad>
HINCRBYFLOAT <hash> <field> <float>
HRANDFIELD <hash> 0
&HSCAN <hash> 0 COUNT 1000
XADD <stream> [ NOMKSTREAM ] [ MAXLEN = <count> ] <id> <field> <text>
XADD <stream> <id> <field>
XLEN <stream>
XRANGE <stream> -|<id> +|<id> [ COUNT <count> ]
XREVRANGE <stream> +|<id> -|<id> [ COUNT <count> ]
XDEL <stream> <id> <id>
XTRIM <stream> MAXLEN|MINID = <count>
XSETID <stream> <id>
XREAD [ COUNT <count> ] STREAMS <stream> <id>
XREAD BLOCK 10 STREAMS <stream> $
=XREAD STREAMS <stream> <stream> 0 <id>
XGROUP CREATE <stream> g1|g2 0|$|<id> [ MKSTREAM ]
XGROUP DESTROY <stream> g2
XGROUP SETID <stream> g1|g2 <id>
XGROUP CREATECONSUMER|DELCONSUMER <stream> g1|g2 c1|c2
XREADGROUP GROUP g1|g2 c1|c2 [ COUNT <count> ] [ NOACK ] STREAMS <stream> >|<id>
XACK <stream> g1|g2 <id> <id>
XPENDING <stream> g1|g2
XCLAIM <stream> g1 c2 0 <id> JUSTID
XAUTOCLAIM <stream> g1|g2 c1|c2 0|1000000|<bad> 0|<id> [ COUNT <count> ] [ JUSTID ]
XCLAIM <stream> g1|g2 c1|c2 0 <id> <id> [ FORCE ] [ RETRYCOUNT <count> ] JUSTID
XPENDING <stream> g1|g2 IDLE 1000000 - + <count> [ c1 ]
XADD <stream> MINID|MAXLEN ~ <count> LIMIT <count> <id> <field> <text>
XTRIM <stream> MAXLEN <count> LIMIT 1
XSETID <stream> <id> ENTRIESADDED <count> MAXDELETEDID <id>
XGROUP CREATE <stream> g1 <id> ENTRIESREAD <count>|<bad>
XREADGROUP GROUP g1 c1 STREAMS <stream>
XREADGROUP GROUP g1 c1 COUNT <count> BLOCK 10 STREAMS <stream> >
XINFO STREAM <stream>
XINFO GROUPS <stream>
GEOADD <geo> [ NX|XX ] [ CH ] <longitude> <latitude> <member>
GEOPOS|GEOHASH <geo> <member> <member>
GEODIST <geo> <member> <member> [ m|km|x ]
GEOSEARCH <geo> FROMLONLAT <longitude> <latitude> BYRADIUS 3000|<bad> km ASC [ COUNT 3 ] [ WITHDIST ]
GEOSEARCH <geo> FROMMEMBER <member> BYBOX 5000 <bad>|4000 km DESC [ COUNT <count> [ ANY ] ] [ WITHCOORD ] [ WITHHASH ]
GEOSEARCH <geo> FROMMEMBER <member> FROMLONLAT 1 1 BYRADIUS 1 m
GEORADIUS|GEORADIUS_RO <geo> <longitude> <latitude> 2000 km DESC [ WITHDIST ] [ COUNT <count> ]
GEORADIUSBYMEMBER|GEORADIUSBYMEMBER_RO <geo> <member> 3000 km|x ASC [ WITHCOORD ]
=GEORADIUS <geo> <longitude> <latitude> 3000 km STORE|STOREDIST <geo>
=GEORADIUSBYMEMBER <geo> <member> 3000 km STORE <geo>
GEORADIUS_RO <geo> <longitude> <latitude> 3000 km STORE <geo>
=GEOSEARCHSTORE <geo> <geo> FROMMEMBER <member> BYBOX 4000 4000 km
PFADD <hll> <member> <member> <int>
PFCOUNT <hll>+
=PFMERGE <hll> <hll>+
DEL|UNLINK|EXISTS|TOUCH <any>+
DEL <any>
TYPE <any>
EXISTS <any>
OBJECT ENCODING|REFCOUNT <string>
OBJECT FREQ|NOSUCH <any>
@OBJECT IDLETIME <any>
@MEMORY USAGE <any> [ SAMPLES <count> ]
OBJECT|MEMORY|XINFO|XGROUP|SCRIPT|FUNCTION HELP
DUMP <string>
RESTORE <string> <ttl>|0|-1 <dump> [ REPLACE ] [ ABSTTL ] [ IDLETIME|FREQ <count> ]
RESTORE <any> 0 <text>
EXPIRE|PEXPIRE <any> <ttl> [ NX|XX|GT|LT|x ]
EXPIREAT|PEXPIREAT <any> <far>
EXPIRE <any> 0|-1|<bad>
EXPIRE <any> <ttl> NX|XX GT|LT|XX
PEXPIREAT|EXPIREAT <any> -1|<bad>
@TTL|PTTL|EXPIRETIME|PEXPIRETIME <any>
PERSIST <any>
=RENAME|RENAMENX <string> <string>
=COPY <hash> <hash> [ REPLACE ]
=COPY|RENAME|RENAMENX <any> <any>
=COPY <string> <string> DB 0|<bad> [ REPLACE ]
SORT <list> [ LIMIT <count> <count> ] [ ASC|DESC ] ALPHA
SORT|SORT_RO <list> [ BY nosort ] [ LIMIT <index> <count> ] [ GET # ] [ DESC ] [ ALPHA ]
SORT_RO <list> ALPHA STORE <list>
=SORT <set> ALPHA STORE <list>
EVAL return{KEYS[1],ARGV[1],redis.call('type',KEYS[1])} 1 <any> <text>
EVAL return{redis.call('incr',KEYS[1])} 1 <string>
EVAL return{err='MY_ERROR_of_mine'} 0
EVAL return{1,2.9,'x',false,true,{3,{4}}} 0
EVAL_RO return{redis.call('get',KEYS[1])} 1 <string>
EVAL return(KEYS[1] 1 <any>
EVAL return{KEYS[1]} <bad> <any>
EVALSHA <sha> 1 <any> <text>
EVALSHA_RO <sha> 1 <any>
EVALSHA <sha> 0
SCRIPT LOAD return{KEYS[1],'loaded'}|return(
SCRIPT EXISTS <sha> <sha>
SCRIPT FLUSH [ SYNC|x ]
FUNCTION LOAD [ REPLACE ] <library>
FUNCTION DELETE mylib|other|none
FUNCTION LIST LIBRARYNAME mylib|other|none [ WITHCODE ]
FCALL|FCALL_RO f|g 1 <any> <text>
FCALL f <bad> <any>
PING
PING <text>
ECHO <text>
DBSIZE
~KEYS *|string:*|*:3|{t1}*|[
SCAN x
SCAN 0 COUNT 0|x
SCAN 0 NOSUCH 1
MSET <string> <text> <string> <text>
MSET <string> <text> <string>
NOSUCHCOMMAND
GET
GET <string> <string>
""".strip().splitlines()

# What is served although its keys lie on several servers, with cross_server_writes = "emulate".
EMULATED = ("BITOP", "SMOVE", "SUNIONSTORE", "ZRANGESTORE", "ZUNIONSTORE", "GEOSEARCHSTORE", "PFMERGE",
            "RENAME", "COPY", "SORT", "GEORADIUS")

# With a word less the answer is random, with one more the timeout is a key. To ZRANK later versions
# take one more: what its version takes a server says when it gets the transaction, not before.
LEFT_WHOLE = ("SPOP", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "BLPOP", "BRPOP", "BZPOP", "BLMOVE",
              "SCAN", "EVAL", "ZRANK", "ZREVRANK")

LIBRARIES = ["""#!lua name=mylib
redis.register_function('f', function(keys, args) return redis.call('incr', keys[1]) end)
""", """#!lua name=other
redis.register_function{function_name='g', flags={'no-writes'},
                        callback=function(keys, args) return {keys[1], args[1]} end}
""", "#!lua name=wrong\nx(", "#!lua", "return 1"]

SCRIPTS = [template.split(" ")[1] for template in TEMPLATES if template.startswith("EVAL")
           and " return" in template] + ["return{KEYS[1],'loaded'}", "return nobody"]

KINDS = "string bits list set zset hash stream geo hll none".split()


class RandomCommands:
    """next() is (mark, words); tag() chooses where all keys of the next commands lie."""

    def __init__(self, random, emulated=False):
        """`emulated`: keys of EMULATED commands lie anywhere. A value that was carried has the
        encoding that its size asks for, which OBJECT shows."""
        self.random = random
        self.emulated = emulated
        lines = [line for line in TEMPLATES if not emulated or not line.startswith("OBJECT")]
        if emulated:
            lines += [line for line in TEMPLATES if line[1:].startswith(EMULATED)] * 3
        self.templates = [line.split(" ") for line in lines]
        self.on_one_server = [words for words in self.templates if self.is_plain(words)]

    @staticmethod
    def is_plain(words):
        """Fit for a transaction: one reply that is the same on every server, and no waiting."""
        whole = " ".join(words)
        return whole[0] not in "~%&@" and "<" in whole and not re.search(
            r"0\.01|BLOCK|^ECHO|^PING|^SCRIPT|^FUNCTION|^BLPOP", whole)

    # --- Words ---

    def key(self, kind, tag=None):
        random = self.random
        if kind == "any":
            kind = random.choice(KINDS)
        elif random.random() < 0.02:
            kind = random.choice(KINDS)  # WRONGTYPE is compared, too
        number = random.randrange(SPREAD // 2)
        if tag is None and random.random() < 0.5:
            return f"{kind}:{number}"
        return f"{{t{random.randrange(TAGS) if tag is None else tag}}}{kind}:{number}"

    def other(self, name):
        random = self.random
        number = random.randrange
        return {
            "text": lambda: random.choice(["", "a", "ohmytext", "mytext", "\r\n", b"\x00\xff$-1\r\n",
                                           str(number(10 ** 6)), "x" * number(200)]),
            "int": lambda: random.choice([number(-9, 10), number(-10 ** 9, 10 ** 9),
                                          9223372036854775807, -9223372036854775808]),
            "float": lambda: random.choice(["0.1", "-2.5", "3e3", "5.0e-2", "17", "1e17"]),
            "bad": lambda: random.choice(["", "x", "-1", "1.5.2", "99999999999999999999", "nan"]),
            "ttl": lambda: 100_000 + number(1000),
            "far": lambda: 4_000_000_000_000 + number(1000),
            "index": lambda: number(-6, 8),
            "offset": lambda: random.choice([number(80), number(80), -1, "#2"]),
            "count": lambda: number(6),
            "score": lambda: random.choice([number(-4, 5), "1.5", "-0.1", "inf", "-inf", "1e300"]),
            "border": lambda: random.choice(["-inf", "+inf", number(-4, 5), "(1", "(x", "1.5"]),
            "lex": lambda: random.choice(["-", "+", "[m2", "(m4", "[", "m"]),
            "member": lambda: random.choice([f"m{number(12)}", number(20), "", b"\xfe\r\n"]),
            "field": lambda: f"f{number(9)}",
            "id": lambda: random.choice([f"{number(1, 60)}-{number(3)}", f"{number(1, 60)}", "0-0",
                                         f"{number(1, 60)}-*", "x"]),
            "sha": lambda: random.choice([str.lower, str.upper])(
                hashlib.sha1(random.choice(SCRIPTS).encode()).hexdigest()),
            "library": lambda: random.choice(LIBRARIES),
            "dump": lambda: random.choice([DUMP, DUMP[:-1], ""]),
            "longitude": lambda: round(random.uniform(-180, 180), 3),
            "latitude": lambda: random.choice([round(random.uniform(-85, 85), 3), 99]),
        }[name]()

    def place(self, text, tag):
        """What one placeholder stands for: a list of words."""
        name, many = re.fullmatch(r"<(\w+)>(\+2?)?", text).groups()
        if name not in KINDS and name != "any":
            return [self.other(name)]
        count = 1 if many is None else self.random.randint(2 if many == "+2" else 1, 5)
        return [self.key(name, tag) for _ in range(count)]

    def fill(self, template, tag):
        words, count_at = [], None
        skipping = depth = 0
        for word in template:
            if word == "[":
                depth += 1
                if not skipping and self.random.random() < 0.5:
                    skipping = depth
            elif word == "]":
                if skipping == depth:
                    skipping = 0
                depth -= 1
            elif skipping:
                continue
            elif word == "#":
                count_at = len(words)
                words.append(None)
            else:
                choice = self.random.choice(word.split("|")) if word != "|" else word
                made = self.place(choice, tag) if choice.startswith("<") else [choice]
                words += made
                if count_at is not None and words[count_at] is None:
                    words[count_at] = len(made)
        return words

    # --- Commands ---

    def from_template(self, template, tag):
        first = template[0]
        mark = first[0] if first[0] in "~%&@=" else ""
        is_spread = self.emulated and first[1:].startswith(EMULATED)
        if mark == "=" and tag is None and not is_spread:
            tag = self.random.randrange(TAGS)
        words = self.fill([first[len(mark):], *template[1:]], tag)
        if self.random.random() < 0.01 and not words[0].startswith(LEFT_WHOLE):
            # A word too many or too few.
            if len(words) > 1 and self.random.random() < 0.5:
                words.pop()
            else:
                words.append("extra" if tag is None else f"{{t{tag}}}extra")
        return ("" if mark == "=" else mark), words

    def next(self):
        return self.from_template(self.random.choice(self.templates), None)

    def scan(self):
        """A scan from its beginning, and where its cursor stands. Pages are small, so that there are
        several."""
        random = self.random
        name = random.choice(["SCAN", "scan", "HSCAN", "SSCAN", "ZSCAN"])
        kind = {"H": "hash", "S": "set", "Z": "zset"}[name[0].upper()]
        words = [name] if name.lower() == "scan" else [name, self.key(kind)]
        patterns = (["*", f"{kind}:*", "*:3", "{t1}*", "[", "no such"] if len(words) == 1
                    else ["*", "f*", "m1*", "m?", "\xff*"])
        options = [["COUNT", random.choice([1, 2, 5, 100])], ["MATCH", random.choice(patterns)]]
        if len(words) == 1:
            options.append(["TYPE", random.choice(["string", "LIST", "hash", "zset", "nothing"])])
        options = random.sample(options, random.randint(0, len(options)))
        return [*words, 0, *(word for option in options for word in option)], len(words)

    def transaction(self):
        """MULTI, commands for one server, EXEC or DISCARD: what is sent, in order."""
        tag = self.random.randrange(TAGS)
        inner = [self.from_template(self.random.choice(self.on_one_server), tag)[1]
                 for _ in range(self.random.randint(0, 5))]
        begin = [["WATCH", self.key("string", tag)]] if self.random.random() < 0.2 else []
        return [*begin, ["MULTI"], *inner, [self.random.choice(["EXEC", "EXEC", "exec", "DISCARD"])]]
