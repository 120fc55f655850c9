// cache-manager with @keyv/redis, redlock and redis-semaphore against the port in argv[2].
// Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const { createCache } = require("cache-manager");
const KeyvRedis = require("@keyv/redis").default;
const { Keyv } = require("keyv");
const Redis = require("ioredis");
const { Mutex, Semaphore } = require("redis-semaphore");
const { finish } = require("./until");

const port = Number(process.argv[2]);

async function caches() {
  // Several values are written in a transaction, so the keys of one cache have a common tag.
  const store = new KeyvRedis(`redis://127.0.0.1:${port}`, { namespace: "{cache}" });
  const cache = createCache({ stores: [new Keyv({ store, namespace: "{cache}", useKeyPrefix: false })] });
  assert.strictEqual(await cache.get("none"), undefined);
  await cache.set("a", { n: 1 }, 60000);
  assert.deepStrictEqual(await cache.get("a"), { n: 1 });
  const many = [...Array(50).keys()].map((n) => ({ key: `many${n}`, value: n, ttl: 60000 }));
  await cache.mset(many);
  const keys = many.map(({ key }) => key);
  assert.deepStrictEqual(await cache.mget(keys), many.map(({ value }) => value));
  await cache.mdel(keys.slice(0, 10));
  assert.deepStrictEqual(await cache.mget(keys.slice(9, 11)), [undefined, 10]);
  let computed = 0;
  const compute = () => cache.wrap("wrapped", async () => { computed += 1; return "value"; }, 60000);
  assert.deepStrictEqual(await Promise.all([compute(), compute(), compute()]), ["value", "value", "value"]);
  assert.strictEqual(await compute(), "value");
  assert.strictEqual(computed, 1);
  await cache.set("short", 1, 30);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.strictEqual(await cache.get("short"), undefined);
  await cache.del("a");
  assert.strictEqual(await cache.get("a"), undefined);
  await cache.clear();
  assert.deepStrictEqual(await cache.mget(keys.slice(20, 22)), [undefined, undefined]);
  await cache.disconnect();
}

async function locks() {
  const clients = [1, 2, 3].map(() => new Redis(port));
  let inside = 0;
  let most = 0;
  let count = 0;
  const work = async (lock) => {
    for (let i = 0; i < 10; i++) {
      await lock.acquire();
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 2));
      count += 1;
      inside -= 1;
      await lock.release();
    }
  };
  const options = { acquireTimeout: 20000, retryInterval: 5 };
  await Promise.all(clients.map((client) => work(new Mutex(client, "one", options))));
  assert.deepStrictEqual([count, most], [30, 1]);
  most = 0;
  await Promise.all(clients.map((client) => work(new Semaphore(client, "two", 2, options))));
  assert.deepStrictEqual([count, most], [60, 2]);
  await Promise.all(clients.map((client) => client.quit()));
}

finish(() => caches().then(locks));
