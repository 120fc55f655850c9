// Pipelines, transactions and messages of ioredis and node-redis against the port in argv[2], with
// keys of all servers. Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const Redis = require("ioredis");
const { createClient } = require("redis");
const { finish, until } = require("./until");

const port = Number(process.argv[2]);
const numbers = [...Array(200).keys()];

async function ioredis() {
  const client = new Redis(port);
  const pipeline = client.pipeline();
  for (const n of numbers) pipeline.set(`io:${n}`, n).incr(`io:${n}`).get(`io:${n}`);
  const replies = (await pipeline.exec()).map(([error, value]) => { assert.ifError(error); return value; });
  assert.deepStrictEqual(replies, numbers.flatMap((n) => ["OK", n + 1, String(n + 1)]));

  await Promise.all(numbers.map(async (n) => {
    const key = `io:{t${n}}`;
    const results = await client.multi().lpush(`${key}:l`, "a", "b").rpop(`${key}:l`).hset(`${key}:h`, "f", n)
      .hgetall(`${key}:h`).exec();
    assert.deepStrictEqual(results.map(([, value]) => value), [2, "a", 1, { f: String(n) }]);
  }));
  const results = await client.multi().set("io:{t}a", "x").incr("io:{t}a").exec();
  assert.strictEqual(results[0][1], "OK");
  assert.match(results[1][0].message, /not an integer/);
  const other = client.duplicate();
  await client.watch("io:{w}a");
  await other.set("io:{w}a", "changed");
  assert.strictEqual(await client.multi().set("io:{w}a", "lost").exec(), null);
  assert.strictEqual(await client.get("io:{w}a"), "changed");

  const heard = [];
  const subscriber = client.duplicate();
  subscriber.on("message", (channel, text) => heard.push(`${channel} ${text}`));
  subscriber.on("pmessage", (pattern, channel, text) => heard.push(`${pattern} ${channel} ${text}`));
  const channels = numbers.slice(0, 30).map((n) => `io:channel${n}`);
  assert.strictEqual(await subscriber.subscribe(...channels), 30);
  assert.strictEqual(await subscriber.psubscribe("io:*7"), 31);
  for (const channel of channels) await other.publish(channel, "hello");
  await until(() => heard.length === 33, "ioredis hears every message");
  for (const channel of channels) assert.ok(heard.includes(`${channel} hello`));
  assert.ok(heard.includes("io:*7 io:channel27 hello"));
  assert.strictEqual(await subscriber.unsubscribe(...channels), 1);
  assert.strictEqual(await subscriber.punsubscribe("io:*7"), 0);
  assert.strictEqual(await subscriber.get("io:{w}a"), "changed");

  const blocked = other.blpop("io:list1", "io:list2", "io:list3", 10);
  await client.rpush("io:list2", "element");
  assert.deepStrictEqual(await blocked, ["io:list2", "element"]);
  const found = new Set();
  for await (const keys of client.scanStream({ match: "io:*", count: 50 })) keys.forEach((key) => found.add(key));
  assert.ok(numbers.every((n) => found.has(`io:${n}`)));
  await Promise.all([client, other, subscriber].map((one) => one.quit()));
}

async function nodeRedis(options) {
  const client = createClient({ socket: { host: "127.0.0.1", port }, ...options });
  await client.connect();
  const replies = await Promise.all(numbers.flatMap((n) => [client.set(`nr:${n}`, String(n)), client.incr(`nr:${n}`)]));
  assert.deepStrictEqual(replies, numbers.flatMap((n) => ["OK", n + 1]));
  await Promise.all(numbers.map(async (n) => {
    const results = await client.multi().set(`nr:{t${n}}a`, "1").incrBy(`nr:{t${n}}a`, n).get(`nr:{t${n}}a`).exec();
    assert.deepStrictEqual(results, ["OK", n + 1, String(n + 1)]);
  }));
  await assert.rejects(client.multi().set("nr:0", "x").set("nr:1", "x").set("nr:2", "x").exec());
  const other = client.duplicate();
  await other.connect();
  await client.watch("nr:{w}a");
  await other.set("nr:{w}a", "changed");
  await assert.rejects(client.multi().set("nr:{w}a", "lost").exec(), /watched/i);

  const heard = [];
  const subscriber = client.duplicate();
  await subscriber.connect();
  await subscriber.subscribe(["nr:one", "nr:two", "nr:three"], (text, channel) => heard.push(`${channel} ${text}`));
  await subscriber.pSubscribe("nr:t*", (text, channel) => heard.push(`* ${channel} ${text}`));
  for (const channel of ["nr:one", "nr:two", "nr:three"]) await other.publish(channel, "hello");
  await until(() => heard.length === 5, "node-redis hears every message");
  await subscriber.unsubscribe(["nr:one", "nr:two", "nr:three"]);
  await subscriber.pUnsubscribe("nr:t*");
  const keys = [];
  for await (const page of client.scanIterator({ MATCH: "nr:*", COUNT: 50 })) keys.push(...[page].flat());
  assert.ok(numbers.every((n) => keys.includes(`nr:${n}`)));
  await client.del(keys);
  await Promise.all([client, other, subscriber].map((one) => one.close()));
}

finish(() => ioredis().then(() => nodeRedis({ RESP: 2 })).then(() => nodeRedis({ RESP: 3 })));
