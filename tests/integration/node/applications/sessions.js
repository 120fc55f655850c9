// express-session with connect-redis, and rate-limiter-flexible, against the port in argv[2].
// Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const session = require("express-session");
const { RedisStore } = require("connect-redis");
const { RateLimiterRedis } = require("rate-limiter-flexible");
const { createClient } = require("redis");
const Redis = require("ioredis");

const port = Number(process.argv[2]);

async function sessions() {
  const client = createClient({ socket: { host: "127.0.0.1", port } });
  await client.connect();
  const store = new RedisStore({ client, prefix: "s:", ttl: 100 });
  const cookie = { maxAge: 100000, originalMaxAge: 100000 };
  for (let i = 0; i < 50; i++) await store.set(`id${i}`, { cookie, n: i });
  assert.strictEqual((await store.get("id7")).n, 7);
  await store.touch("id7", { cookie, n: 7 });
  assert.strictEqual(await store.length(), 50);
  assert.strictEqual((await store.all()).length, 50);
  assert.strictEqual((await store.ids()).length, 50);
  await store.destroy("id7");
  assert.ok(!(await store.get("id7")));
  await store.clear();
  assert.strictEqual(await store.length(), 0);
  assert.ok(session({ store, secret: "x", resave: false, saveUninitialized: false }));
  await client.quit();
}

async function limits() {
  const client = new Redis(port);
  const limiter = new RateLimiterRedis({ storeClient: client, points: 5, duration: 10, keyPrefix: "rl" });
  for (const user of ["ada", "alan", "grace", "edsger"]) {
    for (let i = 0; i < 5; i++) assert.strictEqual((await limiter.consume(user)).remainingPoints, 4 - i);
    await assert.rejects(limiter.consume(user), (rejected) => rejected.msBeforeNext > 0);
    assert.strictEqual((await limiter.get(user)).consumedPoints, 6);
    await limiter.penalty(user, 2);
    await limiter.block(user, 60);
    await limiter.set(user, 3, 10);
    await limiter.reward(user, 1);
    assert.strictEqual((await limiter.get(user)).consumedPoints, 2);
    assert.ok(await limiter.delete(user));
    assert.strictEqual(await limiter.get(user), null);
  }
  await client.quit();
}

sessions().then(limits).then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
