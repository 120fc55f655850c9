// The npm package memjs, which speaks the binary protocol, against the port in argv[2].
"use strict";
const assert = require("node:assert");
const memjs = require("memjs");

async function main() {
  const client = memjs.Client.create(`127.0.0.1:${process.argv[2]}`, { retries: 1, timeout: 5 });
  assert.strictEqual(await client.set("mj", "value", { expires: 100 }), true);
  const { value, flags } = await client.get("mj");
  assert.strictEqual(value.toString(), "value");
  assert.ok(flags);
  assert.strictEqual((await client.get("none")).value, null);
  assert.strictEqual(await client.add("mj", "other", {}), false);
  assert.strictEqual(await client.replace("mj", "ab", {}), true);
  assert.strictEqual(await client.append("mj", "c"), true);  // its prepend() sends an append, too
  assert.strictEqual((await client.get("mj")).value.toString(), "abc");
  assert.strictEqual((await client.increment("mj:n", 5, { initial: 7 })).value, 7);
  assert.strictEqual((await client.increment("mj:n", 5, {})).value, 12);
  assert.strictEqual((await client.decrement("mj:n", 2, {})).value, 10);
  assert.strictEqual(await client.touch("mj", 100), true);
  const many = await Promise.all([...Array(200).keys()].map(async (i) => {
    await client.set(`mj${i}`, `value ${i}`, {});
    return (await client.get(`mj${i}`)).value.toString();
  }));
  assert.strictEqual(many[199], "value 199");
  const large = Buffer.alloc(300000, "v");
  await client.set("mj:large", large, {});
  assert.ok((await client.get("mj:large")).value.equals(large));
  assert.strictEqual(await client.delete("mj"), true);
  assert.strictEqual(await client.delete("mj"), false);
  await new Promise((resolve, reject) =>
    client.statsWithKey("", (error, server, stats) => error ? reject(error) : resolve(stats)));
  await new Promise((resolve, reject) =>
    client.flush((error) => error ? reject(error) : resolve()));
  assert.strictEqual((await client.get("mj1")).value, null);
  client.quit();
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
