// Waits for what an application does in its own time.
"use strict";

async function until(condition, what, ms = 20000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function finish(main) {
  main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
}

module.exports = { finish, until };
