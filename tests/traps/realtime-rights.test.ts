// Who may join, hear and send: asked once, of probe rows, and remembered.

import { randomUUID } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from "vitest";
import { guestsOf, room } from "../local/realtime-guests.ts";
import {
  eventually,
  leave,
  listenTo,
  publishableKey,
  type RealtimeHost,
  startHost,
  token,
} from "../local/realtime-host.ts";

let host: RealtimeHost;
const guests = guestsOf(() => host);
const unauthorized = (topic: string) =>
  `CHANNEL_ERROR: Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`;

vi.setConfig({ testTimeout: 30_000 });

beforeAll(async () => {
  host = await startHost();
  // `by …` topics may be read or written where the row says so, which a probe row never does.
  await host.sql.unsafe(`
    create policy "write only" on realtime.messages for insert to authenticated
      with check (realtime.topic() = 'inbox');
    create policy "read by event" on realtime.messages for select to authenticated
      using (realtime.topic() = 'by event' and event = 'told');
    create policy "read by payload" on realtime.messages for select to authenticated
      using (realtime.topic() = 'by payload' and payload is not null);
    create policy "read by private" on realtime.messages for select to authenticated
      using (realtime.topic() = 'by private' and private);
    create policy "read by own columns" on realtime.messages for select to authenticated
      using (topic = 'by extension' and extension = 'broadcast' and event is null and not private);
    create policy "write by event" on realtime.messages for insert to authenticated
      with check (realtime.topic() = 'by extension' and event = 'said');
    create policy "raise" on realtime.messages for select to authenticated
      using (case when realtime.topic() = 'raising' then 1 / (length(realtime.topic()) - 7) > 0 else false end);
    create policy "members write" on realtime.messages for insert to authenticated
      with check (realtime.topic() = 'club' and exists (select from public.members where id = auth.uid()));`);
}, 60_000);

afterAll(() => host?.stop());

afterEach(() => guests.leave());

const acked = { private: true, broadcast: { ack: true } };

test("trap 10: an insert policy alone lets nobody join", async () => {
  const writer = await guests.user();
  const listener = await listenTo(writer.client.channel("inbox", { config: { private: true } }));
  expect(listener.statuses[0]).toBe(unauthorized("inbox"));
});

test("trap 10: policies that ask for event, payload or private see a probe row without them", async () => {
  const reader = await guests.user();
  for (const topic of ["by event", "by payload", "by private"]) {
    const { statuses, channel } = await listenTo(reader.client.channel(topic, { config: { private: true } }));
    expect(statuses[0]).toBe(unauthorized(topic));
    await reader.client.removeChannel(channel);
  }
  const joined = await listenTo(reader.client.channel("by extension", { config: acked }));
  expect(joined.statuses).toEqual(["SUBSCRIBED"]);
  const said = { type: "broadcast", event: "said", payload: {} } as const;
  expect(await joined.channel.send(said, { timeout: 300 })).toBe("timed out");
});

test("trap 10: a policy that raises is a refusal", async () => {
  const reader = await guests.user();
  const listener = await listenTo(reader.client.channel("raising", { config: { private: true } }));
  expect(listener.statuses[0]).toBe(unauthorized("raising"));
});

test("trap 10: who forgets config.private joins another topic, and hears nothing that is sent to the private one", async () => {
  const owner = await guests.user();
  const name = `room:${owner.id}`;
  const inPrivate = await listenTo(room(owner));
  const forgetful = await listenTo((await guests.user({ id: owner.id })).client.channel(name));
  const stranger = await listenTo(guests.outsider().channel(name));
  for (const { statuses } of [forgetful, stranger]) expect(statuses).toEqual(["SUBSCRIBED"]);
  await host.send(name, { to: "private" }, true);
  await host.send(name, { to: "public" }, false);
  await Promise.all([inPrivate, forgetful, stranger].map((listener) => listener.until(1)));
  await host.send(name, { to: "both" }, true);
  await host.send(name, { to: "both" }, false);
  await Promise.all([inPrivate, forgetful, stranger].map((listener) => listener.until(2)));
  expect(inPrivate.payloads().map(({ to }) => to)).toEqual(["private", "both"]);
  for (const listener of [forgetful, stranger]) {
    expect(listener.payloads().map(({ to }) => to)).toEqual(["public", "both"]);
  }
});

test("trap 11: a membership that was taken away still hears and sends until its token changes", async () => {
  const member = await guests.user();
  await host.sql`insert into public.members values (${member.id})`;
  const listener = await listenTo(member.client.channel("club", { config: acked }));
  const said = { type: "broadcast", event: "said", payload: {} } as const;
  expect(await listener.channel.send(said)).toBe("ok");

  await host.sql`delete from public.members`;
  await host.send("club", { n: 1 });
  await listener.until(1);
  expect(await listener.channel.send(said)).toBe("ok");
  const late = await listenTo(
    (await guests.user({ id: member.id })).client.channel("club", { config: { private: true } }),
  );
  expect(late.statuses[0]).toBe(unauthorized("club"));

  await member.renew();
  await eventually(() => listener.statuses).toContain("CLOSED");
  expect(listener.system.map(({ message }) => message)).toEqual([
    "You do not have permissions to read from this Channel topic: club",
  ]);
});

test("trap 11: an expired token closes its channel, one that was renewed in time does not", async () => {
  const [forgetful, careful] = [
    await guests.user({ lifetimeSeconds: 3 }),
    await guests.user({ lifetimeSeconds: 3 }),
  ];
  const kept = await listenTo(room(careful));
  const lost = await listenTo(room(forgetful));
  expect([kept.statuses, lost.statuses]).toEqual([["SUBSCRIBED"], ["SUBSCRIBED"]]);
  await careful.renew();
  await eventually(() => lost.statuses).toContain("CLOSED");
  expect(lost.system).toMatchObject([{
    extension: "system",
    status: "error",
    message: expect.stringMatching(/^Token has expired \d+ seconds ago$/),
  }]);
  await host.send(`room:${careful.id}`, { n: 1 });
  await kept.until(1);
  expect(kept.statuses).toEqual(["SUBSCRIBED"]);
});

test("trap 14: a broadcast that policies deny gets no reply, though the channel asked for one", async () => {
  const owner = await guests.user();
  const reader = await listenTo(room(owner, owner.client, { ack: true }));
  const second = await listenTo(room(owner, (await guests.user({ id: owner.id })).client));
  const said = { type: "broadcast", event: "said", payload: { n: 1 } } as const;
  expect(await reader.channel.send(said, { timeout: 300 })).toBe("timed out");
  await host.send(`room:${owner.id}`, { n: 2 });
  await second.until(1);
  expect(second.payloads()).toMatchObject([{ n: 2 }]);
  expect(reader.statuses).toEqual(["SUBSCRIBED"]);
});

function post(url: string, key: string, bearer: string, path: string, body: unknown): Promise<Response> {
  return fetch(`${url}/realtime/v1/api/broadcast${path}`, {
    method: "POST",
    headers: { apikey: key, authorization: `Bearer ${bearer}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

const batchOf = (topic: string) => ({
  messages: [{ topic, event: "told", payload: { from: "batch" }, private: true }],
});

test("trap 14: over HTTP a denied message in a batch is skipped with 202, a single one is 403", async () => {
  const topic = `chat:${randomUUID()}`;
  const listener = await listenTo((await guests.user()).client.channel(topic, { config: { private: true } }));
  const user = await token(randomUUID());
  const denied = [batchOf(topic), batchOf("nobody's")].flatMap(({ messages }) => messages);
  const allowed = await post(host.url, publishableKey, user, "", { messages: denied });
  expect([allowed.status, await allowed.text()]).toEqual([202, ""]);
  const anonymous = await post(host.url, publishableKey, publishableKey, "", batchOf(topic));
  expect([anonymous.status, await anonymous.text()]).toEqual([202, ""]);
  const single = await post(
    host.url,
    publishableKey,
    publishableKey,
    `/${topic}/events/told?private=true`,
    {},
  );
  expect([single.status, await single.json()]).toEqual([403, { message: "Unauthorized" }]);
  expect((await post(host.url, publishableKey, "not.a.token", "", batchOf(topic))).status).toBe(401);
  await host.send(topic, { from: "database" });
  await listener.until(2);
  expect(listener.payloads().map(({ from }) => from)).toEqual(["batch", "database"]);
});

test("trap 14: on this project's topics one user's broadcast never reaches another, whatever HTTP answers", async () => {
  const stack = inject("trapsStack");
  const signUp = async () => {
    const client = createClient(stack.url, stack.publishableKey, { auth: { persistSession: false } });
    const { data, error } = await client.auth.signUp({
      email: `realtime-${randomUUID()}@example.com`,
      password: randomUUID(),
    });
    if (error || !data.session || !data.user) throw error ?? new Error("no session");
    await client.realtime.setAuth(data.session.access_token);
    return { client, token: data.session.access_token, topic: `generations:${data.user.id}` };
  };
  const [attacker, owner] = [await signUp(), await signUp()];
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  const listener = await listenTo(
    owner.client.channel(owner.topic, {
      config: { private: true, broadcast: { ack: true, replication_ready: true } },
    }),
  );
  await eventually(() => listener.system).toHaveLength(1);

  const batch = (bearer: string) => post(stack.url, stack.publishableKey, bearer, "", batchOf(owner.topic));
  const single = (bearer: string) =>
    post(stack.url, stack.publishableKey, bearer, `/${owner.topic}/events/told?private=true`, {});
  for (const bearer of [attacker.token, owner.token, stack.publishableKey]) {
    expect((await batch(bearer)).status).toBe(202);
    expect((await single(bearer)).status).toBe(403);
  }
  const said = { type: "broadcast", event: "told", payload: {} } as const;
  expect(await listener.channel.send(said, { timeout: 300 })).toBe("timed out");
  await sql`select realtime.send('{"from": "database"}', 'told', ${owner.topic})`;
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ from: "database" }]);
  await sql.end();
  await leave(attacker.client, owner.client);
});
