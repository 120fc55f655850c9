// Bull: queue, processors, global events, delays, retries and repetitions against the port in
// argv[2]. Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const Queue = require("bull");
const { finish, until } = require("./until");

const options = { redis: { host: "127.0.0.1", port: Number(process.argv[2]) }, prefix: "{bull}" };

async function main() {
  const errors = [];
  const open = () => new Queue("work", options).on("error", (error) => errors.push(error));
  const queue = open();
  const workers = [open(), open()];
  const attempts = new Map();
  for (const worker of workers) {
    worker.process("*", 5, async (job) => {
      attempts.set(job.id, (attempts.get(job.id) || 0) + 1);
      await job.progress(50);
      if (job.name === "fails once" && attempts.get(job.id) === 1) throw new Error("once");
      if (job.name === "fails") throw new Error("always");
      return job.data.n * 2;
    });
  }
  let progressed = 0;
  queue.on("global:progress", () => { progressed += 1; });
  queue.setMaxListeners(0);
  await queue.isReady();

  const numbers = [...Array(100).keys()];
  const jobs = await queue.addBulk(numbers.map((n) => ({ name: "double", data: { n } })));
  const results = await Promise.all(jobs.map((job) => job.finished()));
  assert.deepStrictEqual(results, numbers.map((n) => n * 2));
  await until(() => progressed >= 100, "every worker's progress is heard of");

  const delayed = await queue.add("double", { n: 21 }, { delay: 300 });
  assert.strictEqual(await delayed.finished(), 42);
  const urgent = await queue.add("double", { n: 1 }, { priority: 1, lifo: true });
  assert.strictEqual(await urgent.finished(), 2);
  const retried = await queue.add("fails once", { n: 5 }, { attempts: 3, backoff: 50 });
  assert.strictEqual(await retried.finished(), 10);
  const failing = await queue.add("fails", {});
  await assert.rejects(failing.finished(), /always/);

  await queue.pause();
  const held = await queue.add("double", { n: 7 });
  assert.strictEqual(await queue.getPausedCount(), 1);
  await queue.resume();
  assert.strictEqual(await held.finished(), 14);
  const before = await queue.getCompletedCount();
  await queue.add("double", { n: 1 }, { repeat: { every: 100, limit: 3 } });
  await until(async () => await queue.getCompletedCount() >= before + 2, "a job is repeated");

  // CLIENT LIST.
  assert.strictEqual((await queue.getWorkers()).length, 2);
  const counts = await queue.getJobCounts();
  assert.strictEqual(counts.failed, 1);
  assert.ok(counts.completed >= 106, JSON.stringify(counts));
  assert.strictEqual((await queue.getFailed())[0].failedReason, "always");
  assert.ok((await queue.clean(0, "completed")).length >= 106);
  await Promise.all(workers.map((worker) => worker.close()));
  await queue.obliterate({ force: true });
  await queue.close();
  assert.deepStrictEqual(errors, []);
}

finish(main);
