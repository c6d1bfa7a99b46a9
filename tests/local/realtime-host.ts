// A Realtime on a Postgres of its own, and the real client talking to it through a small HTTP server.

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient, type RealtimeChannel, type SupabaseClient } from "@supabase/supabase-js";
import { jwtVerify, SignJWT } from "jose";
import postgres, { type Sql } from "postgres";
import { expect } from "vitest";
import { preparePlatform, startCluster } from "../../supabase/local/postgres/mod.ts";
import { type Realtime, type RealtimeOptions, startRealtime } from "../../supabase/local/realtime/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";

export const publishableKey = "sb_publishable_test";
export const secretKey = "sb_secret_test";

export interface Served {
  url: string;
  stop(): Promise<void>;
}

export interface RealtimeHost extends Served {
  /** Superuser. */
  sql: Sql;
  adminUrl: string;
  logged: string[];
  /** A second Realtime on the same database, asleep until somebody connects. */
  another(options: ServiceOptions): Promise<Served>;
  /** As the superuser, in a transaction of its own. */
  send(topic: string, payload: object, isPrivate?: boolean): Promise<void>;
}

type ServiceOptions = Pick<RealtimeOptions, "errorDelayMs" | "limits" | "rateBucketMs">;

/** Room `room:<user id>` may be read by that user, `chat:…` may be read and written by every user. */
const policies = `
  create table public.members (id uuid primary key);
  grant select on public.members to authenticated;
  create policy "own room" on realtime.messages for select to authenticated
    using (realtime.topic() = 'room:' || auth.uid()::text);
  create policy "members read" on realtime.messages for select to authenticated
    using (realtime.topic() = 'club' and exists (select from public.members where id = auth.uid()));
  create policy "users read chats" on realtime.messages for select to authenticated
    using (realtime.topic() like 'chat:%');
  create policy "users write chats" on realtime.messages for insert to authenticated
    with check (realtime.topic() like 'chat:%');
  create table realtime.messages_2020_01_01 partition of realtime.messages
    for values from ('2020-01-01') to ('2020-01-02');
`;

const secret = new TextEncoder().encode("a secret of thirty-two characters");

export function token(userId: string, lifetimeSeconds = 3600): Promise<string> {
  return new SignJWT({ sub: userId, role: "authenticated" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime(Math.floor(Date.now() / 1000) + lifetimeSeconds)
    .sign(secret);
}

/** With `awake` a client was there already, and broadcasts from the database flow. */
export async function startHost({ awake = true } = {}): Promise<RealtimeHost> {
  await using started = new AsyncDisposableStack();
  const folder = await temporaryFolder();
  started.defer(() => folder.remove());
  const cluster = await startCluster({ dataDirectory: folder.path });
  started.defer(() => cluster.stop());
  await preparePlatform(cluster);
  const sql = postgres(cluster.adminUrl, { onnotice: () => {} });
  started.defer(() => sql.end());
  await sql.unsafe(policies);
  const logged: string[] = [];
  const main = await serve(cluster.adminUrl, { errorDelayMs: 0 }, logged);
  started.defer(main.stop);
  if (awake) await wake(main);
  const owned = started.move(); // from here on the caller stops it; a failure above has stopped what was started
  return {
    url: main.url,
    sql,
    adminUrl: cluster.adminUrl,
    logged,
    another: (options) => serve(cluster.adminUrl, options, logged),
    send: async (topic, payload, isPrivate = true) => {
      const json = JSON.stringify(payload);
      await sql`select realtime.send(${json}::text::jsonb, 'told', ${topic}, ${isPrivate})`;
    },
    stop: () => owned.disposeAsync(),
  };
}

/** Connects a client once, and waits until it is told that broadcasts from the database flow. */
export async function wake(host: Served): Promise<void> {
  const client = stranger(host);
  const config = { broadcast: { replication_ready: true } };
  await new Promise<void>((ready) =>
    client.channel("wake", { config })
      .on("system", {}, ({ message }) => message === "Replication connection established" && ready())
      .subscribe()
  );
  await leave(client);
}

async function serve(
  adminUrl: string,
  options: ServiceOptions,
  logged: string[],
): Promise<Served> {
  const realtime = await startRealtime({
    adminUrl,
    verifyToken: async (jwt) => (await jwtVerify(jwt, secret)).payload,
    apiKeys: { publishable: publishableKey, secret: secretKey },
    ...options,
    log: (line) => logged.push(line),
  });
  const server = await listen(realtime);
  const stop = async () => {
    await realtime.stop(); // first: the server's close waits for the sockets
    await server.close();
  };
  return { url: `http://127.0.0.1:${server.port}`, stop };
}

async function listen(realtime: Realtime): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = await realtime.handleHttp(
      new Request(`http://127.0.0.1${request.url}`, {
        method: request.method ?? "GET",
        headers: Object.entries(request.headers).map((
          [name, value],
        ): [string, string] => [name, String(value)]),
        body: chunks.length > 0 ? Buffer.concat(chunks) : null,
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  server.on("upgrade", realtime.handleUpgrade);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export interface Person {
  id: string;
  client: SupabaseClient;
  /** Another token for the same person; channels are told of it. */
  renew(): Promise<void>;
}

export interface PersonOptions {
  id?: string;
  key?: string;
  lifetimeSeconds?: number;
  vsn?: "1.0.0" | "2.0.0";
}

/** A signed-in user. */
export async function person(host: Served, options: PersonOptions = {}): Promise<Person> {
  const id = options.id ?? randomUUID();
  let current = await token(id, options.lifetimeSeconds);
  const client = createClient(host.url, options.key ?? publishableKey, {
    accessToken: () => Promise.resolve(current),
    realtime: { vsn: options.vsn ?? "2.0.0" },
  });
  const renew = async () => {
    current = await token(id, 7200);
    await client.realtime.setAuth();
  };
  return { id, client, renew };
}

/** Somebody with an API key and no token. */
export function stranger(host: Served, key = publishableKey): SupabaseClient {
  return createClient(host.url, key, { auth: { persistSession: false, autoRefreshToken: false } });
}

export interface Heard {
  event: string;
  payload: Record<string, unknown>;
  meta?: { id: string; replayed?: boolean };
}

export interface Listener {
  channel: RealtimeChannel;
  heard: Heard[];
  system: { extension: string; status: string; message: string }[];
  /** Each status subscribe() told, with its error's message. */
  statuses: string[];
  payloads(): Record<string, unknown>[];
  until(count: number): Promise<void>;
}

/** Listens to every broadcast of a channel; resolves when the server has answered the join. */
export async function listenTo(channel: RealtimeChannel): Promise<Listener> {
  const listener: Listener = {
    channel,
    heard: [],
    system: [],
    statuses: [],
    payloads: () => listener.heard.map(({ payload }) => payload),
    until: async (count) => {
      await eventually(() => listener.heard.length).toBeGreaterThanOrEqual(count);
    },
  };
  channel.on(
    "broadcast",
    { event: "*" },
    ({ event, payload, meta }) => listener.heard.push({ event, payload, meta }),
  );
  channel.on("system", {}, (message) => listener.system.push(message));
  channel.subscribe((status, error) =>
    listener.statuses.push(error ? `${status}: ${error.message}` : status)
  );
  await eventually(() => listener.statuses.length).toBeGreaterThan(0);
  return listener;
}

/** Waits for a condition: long where the machine is busy, no longer than needed where it is not. */
export function eventually<T>(read: () => T | Promise<T>) {
  return expect.poll(read, { timeout: 10_000, interval: 5 });
}

export async function leave(...clients: SupabaseClient[]): Promise<void> {
  for (const client of clients) {
    await client.removeAllChannels();
    await client.realtime.disconnect();
  }
}
