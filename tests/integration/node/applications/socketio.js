// Servers of socket.io that find one another through the port in argv[2], with the adapter on
// messages and the one on streams. Exit status 0: all right.
"use strict";
const assert = require("node:assert");
const { createServer } = require("node:http");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createAdapter: createStreamsAdapter } = require("@socket.io/redis-streams-adapter");
const Redis = require("ioredis");
const { createClient } = require("redis");
const { Server } = require("socket.io");
const { io } = require("socket.io-client");
const { finish, until } = require("./until");

const port = Number(process.argv[2]);

const adapters = {
  "messages, node-redis": async () => {
    const publisher = createClient({ socket: { host: "127.0.0.1", port } });
    const subscriber = publisher.duplicate();
    await Promise.all([publisher.connect(), subscriber.connect()]);
    return createAdapter(publisher, subscriber);
  },
  "messages, ioredis": async () => createAdapter(new Redis(port), new Redis(port)),
  "streams": async () => {
    const client = createClient({ socket: { host: "127.0.0.1", port } });
    await client.connect();
    return createStreamsAdapter(client);
  },
};

async function connect(adapter) {
  const http = createServer();
  const server = new Server(http, { adapter: await adapter() });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${http.address().port}`;
  const client = io(url, { transports: ["websocket"], forceNew: true });
  client.heard = [];
  client.onAny((event, value) => client.heard.push([event, value]));
  await until(() => client.connected, "a client is connected");
  return { server, client };
}

async function talk(name) {
  const sides = [await connect(adapters[name]), await connect(adapters[name]), await connect(adapters[name])];
  const [one, two, three] = sides;
  const heard = (side, value) => side.client.heard.some(([, other]) => other === value);
  await until(async () => (await one.server.fetchSockets()).length === 3, `${name}: all sockets are known`);

  for (let i = 0; i < 20; i++) one.server.emit("all", `to all ${i}`);
  await until(() => sides.every((side) => heard(side, "to all 19")), `${name}: everybody hears`);
  for (const side of sides) {
    const values = side.client.heard.map(([, value]) => value);
    assert.deepStrictEqual(values, [...Array(20).keys()].map((i) => `to all ${i}`));
  }
  three.server.in(three.client.id).socketsJoin("room");
  one.server.in(two.client.id).socketsJoin("room");
  await until(async () => (await one.server.in("room").fetchSockets()).length === 2, `${name}: a room`);
  two.server.to("room").emit("room", "to a room");
  await until(() => heard(two, "to a room") && heard(three, "to a room"), `${name}: the room hears`);
  one.server.to(three.client.id).emit("private", "to one");
  await until(() => heard(three, "to one"), `${name}: one hears`);
  assert.ok(!heard(one, "to a room") && !heard(two, "to one"));

  let asked = 0;
  for (const side of [two, three]) {
    side.server.on("question", (value, answer) => { asked += 1; answer(value * 2); });
  }
  const answers = await new Promise((resolve, reject) => {
    one.server.serverSideEmit("question", 21, (error, list) => (error ? reject(error) : resolve(list)));
  });
  assert.deepStrictEqual(answers, [42, 42]);
  assert.strictEqual(asked, 2);
  one.server.in(three.client.id).disconnectSockets(true);
  await until(() => !three.client.connected, `${name}: closed from afar`);
  for (const side of sides) {
    side.client.close();
    await side.server.close();
  }
}

finish(async () => {
  for (const name of Object.keys(adapters)) await talk(name);
});
