// What becomes of a message that the database sends: before the first client, while replication starts, and after.

import postgres, { type Sql } from "postgres";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { guestsOf, room } from "../local/realtime-guests.ts";
import {
  eventually,
  leave,
  listenTo,
  person,
  type RealtimeHost,
  type Served,
  startHost,
  wake,
} from "../local/realtime-host.ts";

let host: RealtimeHost;
let sql: Sql;
const warnings: string[] = [];
const guests = guestsOf(() => host);
const toldWhenReady = { replication_ready: true };
const ready = "Replication connection established";

vi.setConfig({ testTimeout: 30_000 });

beforeAll(async () => {
  host = await startHost({ awake: false });
  sql = postgres(host.adminUrl, { max: 1, onnotice: ({ message }) => warnings.push(message ?? "") });
  await host.sql.unsafe(`
    create table public.orders (id int primary key, secret text);
    alter table public.orders enable row level security;
    create function public.send_as_caller(topic text) returns void language sql set search_path = ''
    as $$ select realtime.send('{"by": "caller"}', 'told', topic) $$;
    create function public.send_as_owner(topic text) returns void language sql security definer set search_path = ''
    as $$ select realtime.send('{"by": "owner"}', 'told', topic) $$;`);
}, 60_000);

afterAll(async () => {
  await sql?.end();
  await host?.stop();
});

afterEach(async () => {
  await guests.leave();
  warnings.length = 0;
});

const stored = async (topic: string): Promise<number> =>
  (await sql`select from realtime.messages where topic = ${topic}`).length;

const partitions = async (): Promise<string[]> =>
  (await sql<{ name: string }[]>`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'realtime.messages'::regclass order by 1`).map(({ name }) => name);

// The first: the later ones find partitions.
test("trap 8: before the first client joined there is no partition, so a send is lost with a warning and the transaction goes on", async () => {
  await host.sql`drop table realtime.messages_2020_01_01`;
  expect(await partitions()).toEqual([]);
  expect(await sql`select from pg_replication_slots`).toHaveLength(0);

  const owner = await guests.user();
  const topic = `room:${owner.id}`;
  await sql.begin(async (transaction) => {
    await transaction`insert into public.orders values (1, 'kept')`;
    await transaction`select realtime.send('{"n": 1}', 'told', ${topic})`;
  });
  expect(await sql`select from public.orders`).toHaveLength(1);
  expect(warnings).toEqual([
    'WarnSendingBroadcastMessage: no partition of relation "messages" found for row',
  ]);

  const listener = await listenTo(room(owner, owner.client, { ...toldWhenReady, replay: { since: 0 } }));
  await eventually(() => listener.system.map(({ message }) => message)).toEqual([ready]);
  await host.send(topic, { n: 2 });
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ n: 2 }]);
  expect(await stored(topic)).toBe(1);
});

test("trap 13: a client's arrival makes partitions from yesterday to three days ahead and drops those older than 72 hours", async () => {
  const day = (offset: number) =>
    new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10).replaceAll("-", "_");
  for (const offset of [-4, -3]) {
    const [from, to] = [day(offset), day(offset + 1)].map((name) => name.replaceAll("_", "-"));
    await host.sql.unsafe(
      `create table realtime.messages_${day(offset)} partition of realtime.messages
         for values from ('${from}') to ('${to}')`,
    );
  }
  const another = await host.another({ errorDelayMs: 0 });
  await wake(another);
  expect(await partitions()).toEqual(
    [-3, -1, 0, 1, 2, 3].map((offset) => `realtime.messages_${day(offset)}`),
  );
  const owners = await sql<{ owner: string }[]>`
    select distinct relowner::regrole::text as owner from pg_class join pg_inherits on inhrelid = oid
    where inhparent = 'realtime.messages'::regclass and relname >= ${`messages_${day(-1)}`}`;
  expect(owners).toEqual([{ owner: "supabase_realtime_admin" }]);
  await another.stop();
});

test("trap 15: what is committed after SUBSCRIBED but before replication streams is never delivered, and replication_ready tells when it does", async () => {
  const asleep = await host.another({ errorDelayMs: 0 });
  const owner = await person(asleep);
  const again = await person(asleep, { id: owner.id });
  const topic = `room:${owner.id}`;
  // A replication slot waits for every transaction that has written.
  const open = await host.sql.reserve();
  await open`begin`;
  await open`select pg_current_xact_id()`;

  const told = await listenTo(room(owner, owner.client, toldWhenReady));
  const untold = await listenTo(room(owner, again.client));
  expect([told.statuses, untold.statuses]).toEqual([["SUBSCRIBED"], ["SUBSCRIBED"]]);
  await host.send(topic, { n: 1 });
  expect(await stored(topic)).toBe(1);
  expect(told.system).toEqual([]);

  await open`commit`;
  open.release();
  await eventually(() => told.system.map(({ message }) => message)).toEqual([ready]);
  await host.send(topic, { n: 2 });
  await Promise.all([told.until(1), untold.until(1)]);
  expect([told.payloads(), untold.payloads()]).toMatchObject([[{ n: 2 }], [{ n: 2 }]]);
  expect(untold.system).toEqual([]);
  await leave(owner.client, again.client);
  await asleep.stop();
});

test("trap 8: a message that was stored while nobody was connected is not broadcast later, only replayed to who asks", async () => {
  const asleep: Served = await host.another({ errorDelayMs: 0 });
  const owner = await person(asleep);
  const topic = `room:${owner.id}`;
  await host.send(topic, { n: 1 });
  expect(await stored(topic)).toBe(1);

  const live = await listenTo(room(owner, owner.client, toldWhenReady));
  await eventually(() => live.system).toHaveLength(1);
  const again = await person(asleep, { id: owner.id });
  const replayed = await listenTo(room(owner, again.client, { replay: { since: 0 } }));
  await host.send(topic, { n: 2 });
  await Promise.all([live.until(1), replayed.until(2)]);
  expect(live.payloads()).toMatchObject([{ n: 2 }]);
  expect(replayed.payloads()).toMatchObject([{ n: 1 }, { n: 2 }]);
  await leave(owner.client, again.client);
  await asleep.stop();
});

test("trap 8: a caller without an insert policy loses the message with a warning, a security definer function does not", async () => {
  const owner = await guests.user();
  const topic = `room:${owner.id}`;
  const listener = await listenTo(room(owner));
  await sql.begin(async (transaction) => {
    await transaction`select set_config('request.jwt.claims', ${JSON.stringify({ sub: owner.id })}, true)`;
    await transaction`set local role authenticated`;
    await transaction`select public.send_as_caller(${topic}), public.send_as_owner(${topic})`;
  });
  expect(warnings).toEqual([
    'WarnSendingBroadcastMessage: new row violates row-level security policy for table "messages"',
  ]);
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ by: "owner" }]);
  expect(await stored(topic)).toBe(1);
});

test("trap 8: a payload that is no object, and one without a topic, are lost with a warning", async () => {
  const topic = "room:nobody";
  for (const payload of ['"text"', "[1]"]) {
    await sql`select realtime.send(${payload}::text::jsonb, 'told', ${topic})`;
  }
  await sql`select realtime.send('{}', 'told', null)`;
  expect(warnings).toHaveLength(3);
  expect(warnings.every((warning) => warning.startsWith("WarnSendingBroadcastMessage: "))).toBe(true);
  expect(await stored(topic)).toBe(0);
});

test("trap 8: a payload over 256 kB is stored and dropped with a log line, one of 100 kB arrives whole", async () => {
  const owner = await guests.user();
  const topic = `room:${owner.id}`;
  const listener = await listenTo(room(owner));
  const text = "å".repeat(50_000);
  await host.send(topic, { text: "x".repeat(257_000) });
  await host.send(topic, { text });
  await listener.until(1);
  expect(listener.heard).toHaveLength(1);
  expect(listener.payloads()[0]?.["text"]).toBe(text);
  expect(await stored(topic)).toBe(2);
  expect(host.logged.some((line) => /dropped: 257\d+ bytes are over 256500/.test(line))).toBe(true);
});

test("trap 9: a message is heard after its commit and not before, and in the order of commits", async () => {
  const owner = await guests.user();
  const listener = await listenTo(room(owner));
  const session = await host.sql.reserve();
  await session`begin`;
  await session`select realtime.send('{"n": 1}'::jsonb, 'told', ${`room:${owner.id}`}, true)`;
  await host.send(`room:${owner.id}`, { n: 2 });
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ n: 2 }]);

  await session`commit`;
  session.release();
  await listener.until(2);
  expect(listener.heard[1]).toMatchObject({ event: "told", payload: { n: 1 } });
});

test("trap 9: a rolled-back message is never heard", async () => {
  const owner = await guests.user();
  const listener = await listenTo(room(owner));
  const rolledBack = host.sql.begin(async (transaction) => {
    await transaction`select realtime.send('{"n": 1}'::jsonb, 'told', ${`room:${owner.id}`}, true)`;
    throw new Error("rolled back on purpose");
  });
  await expect(rolledBack).rejects.toThrow("rolled back on purpose");
  await host.send(`room:${owner.id}`, { n: 2 });
  await listener.until(1);
  expect(listener.payloads()).toMatchObject([{ n: 2 }]);
});

test("trap 18: realtime.topic() stays set for the rest of the transaction, also for other tables' policies", async () => {
  await host.sql.unsafe(`
    create table public.by_topic (id int primary key);
    alter table public.by_topic enable row level security;
    grant select on public.by_topic to authenticated;
    create policy "the topic's" on public.by_topic for select to authenticated
      using (realtime.topic() = 'left behind');
    insert into public.by_topic values (1);`);
  const [before, after, lost] = await sql.begin(async (transaction) => {
    await transaction`set local role authenticated`;
    const rows = () => transaction`select from public.by_topic`.then(({ length }) => length);
    const seen = [await rows()];
    await transaction`select public.send_as_owner('left behind')`;
    seen.push(await rows());
    // A send that fails puts back what was there before it.
    await transaction`select public.send_as_caller('another')`;
    return [...seen, await rows()];
  });
  expect([before, after, lost]).toEqual([0, 1, 1]);
  expect(await sql`select realtime.topic()`).toEqual([{ topic: null }]);
});
