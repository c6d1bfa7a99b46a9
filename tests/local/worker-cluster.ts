// A Postgres with pg_net and pg_cron and nothing that works for them yet, and a web server for the requests.

import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import postgres from "postgres";
import { expect, vi } from "vitest";
import { type Cluster, migrate, preparePlatform, startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const migration = `
  create extension pg_cron with schema pg_catalog;
  create extension pg_net;
  create table public.log (step text, by text default current_user);
  create procedure public.tick() language plpgsql as $$
  begin insert into log values ('first'); commit; insert into log values ('second'); perform 1 / 0; end $$;`;

export interface WorkerCluster {
  cluster: Cluster;
  dataDirectory: string;
  /** As `postgres`. */
  sql: postgres.Sql;
  stop(): Promise<void>;
}

export async function startWorkerCluster(): Promise<WorkerCluster> {
  const folder = await temporaryFolder();
  const dataDirectory = join(folder.path, "data");
  await writeFile(join(folder.path, "20260101000000_jobs.sql"), migration);
  const cluster = await startCluster({ dataDirectory });
  await preparePlatform(cluster);
  await migrate(cluster, { directory: folder.path });
  const sql = postgres(cluster.databaseUrl, { max: 3, onnotice: () => {} });
  return {
    cluster,
    dataDirectory,
    sql,
    async stop() {
      await sql.end();
      await cluster.stop();
      await folder.remove();
    },
  };
}

export async function expectNoOtherSession(sql: postgres.Sql): Promise<void> {
  // A backend ends a moment after its client has hung up.
  await vi.waitFor(async () => {
    const others = await sql`
      select usename, query from pg_stat_activity
      where backend_type = 'client backend' and (usename <> 'postgres' or application_name = 'pg_cron')`;
    expect(others).toEqual([]);
  });
}

/**
 * `/silent` never answers, `/held` when `release` is called, `/fails` says 500, `/moved` sends on to `/landed`;
 * anything else gets its own body back.
 */
export interface WebServer {
  url: string;
  /** `GET /path`, in the order of arrival. */
  received: string[];
  answered(): number;
  release(): void;
  stop(): void;
}

export async function startWebServer(): Promise<WebServer> {
  const received: string[] = [];
  const held: ServerResponse[] = [];
  let answered = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    received.push(`${request.method} ${request.url}`);
    const body = Buffer.concat(await request.toArray());
    response.on("finish", () => answered += 1);
    if (request.url === "/silent") return;
    if (request.url === "/held") return void held.push(response);
    if (request.url === "/moved") return void response.writeHead(302, { location: "/landed" }).end();
    response.writeHead(request.url === "/fails" ? 500 : 200, { "content-type": "application/json" }).end(
      body,
    );
  };
  const server: Server = createServer((request, response) => void answer(request, response));
  server.listen({ port: 0, host: "127.0.0.1", backlog: 500 });
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answered: () => answered,
    release: () => held.splice(0).forEach((response) => response.end()),
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
