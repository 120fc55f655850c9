// BullMQ: queue, workers, events and flows against the port in argv[2]. Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const { FlowProducer, Queue, QueueEvents, Worker } = require("bullmq");

const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const options = { connection, prefix: "{bull}" };

async function until(condition, what) {
  const end = Date.now() + 20000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function main() {
  const errors = [];
  const note = (error) => errors.push(error);
  const queue = new Queue("work", options).on("error", note);
  const events = new QueueEvents("work", options).on("error", note);
  await events.waitUntilReady();
  const attempts = new Map();
  const workers = [1, 2].map(() => new Worker("work", async (job) => {
    attempts.set(job.id, (attempts.get(job.id) || 0) + 1);
    await job.updateProgress(50);
    if (job.name === "fails once" && attempts.get(job.id) === 1) throw new Error("once");
    if (job.name === "fails") throw new Error("always");
    if (job.name === "sum") return Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0);
    return job.data.n * 2;
  }, { ...options, concurrency: 5 }).on("error", note));

  const jobs = await queue.addBulk([...Array(100).keys()].map((n) => ({ name: "double", data: { n } })));
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 30000)));
  assert.deepStrictEqual(results, [...Array(100).keys()].map((n) => n * 2));

  const delayed = await queue.add("double", { n: 21 }, { delay: 300 });
  assert.strictEqual(await delayed.waitUntilFinished(events, 20000), 42);
  const urgent = await queue.add("double", { n: 1 }, { priority: 1 });
  assert.strictEqual(await urgent.waitUntilFinished(events, 20000), 2);
  const retried = await queue.add("fails once", { n: 5 }, { attempts: 3, backoff: 50 });
  assert.strictEqual(await retried.waitUntilFinished(events, 20000), 10);
  const failing = await queue.add("fails", {});
  await assert.rejects(failing.waitUntilFinished(events, 20000), /always/);

  const flow = new FlowProducer(options).on("error", note);
  const { job: parent } = await flow.add({
    name: "sum", queueName: "work", data: {},
    children: [1, 2, 3].map((n) => ({ name: "double", queueName: "work", data: { n } })),
  });
  assert.strictEqual(await parent.waitUntilFinished(events, 20000), 12);

  await queue.pause();
  const held = await queue.add("double", { n: 7 });
  await queue.resume();
  assert.strictEqual(await held.waitUntilFinished(events, 20000), 14);
  await queue.upsertJobScheduler("often", { every: 100, limit: 3 }, { name: "double", data: { n: 1 } });
  await until(async () => (await queue.getCompleted()).filter((job) => job.repeatJobKey).length >= 2,
    "a job is repeated");
  await queue.removeJobScheduler("often");

  const counts = await queue.getJobCounts("completed", "failed", "active", "waiting");
  assert.strictEqual(counts.failed, 1);
  assert.ok(counts.completed >= 107, JSON.stringify(counts));
  assert.strictEqual((await queue.getFailed())[0].failedReason, "always");
  await Promise.all(workers.map((worker) => worker.close()));
  await queue.obliterate({ force: true });
  await Promise.all([flow.close(), events.close(), queue.close()]);
  assert.deepStrictEqual(errors, []);
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
