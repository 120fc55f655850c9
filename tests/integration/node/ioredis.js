// ioredis at its default options against the port in argv[2]. Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const Redis = require("ioredis");

async function main() {
  const redis = new Redis(Number(process.argv[2]));
  const errors = [];
  redis.on("error", (error) => errors.push(error));
  await new Promise((resolve) => redis.once("ready", resolve));
  assert.strictEqual(await redis.set("io", "value"), "OK");
  assert.strictEqual(await redis.get("io"), "value");
  assert.strictEqual(await redis.get("none"), null);
  assert.deepStrictEqual(await redis.mset("io1", "1", "io2", "2", "io3", "3"), "OK");
  assert.deepStrictEqual(await redis.mget("io1", "none", "io2", "io3"), ["1", null, "2", "3"]);
  assert.strictEqual(await redis.del("io1", "io2", "io3", "none"), 3);
  await redis.hset("io:h", { a: 1, b: "two" });
  assert.deepStrictEqual({ ...(await redis.hgetall("io:h")) }, { a: "1", b: "two" });
  await redis.zadd("io:z", 1, "a", 2.5, "b");
  assert.strictEqual(Number(await redis.zscore("io:z", "b")), 2.5);
  assert.strictEqual(await redis.eval("return ARGV[1]", 1, "io", "x"), "x");
  redis.defineCommand("twice", { numberOfKeys: 1, lua: "return redis.call('append', KEYS[1], ARGV[1])" });
  assert.strictEqual(await redis.twice("io:twice", "ab"), 2);
  assert.strictEqual(await redis.twice("io:twice", "ab"), 4);
  const pipeline = redis.pipeline();
  for (let i = 0; i < 500; i++) pipeline.set(`io:p${i}`, i).get(`io:p${i}`);
  const replies = await pipeline.exec();
  assert.ok(replies.every(([error]) => error === null));
  assert.strictEqual(replies[999][1], "499");
  await assert.rejects(redis.call("nosuch", "a"), /unknown command/);
  assert.deepStrictEqual(
    await redis.multi().set("io:{m}a", "1").incr("io:{m}a").get("io:{m}a").exec(),
    [[null, "OK"], [null, 2], [null, "2"]]);
  assert.strictEqual(await redis.ping(), "PONG");
  assert.strictEqual(await redis.quit(), "OK");
  assert.deepStrictEqual(errors, []);
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
