// What travels: the two wire formats, ids, whole rows, replays, and the changes of tables that nobody tells.

import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { guestsOf, room } from "../local/realtime-guests.ts";
import { eventually, listenTo, type RealtimeHost, startHost } from "../local/realtime-host.ts";
import { type BareSocket, openSocket } from "../local/realtime-socket.ts";

let host: RealtimeHost;
const guests = guestsOf(() => host);

vi.setConfig({ testTimeout: 30_000 });

beforeAll(async () => {
  host = await startHost();
}, 60_000);

afterAll(() => host?.stop());

afterEach(() => guests.leave());

async function joined(topic: string, vsn: string, config: object = {}): Promise<BareSocket> {
  const socket = await openSocket(host, { vsn });
  const payload = { config };
  socket.send(
    vsn === "1.0.0"
      ? { join_ref: "1", ref: "1", topic, event: "phx_join", payload }
      : ["1", "1", topic, "phx_join", payload],
  );
  await eventually(() => socket.texts).toHaveLength(1);
  return socket;
}

/** A client's broadcast as the real client sends it on 2.0.0: kind 3, the fields' lengths, the fields, the body. */
function kind3(topic: string, event: string, encoding: "raw" | "json", body: Buffer): Buffer {
  const fields = ["1", "2", topic, event, ""].map((field) => Buffer.from(field));
  const lengths = fields.map((field) => field.length);
  return Buffer.concat([Buffer.from([3, ...lengths, encoding === "json" ? 1 : 0]), ...fields, body]);
}

function kind4(topic: string, event: string, encoding: "raw" | "json", body: Buffer): Buffer {
  const fields = [topic, event, ""].map((field) => Buffer.from(field));
  const lengths = fields.map((field) => field.length);
  return Buffer.concat([Buffer.from([4, ...lengths, encoding === "json" ? 1 : 0]), ...fields, body]);
}

test("trap 7: a binary broadcast is understood, and reaches 2.0.0 as binary and 1.0.0 as JSON", async () => {
  const topic = "realtime:wire";
  const config = { broadcast: { ack: true } };
  const [sender, current, old] = [
    await joined(topic, "2.0.0", config),
    await joined(topic, "2.0.0"),
    await joined(topic, "1.0.0"),
  ];
  const [bytes, json] = [Buffer.from([0, 255, 3]), Buffer.from('{"text":"héllo"}')];
  // Raw bytes first: that 1.0.0 has not got them is known once it has the second.
  sender.send(kind3(topic, "bytes", "raw", bytes));
  sender.send(kind3(topic, "said", "json", json));
  await eventually(() => sender.texts).toHaveLength(3);
  expect(sender.texts.at(-1)).toEqual(["1", "2", topic, "phx_reply", { status: "ok", response: {} }]);
  await eventually(() => current.binaries).toEqual([
    kind4(topic, "bytes", "raw", bytes),
    kind4(topic, "said", "json", json),
  ]);
  await eventually(() => old.texts.slice(1)).toEqual([{
    topic,
    event: "broadcast",
    payload: { type: "broadcast", event: "said", payload: { text: "héllo" } },
    ref: null,
    join_ref: null,
  }]);
  expect(sender.binaries).toEqual([]);
  for (const socket of [sender, current, old]) socket.close();
});

test("trap 7: clients on 1.0.0 and 2.0.0 hear each other and the database", async () => {
  const topic = `chat:${randomUUID()}`;
  const config = { private: true, broadcast: { ack: true } };
  const people = [await guests.user(), await guests.user(), await guests.user({ vsn: "1.0.0" })];
  const listeners = [];
  for (const { client } of people) listeners.push(await listenTo(client.channel(topic, { config })));
  for (const [n, { channel }] of listeners.entries()) {
    expect(await channel.send({ type: "broadcast", event: "said", payload: { n } })).toBe("ok");
  }
  await host.send(topic, { n: "database" });
  for (const [self, listener] of listeners.entries()) {
    await listener.until(3);
    expect(listener.payloads().map(({ n }) => n)).toEqual([0, 1, 2, "database"].filter((n) => n !== self));
    expect(listener.heard.at(-1)).toMatchObject({
      event: "told",
      meta: { id: listener.payloads()[2]?.["id"] },
    });
  }
});

test("trap 12: payload.id is the message's, not the row's, and not even that where the payload had one", async () => {
  const owner = await guests.user();
  const topic = `room:${owner.id}`;
  const listener = await listenTo(room(owner));
  await host.send(topic, { n: 1 });
  await host.send(topic, { id: "mine", n: 2 });
  await listener.until(2);
  const [added, kept] = listener.heard;
  const ids = await host.sql<{ id: string }[]>`
    select id::text from realtime.messages where topic = ${topic} order by inserted_at`;
  expect([added?.meta?.id, kept?.meta?.id]).toEqual(ids.map(({ id }) => id));
  expect(added?.payload["id"]).toBe(added?.meta?.id);
  expect(kept?.payload["id"]).toBe("mine");
});

test("trap 12: broadcast_changes tells whole rows to readers who may not select them, and only on the private topic", async () => {
  const reader = await guests.user();
  const topic = `room:${reader.id}`;
  await host.sql.unsafe(`
    create table public.notes (id int primary key, topic text, secret text);
    alter table public.notes enable row level security;
    create function public.tell_notes() returns trigger language plpgsql security definer set search_path = ''
    as $$ begin
      perform realtime.broadcast_changes(coalesce(new.topic, old.topic), tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
      return null;
    end $$;
    create trigger tell after insert or update or delete on public.notes
      for each row execute function public.tell_notes();`);
  const listener = await listenTo(room(reader));
  const inPublic = await listenTo(guests.outsider().channel(topic));
  await host.sql`insert into public.notes values (7, ${topic}, 'first')`;
  await host.sql`update public.notes set secret = 'second'`;
  await host.sql`delete from public.notes`;
  await host.send(topic, { n: "public" }, false);
  await Promise.all([listener.until(3), inPublic.until(1)]);

  const [first, second] = ["first", "second"].map((secret) => ({ id: 7, topic, secret }));
  const table = { schema: "public", table: "notes" };
  expect(listener.payloads()).toEqual([
    { ...table, id: expect.any(String), operation: "INSERT", record: first, old_record: null },
    { ...table, id: expect.any(String), operation: "UPDATE", record: second, old_record: first },
    { ...table, id: expect.any(String), operation: "DELETE", record: null, old_record: second },
  ]);
  expect(listener.heard.map(({ event }) => event)).toEqual(["INSERT", "UPDATE", "DELETE"]);
  expect(inPublic.payloads()).toMatchObject([{ n: "public" }]);
});

test("trap 12: what broadcast_changes itself refuses undoes the transaction, unlike a lost message", async () => {
  await host.sql.unsafe(`
    create table public.counted (id int);
    create function public.tell_counted() returns trigger language plpgsql set search_path = ''
    as $$ begin
      perform realtime.broadcast_changes('counted', tg_op, tg_op, tg_table_name, tg_table_schema, new, old, tg_level);
      return null;
    end $$;
    create trigger tell after insert on public.counted for each statement execute function public.tell_counted();`);
  await expect(host.sql`insert into public.counted values (1)`).rejects.toThrow(
    "Failed to process the row: function can only be triggered for each row, not for each statement",
  );
  expect(await host.sql`select from public.counted`).toHaveLength(0);
});

test("trap 13: a replay has the newest 25 messages of the database at most, oldest first, and no client's", async () => {
  const topic = `chat:${randomUUID()}`;
  const [speaker, late] = [await guests.user(), await guests.user()];
  const config = { private: true, broadcast: { ack: true } };
  const first = await listenTo(speaker.client.channel(topic, { config }));
  expect(await first.channel.send({ type: "broadcast", event: "said", payload: { n: "client" } })).toBe("ok");
  for (let n = 0; n < 27; n++) await host.send(topic, { n });
  await first.until(27); // none is left that could come live

  const listener = await listenTo(
    late.client.channel(topic, {
      config: { private: true, broadcast: { replay: { since: Date.now() - 60_000, limit: 100 } } },
    }),
  );
  await host.send(topic, { n: 27 });
  await listener.until(26);
  expect(listener.payloads().map(({ n }) => n)).toEqual(Array.from({ length: 26 }, (_, at) => at + 2));
  expect(listener.heard.map(({ meta }) => meta?.replayed ?? false)).toEqual(
    [...Array.from({ length: 25 }, () => true), false],
  );
  expect(await host.sql`select from realtime.messages where topic = ${topic}`).toHaveLength(28);
});

test("trap 13: a replay on a public channel is refused", async () => {
  const socket = await joined("realtime:open", "2.0.0", { broadcast: { replay: { since: 0 } } });
  expect(socket.texts).toEqual([["1", "1", "realtime:open", "phx_reply", {
    status: "error",
    response: { reason: "UnableToReplayMessages: Replay is not allowed for public channels" },
  }]]);
  socket.close();
});

test("trap 16: after a rejoin with replay a message comes twice, with one meta.id", async () => {
  const owner = await guests.user();
  const replay = { since: Date.now() - 60_000 };
  const first = await listenTo(room(owner, owner.client, { replay }));
  await host.send(`room:${owner.id}`, { n: 1 });
  await first.until(1);
  await owner.client.removeChannel(first.channel);
  const second = await listenTo(room(owner, owner.client, { replay }));
  await host.send(`room:${owner.id}`, { n: 2 });
  await second.until(2);
  const [live, again] = [first.heard[0], second.heard[0]];
  expect([live?.payload["n"], again?.payload["n"]]).toEqual([1, 1]);
  expect([live?.meta?.replayed, again?.meta?.replayed]).toEqual([undefined, true]);
  expect(again?.meta?.id).toBe(live?.meta?.id);
  expect(second.payloads().map(({ n }) => n)).toEqual([1, 2]);
});

test("trap 19: who asks for the changes of a table outside the publication is let in, and told later that there are none", async () => {
  await host.sql.unsafe(`
    create table public.published (id int primary key);
    alter publication supabase_realtime add table public.published;`);
  const ask = async (table: string, filter?: string) => {
    const channel = guests.outsider().channel(`changes of ${table}`);
    channel.on("postgres_changes", { event: "INSERT", schema: "public", table, filter }, () => {});
    const listener = await listenTo(channel);
    await eventually(() => listener.system).toHaveLength(1);
    expect(listener.statuses).toEqual(["SUBSCRIBED"]);
    return listener.system[0];
  };
  const parameters = "event: INSERT, schema: public, table: members";
  for (const [filter, printed] of [[undefined, "[]"], ["id=eq.5", '[{"id", "eq", "5", false}]']] as const) {
    expect(await ask("members", filter)).toMatchObject({
      extension: "postgres_changes",
      status: "error",
      message:
        "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the " +
        `given connect parameters: [${parameters}, filters: ${printed}, select: nil]`,
    });
  }
  // Hosted would tell of this one; the local stack says that it does not.
  expect(await ask("published")).toMatchObject({
    status: "error",
    message: expect.stringMatching(/^The local stack offers no postgres_changes/),
  });
});
