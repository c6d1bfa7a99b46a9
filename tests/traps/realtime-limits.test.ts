// The Free plan's limits, and who pays when they are passed.

import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { freePlan, type Limits } from "../../supabase/local/realtime/mod.ts";
import { Rate } from "../../supabase/local/realtime/rate.ts";
import { Topics } from "../../supabase/local/realtime/topics.ts";
import { guestsOf } from "../local/realtime-guests.ts";
import {
  eventually,
  listenTo,
  publishableKey,
  type RealtimeHost,
  type Served,
  startHost,
  wake,
} from "../local/realtime-host.ts";
import { openSocket, refusedHandshake } from "../local/realtime-socket.ts";

let host: RealtimeHost;
let limited: Served;
const guests = guestsOf(() => limited);

vi.setConfig({ testTimeout: 30_000 });

beforeAll(async () => {
  host = await startHost({ awake: false });
}, 60_000);

afterAll(() => host?.stop());

afterEach(async () => {
  await guests.leave();
  await limited?.stop();
});

/** Measured over 12 × 50 ms where hosted measures over a minute, so that a test need not wait for one. */
async function limit(limits: Partial<Limits>, rateBucketMs = 50): Promise<void> {
  limited = await host.another({ errorDelayMs: 0, limits, rateBucketMs });
}

test("trap 17: one broadcast to fifty counts as fifty-one messages", () => {
  let nowMs = 0;
  const rate = new Rate(100, { now: () => nowMs });
  const topics = new Topics(() => {}, rate);
  for (let n = 0; n < 50; n++) {
    topics.add("public:hall", { version: "2.0.0", takes: () => true, receive: () => {}, shutDown: () => {} });
  }
  const delivery = { form: "json", event: "broadcast", payload: {} } as const;
  topics.publish("hall", false, { delivery, id: null, kind: "broadcast" });
  expect(rate.perSecond).toBe(0); // the bucket of these five seconds is still open
  nowMs += 5_000;
  expect(rate.perSecond).toBe(51 / 10);
});

test("trap 17: the Free plan's 100 messages a second are an average of the last minute, so that a burst passes and a flood does not", () => {
  let nowMs = 0;
  const rate = new Rate(freePlan.messagesPerSecond, { now: () => nowMs });
  const pass = (seconds: number, perSecond: number) => {
    for (let second = 0; second < seconds; second++) {
      rate.count(perSecond);
      nowMs += 1_000;
    }
    return rate.exceeded;
  };
  expect(pass(60, 0)).toBe(false);
  expect(pass(5, 1_000)).toBe(false); // 5,000 in sixty seconds
  expect(pass(55, 0)).toBe(false);
  expect(pass(5, 1_200)).toBe(true); // 6,000, the first burst being over a minute ago
  expect(pass(60, 0)).toBe(false);
  expect(pass(55, 101)).toBe(false);
  expect(pass(5, 101)).toBe(true);
});

test("trap 17: too many messages close the channels of those who receive, not of who sends", async () => {
  await limit({ messagesPerSecond: 20 });
  const sender = await listenTo(guests.outsider().channel("hall"));
  const receivers = [
    await listenTo(guests.outsider().channel("hall")),
    await listenTo(guests.outsider().channel("hall")),
  ];
  await eventually(async () => {
    await sender.channel.send({ type: "broadcast", event: "said", payload: {} });
    return receivers.map(({ statuses }) => statuses.at(-1));
  }).toEqual(["CLOSED", "CLOSED"]);
  for (const { system } of receivers) {
    expect(system).toMatchObject([{
      extension: "system",
      status: "error",
      message: "Too many messages per second",
    }]);
  }
  expect([sender.statuses, sender.system]).toEqual([["SUBSCRIBED"], []]);
});

test("trap 17: a bulk of messages from the database over the rate is dropped, and what comes after a quiet time is told", async () => {
  await limit({ messagesPerSecond: 20 });
  await wake(limited);
  const listener = await listenTo(guests.outsider().channel("bulk"));
  host.logged.length = 0;
  const dropped = () => host.logged.filter((line) => line.endsWith("dropped: too many messages a second"));
  let sent = 0;
  await eventually(async () => {
    await host.sql`select realtime.send('{}', 'bulk', 'bulk', false) from generate_series(1, 100)`;
    sent += 100;
    return dropped().length;
  }).toBeGreaterThan(0);
  await eventually(async () => {
    await host.sql`select realtime.send('{}', 'after', 'bulk', false)`;
    return listener.heard.at(-1)?.event;
  }).toBe("after");
  expect(listener.heard.filter(({ event }) => event === "bulk").length).toBeLessThan(sent);
  expect([listener.statuses, listener.system]).toEqual([["SUBSCRIBED"], []]);
});

test("trap 17: over HTTP a batch above the rate is 429 as a whole", async () => {
  await limit({});
  const listener = await listenTo(guests.outsider().channel("batch"));
  const post = (count: number) =>
    fetch(`${limited.url}/realtime/v1/api/broadcast`, {
      method: "POST",
      headers: { apikey: publishableKey, "content-type": "application/json" },
      body: JSON.stringify({
        messages: Array.from({ length: count }, () => ({ topic: "batch", event: "e", payload: { count } })),
      }),
    });
  const refused = await post(freePlan.messagesPerSecond + 1);
  expect(refused.status).toBe(429);
  expect(await refused.json()).toEqual({
    message: "Too many messages to broadcast, please reduce the batch size",
  });
  expect((await post(1)).status).toBe(202);
  await listener.until(1);
  expect(listener.payloads()).toEqual([{ count: 1 }]);
});

test("trap 17: a connection above the plan's is refused with 429, or at its first join where it was open already", async () => {
  await limit({ connections: 1 });
  const early = await openSocket(limited);
  const listener = await listenTo(guests.outsider().channel("first"));
  expect(listener.statuses).toEqual(["SUBSCRIBED"]);
  expect(await refusedHandshake(limited)).toEqual({
    status: 429,
    body: { error: "Too many connected users" },
  });
  early.send(["1", "1", "realtime:second", "phx_join", { config: {} }]);
  await eventually(() => early.texts).toEqual([["1", "1", "realtime:second", "phx_reply", {
    status: "error",
    response: { reason: "ConnectionRateLimitReached: Too many connected users" },
  }]]);
  early.close();
});

test("trap 17: the hundred-and-first channel of a connection is refused", async () => {
  await limit({ joinsPerSecond: 1_000 });
  const socket = await openSocket(limited);
  const count = freePlan.channelsPerConnection + 1;
  for (let n = 1; n <= count; n++) socket.send([`${n}`, `${n}`, `realtime:${n}`, "phx_join", { config: {} }]);
  await eventually(() => socket.texts).toHaveLength(count);
  const reasons = socket.texts.map((frame) => JSON.stringify(frame)).filter((text) => text.includes("error"));
  expect(reasons).toEqual([expect.stringContaining("ChannelRateLimitReached: Too many channels")]);
  expect(reasons[0]).toContain(`"realtime:${count}"`);
  socket.close();
});

test("trap 17: too many joins a second end the connection, and the next one is refused with 429", async () => {
  // The rate stays over for seconds, so that the handshake is surely within them.
  await limit({ joinsPerSecond: 5, channelsPerConnection: 10_000 }, 1_000);
  const socket = await openSocket(limited);
  let n = 0;
  await eventually(() => {
    for (let more = 0; more < 10 && !socket.isClosed(); more++, n++) {
      socket.send([`${n}`, `${n}`, `realtime:${n}`, "phx_join", { config: {} }]);
    }
    return socket.isClosed();
  }).toBe(true);
  expect(JSON.stringify(socket.texts.at(-1))).toContain(
    "ClientJoinRateLimitReached: Too many joins per second",
  );
  expect(await refusedHandshake(limited)).toEqual({
    status: 429,
    body: { error: "Too many joins per second" },
  });
});
