// `/_status`, which readiness checks read, and `/status`, the page for whoever looks. Never the secret key.

import { readFileSync } from "node:fs";
import postgres from "postgres";
import type { StackInfo } from "../state.ts";
import { statusPage } from "./status-page.ts";

export interface Status {
  ready: boolean;
  pid: number;
  url: string;
  publishableKey: string;
  databaseUrl: string;
  provider: { name: string; url: string | null };
  functions: string[];
  services: Record<string, boolean>;
  versions: Record<string, string>;
}

export interface StatusOptions {
  info: StackInfo;
  functionNames: () => string[];
}

export function createStatus({ info, functionNames }: StatusOptions) {
  const sql = postgres(info.adminUrl, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: "status" },
  });
  const packages = { node: process.versions.node, ...pinned("deno", "@supabase/lite") };
  const read = async (): Promise<Status> => {
    const [row] = await sql<{ server_version: string }[]>`show server_version`.catch(() => []);
    const database = row !== undefined;
    return {
      ready: database,
      pid: process.pid,
      url: info.url,
      publishableKey: info.publishableKey,
      databaseUrl: info.databaseUrl,
      provider: { name: info.wavespeedUrl ? "stand-in" : "WaveSpeed", url: info.wavespeedUrl },
      functions: functionNames(),
      // All but the database live in this process: when this answers, they do.
      services: { database, rest: true, auth: true, storage: true, realtime: true, functions: true },
      versions: { postgres: row?.server_version.split(" ")[0] ?? "unknown", ...packages },
    };
  };
  return {
    async handle(request: Request): Promise<Response> {
      const { pathname } = new URL(request.url);
      if (pathname === "/_status") {
        const status = await read();
        return Response.json(status, { status: status.ready ? 200 : 503 });
      }
      return new Response(statusPage(await read()), {
        headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
      });
    },
    stop: () => sql.end({ timeout: 1 }),
  };
}

/** The project pins exact versions, so its own list says which are installed. */
function pinned(...names: string[]): Record<string, string> {
  const file = new URL("../../../package.json", import.meta.url);
  const { devDependencies } = JSON.parse(readFileSync(file, "utf8")) as {
    devDependencies: Record<string, string>;
  };
  return Object.fromEntries(names.map((name) => [name, devDependencies[name] ?? "unknown"]));
}
