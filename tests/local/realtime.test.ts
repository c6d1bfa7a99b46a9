// The local Realtime with the real client, against a real Postgres.

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import type { SupabaseClient } from "@supabase/supabase-js";
import { WebSocket } from "ws";
import {
  eventually,
  leave,
  listenTo,
  type Person,
  person,
  type PersonOptions,
  publishableKey,
  type RealtimeHost,
  secretKey,
  startHost,
  stranger,
  token,
} from "./realtime-host.ts";

let host: RealtimeHost;
const clients: SupabaseClient[] = [];

vi.setConfig({ testTimeout: 30_000 });

beforeAll(async () => {
  host = await startHost();
}, 60_000);

afterAll(async () => await host.stop());

afterEach(async () => await leave(...clients.splice(0)));

async function user(options?: PersonOptions): Promise<Person> {
  const made = await person(host, options);
  clients.push(made.client);
  return made;
}

function outsider(key?: string): SupabaseClient {
  const made = stranger(host, key);
  clients.push(made);
  return made;
}

function room(owner: Person, client = owner.client) {
  return client.channel(`room:${owner.id}`, { config: { private: true } });
}

async function send(topic: string, payload: object, isPrivate = true): Promise<void> {
  await host.sql`select realtime.send(${
    JSON.stringify(payload)
  }::text::jsonb, 'told', ${topic}, ${isPrivate})`;
}

test("the owner of a private topic hears a message after its commit and not before", async () => {
  const owner = await user();
  const listener = await listenTo(room(owner));
  expect(listener.statuses).toEqual(["SUBSCRIBED"]);

  const session = await host.sql.reserve();
  await session`begin`;
  await session`select realtime.send('{"n": 1}'::jsonb, 'told', ${`room:${owner.id}`}, true)`;
  await send(`room:${owner.id}`, { n: 2 });
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ n: 2 }]);

  await session`commit`;
  session.release();
  await listener.until(2);
  const [, late] = listener.heard;
  expect(late).toMatchObject({ event: "told", payload: { n: 1 } });
  expect(late?.meta?.id).toBe(late?.payload["id"]);
});

test("a rolled-back message is never heard", async () => {
  const owner = await user();
  const listener = await listenTo(room(owner));
  await host.sql.begin(async (sql) => {
    await sql`select realtime.send('{"n": 1}'::jsonb, 'told', ${`room:${owner.id}`}, true)`;
    throw new Error("rolled back on purpose");
  }).catch((error: Error) => expect(error.message).toBe("rolled back on purpose"));
  await send(`room:${owner.id}`, { n: 2 });
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ n: 2 }]);
});

test("another user is refused a private topic", async () => {
  const owner = await user();
  const other = await user();
  const listener = await listenTo(room(owner, other.client));
  expect(listener.statuses[0]).toBe(
    `CHANNEL_ERROR: Unauthorized: You do not have permissions to read from this Channel topic: room:${owner.id}`,
  );
});

test("anon is refused a private topic and service_role is let in", async () => {
  const owner = await user();
  const refused = await listenTo(room(owner, outsider()));
  expect(refused.statuses[0]).toMatch(/^CHANNEL_ERROR: Unauthorized: /);
  const admitted = await listenTo(room(owner, outsider(secretKey)));
  expect(admitted.statuses).toEqual(["SUBSCRIBED"]);
});

test("200 messages arrive in the order of their commits, for two subscribers alike", async () => {
  const owner = await user();
  const first = await listenTo(room(owner));
  const second = await listenTo(room(owner, (await user({ id: owner.id })).client));
  const session = await host.sql.reserve();
  await session`begin`;
  await session`select realtime.send('{"n": 200}'::jsonb, 'told', ${`room:${owner.id}`}, true)`;
  for (let n = 0; n < 200; n++) await send(`room:${owner.id}`, { n });
  await session`commit`;
  session.release();
  const expected = Array.from({ length: 201 }, (_, n) => n);
  for (const listener of [first, second]) {
    await listener.until(201);
    expect(listener.payloads().map(({ n }) => n)).toEqual(expected);
  }
});

test("a payload of 100 kB arrives whole, one over 256 kB is dropped with a log line", async () => {
  const owner = await user();
  const listener = await listenTo(room(owner));
  const text = "å".repeat(50_000);
  await send(`room:${owner.id}`, { text: "x".repeat(257_000) });
  await send(`room:${owner.id}`, { text });
  await listener.until(1);
  expect(listener.heard).toHaveLength(1);
  expect(listener.payloads()[0]?.["text"]).toBe(text);
  expect(host.logged.some((line) => /dropped: 257\d+ bytes are over 256500/.test(line))).toBe(true);
});

test("a client on protocol 1.0.0 hears database messages as JSON, with their id", async () => {
  const owner = await user({ vsn: "1.0.0" });
  const listener = await listenTo(room(owner));
  expect(listener.statuses).toEqual(["SUBSCRIBED"]);
  await send(`room:${owner.id}`, { n: 1 });
  await listener.until(1);
  expect(listener.heard[0]).toMatchObject({ event: "told", payload: { n: 1 } });
  expect(listener.heard[0]?.meta?.id).toBe(listener.payloads()[0]?.["id"]);
});

test("a broadcast goes from client to client and not back to its sender", async () => {
  const topic = `chat:${randomUUID()}`;
  const [ann, ben, old] = [await user(), await user(), await user({ vsn: "1.0.0" })];
  const config = { private: true, broadcast: { ack: true } };
  const sender = await listenTo(ann.client.channel(topic, { config }));
  const receiver = await listenTo(ben.client.channel(topic, { config }));
  const oldReceiver = await listenTo(old.client.channel(topic, { config }));
  expect(await sender.channel.send({ type: "broadcast", event: "said", payload: { text: "héllo" } })).toBe(
    "ok",
  );
  expect(await receiver.channel.send({ type: "broadcast", event: "said", payload: { text: "back" } })).toBe(
    "ok",
  );
  expect(await oldReceiver.channel.send({ type: "broadcast", event: "said", payload: { text: "old" } })).toBe(
    "ok",
  );
  for (const listener of [sender, receiver, oldReceiver]) await listener.until(2);
  expect(receiver.payloads()).toEqual([{ text: "héllo" }, { text: "old" }]);
  expect(sender.payloads()).toEqual([{ text: "back" }, { text: "old" }]);
  expect(oldReceiver.payloads()).toEqual([{ text: "héllo" }, { text: "back" }]);
});

test("raw bytes go from client to client, and self brings a sender its own", async () => {
  const config = { broadcast: { ack: true, self: true } };
  const sender = await listenTo(outsider().channel(`bytes:${randomUUID()}`, { config }));
  const payload = new Uint8Array([0, 255, 3]).buffer;
  expect(await sender.channel.send({ type: "broadcast", event: "bytes", payload })).toBe("ok");
  await sender.until(1);
  expect(sender.heard[0]?.payload).toStrictEqual(new Uint8Array([0, 255, 3]).buffer);
});

test("a reader without an insert policy cannot broadcast, and gets no reply", async () => {
  const owner = await user();
  const channel = owner.client.channel(`room:${owner.id}`, {
    config: { private: true, broadcast: { ack: true } },
  });
  const reader = await listenTo(channel);
  const second = await listenTo(room(owner, (await user({ id: owner.id })).client));
  const sent = channel.send({ type: "broadcast", event: "said", payload: { n: 1 } }, { timeout: 300 });
  expect(await sent).toBe("timed out");
  await send(`room:${owner.id}`, { n: 2 });
  await second.until(1);
  expect(second.payloads()).toMatchObject([{ n: 2 }]);
  expect(reader.statuses).toEqual(["SUBSCRIBED"]);
});

test("the public and the private topic of one name do not hear each other", async () => {
  const owner = await user();
  const name = `room:${owner.id}`;
  const inPrivate = await listenTo(room(owner));
  const inPublic = await listenTo(outsider().channel(name));
  expect(inPublic.statuses).toEqual(["SUBSCRIBED"]);
  await send(name, { to: "private" }, true);
  await send(name, { to: "public" }, false);
  await inPrivate.until(1);
  await inPublic.until(1);
  await send(name, { to: "both" }, true);
  await send(name, { to: "both" }, false);
  await inPrivate.until(2);
  await inPublic.until(2);
  expect(inPrivate.payloads().map(({ to }) => to)).toEqual(["private", "both"]);
  expect(inPublic.payloads().map(({ to }) => to)).toEqual(["public", "both"]);
});

test("an expired token closes its channel with a system message", async () => {
  const owner = await user({ lifetimeSeconds: 2 });
  const listener = await listenTo(room(owner));
  expect(listener.statuses).toEqual(["SUBSCRIBED"]);
  await eventually(() => listener.statuses).toContain("CLOSED");
  expect(listener.system).toMatchObject([
    {
      extension: "system",
      status: "error",
      message: expect.stringMatching(/^Token has expired \d+ seconds ago$/),
    },
  ]);
});

test("a membership taken away counts from the next token on", async () => {
  const member = await user();
  await host.sql`insert into public.members values (${member.id})`;
  const listener = await listenTo(member.client.channel("club", { config: { private: true } }));
  await host.sql`delete from public.members`;
  await send("club", { n: 1 });
  await listener.until(1);
  await member.renew();
  await eventually(() => listener.statuses).toContain("CLOSED");
  expect(listener.system.map(({ message }) => message)).toEqual([
    "You do not have permissions to read from this Channel topic: club",
  ]);
});

test("a lost replication connection comes back, and only what is sent meanwhile is lost", async () => {
  const owner = await user();
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
  const again = await listenTo((await user({ id: owner.id })).client.channel(`room:${owner.id}`, { config }));
  await eventually(() => again.system.map(({ message }) => message))
    .toEqual(["Replication connection established"]);
  await send(`room:${owner.id}`, { n: 1 });
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ n: 1 }]);
  expect(host.logged.filter((line) => line.includes("replication connection lost"))).toHaveLength(1);
});

test("a channel that asks for replay first hears what was sent before it joined", async () => {
  const owner = await user();
  for (let n = 0; n < 4; n++) await send(`room:${owner.id}`, { n });
  const replay = { since: Date.now() - 60_000, limit: 2 };
  const channel = owner.client.channel(`room:${owner.id}`, {
    config: { private: true, broadcast: { replay } },
  });
  const listener = await listenTo(channel);
  await send(`room:${owner.id}`, { n: 4 });
  await listener.until(3);
  expect(listener.payloads().map(({ n }) => n)).toEqual([2, 3, 4]);
  expect(listener.heard.map(({ meta }) => meta?.replayed ?? false)).toEqual([true, true, false]);
});

test("broadcasts over HTTP reach subscribers, and a private one needs the right to write", async () => {
  const topic = `chat:${randomUUID()}`;
  const config = { private: true };
  const ann = await user();
  const listener = await listenTo(ann.client.channel(topic, { config }));
  const sender = await user();
  await sender.client.realtime.setAuth();
  expect(await sender.client.channel(topic, { config }).httpSend("single", { n: 1 })).toEqual({
    success: true,
  });
  await expect(outsider().channel(topic, { config }).httpSend("single", { n: 2 })).rejects.toThrow(
    /permissions/,
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
  const [ann, ben] = [await user(), await user()];
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

test("a channel that asks for postgres_changes is let in and told that there are none", async () => {
  const channel = outsider().channel("table changes");
  channel.on("postgres_changes", { event: "*", schema: "public", table: "members" }, () => {});
  const listener = await listenTo(channel);
  await eventually(() => listener.system).toMatchObject([{
    extension: "postgres_changes",
    status: "error",
  }]);
  expect(listener.statuses[0]).not.toMatch(/mismatch/);
});

test("a handshake without a good key is refused with JSON over HTTP", async () => {
  const answers: [key: string, error: RegExp][] = [
    ["", /^Missing API key$/],
    ["sb_publishable_other", /^Unknown API key$/],
    ["nonsense", /^The token provided is not a valid JWT$/],
    [await token(randomUUID(), -10), /^Token has expired 1\d seconds ago$/],
  ];
  for (const [key, expected] of answers) {
    const socket = new WebSocket(
      `${host.url.replace("http", "ws")}/realtime/v1/websocket?vsn=2.0.0&apikey=${key}`,
    );
    const [, response] = await once(socket, "unexpected-response");
    expect(response.statusCode).toBe(401);
    expect(JSON.parse((await response.toArray()).join(""))).toEqual({
      error: expect.stringMatching(expected),
    });
    socket.on("error", () => {}); // ws tells the refusal once more
    socket.terminate();
  }
});

test("heartbeats are answered, a second join closes the first, leaving closes", async () => {
  const address = `${
    host.url.replace("http", "ws")
  }/realtime/v1/websocket?vsn=2.0.0&apikey=${publishableKey}`;
  const socket = new WebSocket(address);
  const frames: unknown[] = [];
  socket.on("message", (data) => frames.push(JSON.parse(String(data))));
  await once(socket, "open");
  const ok = { status: "ok", response: {} };
  const joined = { status: "ok", response: { postgres_changes: [] } };
  socket.send(JSON.stringify([null, "1", "phoenix", "heartbeat", {}]));
  socket.send("not JSON");
  socket.send(JSON.stringify(["2", "2", "realtime:lobby", "phx_join", { config: {} }]));
  socket.send(JSON.stringify(["3", "3", "realtime:lobby", "phx_join", { config: {} }]));
  socket.send(JSON.stringify(["3", "4", "realtime:lobby", "phx_leave", {}]));
  socket.send(JSON.stringify(["3", "5", "realtime:lobby", "broadcast", {}]));
  socket.send(JSON.stringify(["6", "6", "realtime:", "phx_join", { config: {} }]));
  await eventually(() => frames.length).toBe(8);
  expect(frames).toEqual([
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
  socket.terminate();
});

test("partitions reach from yesterday to three days ahead, and old ones are gone", async () => {
  const rows = await host.sql<{ name: string }[]>`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'realtime.messages'::regclass order by 1`;
  const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
  expect(rows.map(({ name }) => name)).toEqual(
    [-1, 0, 1, 2, 3].map((offset) => `realtime.messages_${day(offset).replaceAll("-", "_")}`),
  );
});

test("a refused join waits for its answer, and a stopped Realtime leaves no replication slot", async () => {
  const errorDelayMs = 300;
  const slots = async () => (await host.sql`select from pg_replication_slots`).length;
  const another = await host.another(errorDelayMs);
  expect(await slots()).toBe(2);
  const client = stranger(another);
  const startedAt = performance.now();
  const refused = await listenTo(client.channel("club", { config: { private: true } }));
  expect(refused.statuses[0]).toMatch(/^CHANNEL_ERROR: Unauthorized/);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(errorDelayMs);
  await leave(client);
  await another.stop();
  expect(await slots()).toBe(1);
});
