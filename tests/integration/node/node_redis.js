// node-redis at its default options against the port in argv[2]. Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const { createClient } = require("redis");

async function main() {
  const client = createClient({ url: `redis://127.0.0.1:${process.argv[2]}` });
  const errors = [];
  client.on("error", (error) => errors.push(error));
  await client.connect();
  assert.strictEqual(await client.set("nr", "value"), "OK");
  assert.strictEqual(await client.get("nr"), "value");
  assert.strictEqual(await client.get("none"), null);
  assert.strictEqual(await client.mSet({ nr1: "1", nr2: "2", nr3: "3" }), "OK");
  assert.deepStrictEqual(await client.mGet(["nr1", "none", "nr2", "nr3"]), ["1", null, "2", "3"]);
  assert.strictEqual(await client.del(["nr1", "nr2", "nr3", "none"]), 3);
  await client.hSet("nr:h", { a: "1", b: "two" });
  assert.deepStrictEqual({ ...(await client.hGetAll("nr:h")) }, { a: "1", b: "two" });
  await client.zAdd("nr:z", [{ score: 1, value: "a" }, { score: 2.5, value: "b" }]);
  assert.strictEqual(await client.zScore("nr:z", "b"), 2.5);
  assert.deepStrictEqual([...(await client.zRange("nr:z", 0, -1))], ["a", "b"]);
  assert.strictEqual(await client.exists(["nr", "none"]), 1);
  const all = [];
  for (let i = 0; i < 500; i++) all.push(client.set(`nr:p${i}`, String(i)), client.get(`nr:p${i}`));
  const replies = await Promise.all(all);
  assert.strictEqual(replies[999], "499");
  await assert.rejects(client.sendCommand(["nosuch", "a"]), /unknown command/);
  assert.strictEqual(await client.ping(), "PONG");
  await client.close();
  assert.deepStrictEqual(errors, []);
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
