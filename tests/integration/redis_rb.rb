# redis-rb at its default options against the port in ARGV[0]. Exit status 0: all right.
require "redis"

def same(got, wanted)
  raise "expected #{wanted.inspect}, got #{got.inspect}" unless got == wanted
end

redis = Redis.new(port: Integer(ARGV[0]))
same redis.set("rb", "value"), "OK"
same redis.get("rb"), "value"
same redis.get("none"), nil
same redis.mset("rb1", "1", "rb2", "2", "rb3", "3"), "OK"
same redis.mget("rb1", "none", "rb2", "rb3"), ["1", nil, "2", "3"]
same redis.del("rb1", "rb2", "rb3", "none"), 3
same redis.exists("rb", "none"), 1
redis.hset("rb:h", "a", "1")
same redis.hgetall("rb:h"), { "a" => "1" }
redis.zadd("rb:z", [[1.0, "a"], [2.5, "b"]])
same redis.zscore("rb:z", "b"), 2.5
same redis.eval("return KEYS[1]", keys: ["rb"]), "rb"
values = redis.pipelined { |pipe| 300.times { |i| pipe.set("rb:p#{i}", i); pipe.get("rb:p#{i}") } }
same values.last, "299"
begin
  redis.call("nosuch", "a")
  raise "no error"
rescue Redis::CommandError => e
  raise e unless e.message.include?("unknown command")
end
same redis.ping, "PONG"
same redis.info.key?("redis_version"), true
same redis.quit, "OK"
