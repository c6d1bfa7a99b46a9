/** One run of the postgres program: its settings, its environment, and when it is ready. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { endServer, ownerFile } from "./orphan.ts";

const startDeadlineMs = 30_000;
const pollMs = 10;

export interface Launch {
  binaries: Binaries;
  pgdata: string;
  port: number;
  account: Account;
  durable: boolean;
  settings: Readonly<Record<string, string>>;
}

export async function launch(
  { binaries, pgdata, port, account, durable, settings }: Launch,
): Promise<{ ready: boolean; child: ChildProcess; log: string }> {
  const logFile = `${pgdata}.log`;
  const log = await open(logFile, "w", 0o600);
  const given = Object.entries({ ...preloaded, ...settings, ...serverSettings(port, durable) });
  const child = spawn(binaries.postgres, [
    "-D",
    pgdata,
    ...given.flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ], {
    ...account,
    cwd: "/",
    env: serverEnvironment(),
    stdio: ["ignore", log.fd, log.fd],
    detached: true, // Ctrl-C goes to the whole process group: we, not the terminal, decide when Postgres ends
  });
  try {
    await once(child, "spawn");
  } finally {
    await log.close();
  }
  await writeFile(ownerFile(pgdata), String(process.pid), { mode: 0o600 });
  const ready = await becomesReady(child, pgdata);
  return { ready, child, log: ready ? "" : await readFile(logFile, "utf8") };
}

/** The server writes its state into the last line of postmaster.pid: no connection attempts are needed. */
async function becomesReady(child: ChildProcess, pgdata: string): Promise<boolean> {
  const deadline = Date.now() + startDeadlineMs;
  while (child.exitCode === null && child.signalCode === null) {
    const lines = (await readFile(join(pgdata, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === "ready") return true;
    if (Date.now() > deadline) {
      await endServer(child.pid!);
      return false;
    }
    await delay(pollMs);
  }
  return false;
}

/** Hosted preloads it; without that its view only says so. */
const preloaded = { shared_preload_libraries: "pg_stat_statements" };

/** Not to be overruled: where the server listens above all. */
function serverSettings(port: number, durable: boolean): Record<string, string> {
  return {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    wal_level: "logical", // Realtime reads messages through a replication slot
    max_wal_senders: "20",
    max_replication_slots: "20",
    max_connections: "200",
    timezone: "UTC",
    log_timezone: "UTC",
    statement_timeout: "2min", // hosted's limit for every role that has none of its own
    ...(durable ? {} : { fsync: "off", full_page_writes: "off" }),
  };
}

/** Nothing of ours: PG* variables would redirect initdb, and secrets have no business in the server's environment. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}
