// The local Realtime with the real client, against a real Postgres. What differs on a hosted project is in tests/traps.

import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { guestsOf, room } from "./realtime-guests.ts";
import {
  eventually,
  leave,
  listenTo,
  publishableKey,
  type RealtimeHost,
  secretKey,
  startHost,
  stranger,
  token,
} from "./realtime-host.ts";
import { openSocket, refusedHandshake } from "./realtime-socket.ts";

let host: RealtimeHost;
const guests = guestsOf(() => host);

vi.setConfig({ testTimeout: 30_000 });

beforeAll(async () => {
  host = await startHost();
}, 60_000);

afterAll(() => host.stop());

afterEach(() => guests.leave());

test("another user is refused a private topic", async () => {
  const owner = await guests.user();
  const other = await guests.user();
  const listener = await listenTo(room(owner, other.client));
  expect(listener.statuses[0]).toBe(
    `CHANNEL_ERROR: Unauthorized: You do not have permissions to read from this Channel topic: room:${owner.id}`,
  );
});

test("anon is refused a private topic and service_role is let in", async () => {
  const owner = await guests.user();
  const refused = await listenTo(room(owner, guests.outsider()));
  expect(refused.statuses[0]).toMatch(/^CHANNEL_ERROR: Unauthorized: /);
  const admitted = await listenTo(room(owner, guests.outsider(secretKey)));
  expect(admitted.statuses).toEqual(["SUBSCRIBED"]);
});

test("200 messages arrive in the order of their commits, for two subscribers alike", async () => {
  const owner = await guests.user();
  const first = await listenTo(room(owner));
  const second = await listenTo(room(owner, (await guests.user({ id: owner.id })).client));
  const session = await host.sql.reserve();
  await session`begin`;
  await session`select realtime.send('{"n": 200}'::jsonb, 'told', ${`room:${owner.id}`}, true)`;
  for (let n = 0; n < 200; n++) await host.send(`room:${owner.id}`, { n });
  await session`commit`;
  session.release();
  const expected = Array.from({ length: 201 }, (_, n) => n);
  for (const listener of [first, second]) {
    await listener.until(201);
    expect(listener.payloads().map(({ n }) => n)).toEqual(expected);
  }
});

test("raw bytes go from client to client, and self brings a sender its own", async () => {
  const config = { broadcast: { ack: true, self: true } };
  const sender = await listenTo(guests.outsider().channel(`bytes:${randomUUID()}`, { config }));
  const payload = new Uint8Array([0, 255, 3]).buffer;
  expect(await sender.channel.send({ type: "broadcast", event: "bytes", payload })).toBe("ok");
  await sender.until(1);
  expect(sender.heard[0]?.payload).toStrictEqual(new Uint8Array([0, 255, 3]).buffer);
});

test("a lost replication connection comes back, and only what is sent meanwhile is lost", async () => {
  const owner = await guests.user();
  const listener = await listenTo(room(owner));
  const slots = () =>
    host.sql<{ pid: number }[]>`
      select active_pid as pid from pg_replication_slots where slot_name like 'supabase_realtime_messages%'`;
  const [before] = await slots();
  await host.sql`select pg_terminate_backend(${before?.pid ?? 0})`;
  const config = { private: true, broadcast: { replication_ready: true } };
  await eventually(async () => (await slots()).filter(({ pid }) => pid && pid !== before?.pid).length).toBe(
    1,
  );
  const again = await listenTo(
    (await guests.user({ id: owner.id })).client.channel(`room:${owner.id}`, { config }),
  );
  await eventually(() => again.system.map(({ message }) => message))
    .toEqual(["Replication connection established"]);
  await host.send(`room:${owner.id}`, { n: 1 });
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ n: 1 }]);
  expect(host.logged.filter((line) => line.includes("replication connection lost"))).toHaveLength(1);
});

test("broadcasts over HTTP reach subscribers, and a private one needs the right to write", async () => {
  const topic = `chat:${randomUUID()}`;
  const config = { private: true };
  const ann = await guests.user();
  const listener = await listenTo(ann.client.channel(topic, { config }));
  const sender = await guests.user();
  await sender.client.realtime.setAuth();
  expect(await sender.client.channel(topic, { config }).httpSend("single", { n: 1 })).toEqual({
    success: true,
  });
  await expect(guests.outsider().channel(topic, { config }).httpSend("single", { n: 2 })).rejects.toThrow(
    /Unauthorized/,
  );
  const batch = (bearer: string) =>
    fetch(`${host.url}/realtime/v1/api/broadcast`, {
      method: "POST",
      headers: {
        apikey: publishableKey,
        authorization: `Bearer ${bearer}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ messages: [{ topic, event: "batch", payload: { n: 3 }, private: true }] }),
    }).then(({ status }) => status);
  expect(await batch(publishableKey)).toBe(202);
  expect(await batch(await token(randomUUID()))).toBe(202);
  expect(await batch("not.a.token")).toBe(401);
  await listener.until(2);
  expect(listener.payloads()).toEqual([{ n: 1 }, { n: 3 }]);
});

test("presence tells who is there, and when somebody goes", async () => {
  const topic = `chat:${randomUUID()}`;
  const config = { private: true, presence: { enabled: true } };
  const [ann, ben] = [await guests.user(), await guests.user()];
  const annsChannel = ann.client.channel(topic, {
    config: { ...config, presence: { enabled: true, key: "ann" } },
  });
  const bensChannel = ben.client.channel(topic, {
    config: { ...config, presence: { enabled: true, key: "ben" } },
  });
  await listenTo(annsChannel);
  expect(await annsChannel.track({ mood: "calm" })).toBe("ok");
  await listenTo(bensChannel);
  expect(await bensChannel.track({ mood: "busy" })).toBe("ok");
  await eventually(() => Object.keys(annsChannel.presenceState()).sort()).toEqual(["ann", "ben"]);
  expect(bensChannel.presenceState()).toMatchObject({ ann: [{ mood: "calm" }], ben: [{ mood: "busy" }] });
  await ben.client.removeAllChannels();
  await eventually(() => Object.keys(annsChannel.presenceState())).toEqual(["ann"]);
});

test("a handshake without a good key is refused with JSON over HTTP", async () => {
  const answers: [key: string, error: RegExp][] = [
    ["", /^Missing API key$/],
    ["sb_publishable_other", /^Unknown API key$/],
    ["nonsense", /^The token provided is not a valid JWT$/],
    [await token(randomUUID(), -10), /^Token has expired 1\d seconds ago$/],
  ];
  for (const [key, expected] of answers) {
    expect(await refusedHandshake(host, { key })).toEqual({
      status: 401,
      body: { error: expect.stringMatching(expected) },
    });
  }
});

test("heartbeats are answered, a second join closes the first, leaving closes", async () => {
  const socket = await openSocket(host);
  const ok = { status: "ok", response: {} };
  const joined = { status: "ok", response: { postgres_changes: [] } };
  socket.send([null, "1", "phoenix", "heartbeat", {}]);
  socket.send("not JSON");
  socket.send(["2", "2", "realtime:lobby", "phx_join", { config: {} }]);
  socket.send(["3", "3", "realtime:lobby", "phx_join", { config: {} }]);
  socket.send(["3", "4", "realtime:lobby", "phx_leave", {}]);
  socket.send(["3", "5", "realtime:lobby", "broadcast", {}]);
  socket.send(["6", "6", "realtime:", "phx_join", { config: {} }]);
  await eventually(() => socket.texts.length).toBe(8);
  expect(socket.texts).toEqual([
    [null, "1", "phoenix", "phx_reply", ok],
    ["2", "2", "realtime:lobby", "phx_reply", joined],
    ["2", "2", "realtime:lobby", "phx_close", {}],
    ["3", "3", "realtime:lobby", "phx_reply", joined],
    ["3", "4", "realtime:lobby", "phx_reply", ok],
    ["3", "3", "realtime:lobby", "phx_close", {}],
    ["3", "5", "realtime:lobby", "phx_reply", { status: "error", response: { reason: "unmatched topic" } }],
    ["6", "6", "realtime:", "phx_reply", {
      status: "error",
      response: { reason: "TopicNameRequired: You must provide a topic name" },
    }],
  ]);
  socket.close();
});

test("a refused join waits for its answer, and a stopped Realtime leaves no replication slot", async () => {
  const errorDelayMs = 300;
  const slots = async () => (await host.sql`select from pg_replication_slots`).length;
  const another = await host.another({ errorDelayMs });
  const client = stranger(another);
  const startedAt = performance.now();
  const refused = await listenTo(client.channel("club", { config: { private: true } }));
  expect(refused.statuses[0]).toMatch(/^CHANNEL_ERROR: Unauthorized/);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(errorDelayMs);
  await eventually(slots).toBe(2);
  await leave(client);
  await another.stop();
  expect(await slots()).toBe(1);
});

test("a Realtime stops though its replication slot still waits for somebody's transaction", async () => {
  const slots = async () => (await host.sql`select from pg_replication_slots`).length;
  const open = await host.sql.reserve();
  await open`begin`;
  await open`select pg_current_xact_id()`;
  const another = await host.another({ errorDelayMs: 0 });
  const client = stranger(another);
  const listener = await listenTo(client.channel("hall"));
  expect(listener.statuses).toEqual(["SUBSCRIBED"]);
  await eventually(slots).toBe(2);
  await leave(client);
  await another.stop();
  await open`commit`;
  open.release();
  await eventually(slots).toBe(1);
});
