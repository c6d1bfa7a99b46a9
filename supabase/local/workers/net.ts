/**
 * pg_net's worker: sends the requests that SQL has queued, after their transaction has committed, and stores
 * the answers. As on hosted: up to 200 at a time, all at once, in no order, never a second time because of an
 * answer; a batch that is interrupted rolls back and is sent again by the next worker. After a full
 * batch it rests for a second.
 */
import postgres from "postgres";
import type { Log } from "../log.ts";
import { type HttpResponse, type QueuedRequest, sendRequest } from "./http.ts";

export interface NetWorker {
  /** Abandons what is on its way, closes all connections. */
  stop(): Promise<void>;
  /** Resolves once nothing that has been committed is waiting or on its way. */
  idle(): Promise<void>;
}

const channel = "pg_net";
const batchSize = 200;
const pauseAfterFullBatchMs = 1_000;
const responseTtl = "6 hours";

export async function startNetWorker(options: { adminUrl: string; log?: Log }): Promise<NetWorker> {
  const log = options.log ?? (() => {});
  const sql = postgres(options.adminUrl, { max: 1, onnotice: () => {} });
  const stopping = new AbortController();
  let work = Promise.resolve();

  /** Batches never overlap: each call queues behind the last. */
  const drain = () =>
    work = work.then(() => sendAll(sql, stopping.signal)).catch((error: unknown) => {
      if (!stopping.signal.aborted) log(`pg_net: ${String(error)}`);
    });

  // Also called after each reconnect: whatever was committed meanwhile is found in the queue.
  await sql.listen(channel, drain, drain);
  return {
    async idle() {
      await drain();
    },
    async stop() {
      stopping.abort();
      await work;
      await sql.end();
    },
  };
}

async function sendAll(sql: postgres.Sql, stopped: AbortSignal): Promise<void> {
  // The extension comes with a migration; before that there is nothing to send.
  const [{ installed }] = await sql<[{ installed: boolean }]>`
    select to_regclass('net.http_request_queue') is not null as installed`;
  if (!installed) return;
  while (!stopped.aborted && await sendBatch(sql, stopped) === batchSize) {
    await pause(pauseAfterFullBatchMs, stopped);
  }
}

/** One transaction around all of it, like the original: the queue's rows are gone only when the answers are in. */
function sendBatch(sql: postgres.Sql, stopped: AbortSignal): Promise<number> {
  return sql.begin(async (transaction) => {
    await transaction`
      delete from net._http_response where ctid in (
        select ctid from net._http_response where created < now() - ${responseTtl}::interval limit ${batchSize}
      )`;
    const requests = await transaction<QueuedRequest[]>`
      delete from net.http_request_queue where id in (
        select id from net.http_request_queue order by id limit ${batchSize}
      )
      returning id, method, url, headers, body, timeout_milliseconds as "timeoutMs"`;
    if (requests.length === 0) return 0;
    const responses = await Promise.all(shuffled(requests).map((request) => sendRequest(request, stopped)));
    stopped.throwIfAborted();
    await transaction`insert into net._http_response ${transaction(responses.map(row))}`;
    return requests.length;
  });
}

function row(response: HttpResponse): Record<string, postgres.SerializableParameter | postgres.JSONValue> {
  return {
    id: response.id,
    status_code: response.statusCode,
    content_type: response.contentType,
    headers: response.headers,
    content: response.content,
    timed_out: response.timedOut,
    error_msg: response.error,
  };
}

/** Hosted promises no order within a batch; here nothing can come to rely on one. */
function shuffled<T>(items: readonly T[]): T[] {
  return items.map((item) => ({ item, place: Math.random() })).sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function pause(ms: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stopped.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
