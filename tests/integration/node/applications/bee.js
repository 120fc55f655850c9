// bee-queue against the port in argv[2]. Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const Queue = require("bee-queue");
const { finish, until } = require("./until");

const options = {
  prefix: "{bee}", redis: { host: "127.0.0.1", port: Number(process.argv[2]) },
  activateDelayedJobs: true, stallInterval: 500,
};

async function main() {
  const errors = [];
  const open = (more) => new Queue("work", { ...options, ...more }).on("error", (error) => errors.push(error));
  const queue = open({ isWorker: false });
  const workers = [open(), open()];
  const attempts = new Map();
  for (const worker of workers) {
    worker.process(5, async (job) => {
      attempts.set(job.id, (attempts.get(job.id) || 0) + 1);
      job.reportProgress({ half: true });
      if (job.data.fails > 0 && attempts.get(job.id) <= job.data.fails) throw new Error("on purpose");
      return job.data.n * 2;
    });
  }
  await Promise.all([queue, ...workers].map((one) => one.ready()));
  const outcome = (job) => new Promise((resolve) => {
    job.on("succeeded", resolve);
    job.on("failed", resolve);
  });
  let progressed = 0;

  const numbers = [...Array(100).keys()];
  const jobs = numbers.map((n) => queue.createJob({ n }));
  const results = jobs.map(outcome);
  jobs.forEach((job) => job.on("progress", () => { progressed += 1; }));
  assert.strictEqual((await queue.saveAll(jobs)).size, 0);
  assert.deepStrictEqual(await Promise.all(results), numbers.map((n) => n * 2));
  await until(() => progressed === 100, "progress of every job");

  const delayed = queue.createJob({ n: 21 }).delayUntil(Date.now() + 300);
  const retried = queue.createJob({ n: 5, fails: 2 }).retries(3).backoff("fixed", 50);
  const failing = queue.createJob({ n: 0, fails: 9 });
  const outcomes = [delayed, retried, failing].map(outcome);
  await Promise.all([delayed, retried, failing].map((job) => job.save()));
  const [first, second, third] = await Promise.all(outcomes);
  assert.strictEqual(first, 42);
  assert.strictEqual(second, 10);
  assert.strictEqual(third.message, "on purpose");

  await queue.checkStalledJobs();
  const health = await until(async () => {
    const now = await queue.checkHealth();
    return now.succeeded === 102 ? now : null;
  }, "the last job is counted");
  assert.strictEqual(health.failed, 1);
  assert.strictEqual(health.waiting + health.active + health.delayed, 0);
  assert.strictEqual((await queue.getJobs("failed", { size: 10 }))[0].id, failing.id);
  assert.strictEqual((await queue.getJob(jobs[7].id)).data.n, 7);
  await queue.removeJob(failing.id);
  await Promise.all(workers.map((worker) => worker.close()));
  await queue.destroy();
  await queue.close();
  assert.deepStrictEqual(errors, []);
}

finish(main);
