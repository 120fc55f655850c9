// The npm package memcached at its default options against the port in argv[2].
"use strict";
const assert = require("node:assert");
const { promisify } = require("node:util");
const Memcached = require("memcached");

async function main() {
  const client = new Memcached(`127.0.0.1:${process.argv[2]}`);
  const call = (name) => promisify(client[name]).bind(client);
  assert.strictEqual(await call("set")("mc", "value", 100), true);
  assert.strictEqual(await call("get")("mc"), "value");
  assert.strictEqual(await call("get")("none"), undefined);
  for (let i = 0; i < 20; i++) await call("set")(`mc${i}`, { i }, 100);
  const many = await call("getMulti")([...Array(20).keys()].map((i) => `mc${i}`));
  assert.deepStrictEqual(many.mc19, { i: 19 });
  assert.strictEqual(Object.keys(many).length, 20);
  await call("set")("mc:n", 5, 100);
  assert.strictEqual(await call("incr")("mc:n", 2), 7);
  assert.strictEqual(await call("decr")("mc:n", 1), 6);
  await call("set")("mc:s", "b", 100);
  assert.strictEqual(await call("append")("mc:s", "c"), true);
  assert.strictEqual(await call("prepend")("mc:s", "a"), true);
  assert.strictEqual(await call("get")("mc:s"), "abc");
  const { cas } = await call("gets")("mc");
  assert.strictEqual(await call("cas")("mc", "other", cas, 100), true);
  assert.strictEqual(await call("touch")("mc", 200), true);
  assert.strictEqual(await call("del")("mc"), true);
  assert.strictEqual(await call("del")("mc"), false);
  await call("version")();
  await call("stats")();
  await call("flush")();
  assert.strictEqual(await call("get")("mc1"), undefined);
  client.end();
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
