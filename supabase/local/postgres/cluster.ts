/** A Postgres server of our own: made at the first start, started again on the same data, stopped without a trace. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { accountFor } from "./account.ts";
import { type Binaries, type Major, provideBinaries } from "./binaries.ts";
import { startGuard } from "./guard.ts";
import { projectLocalDirectory, reachableHome } from "./home.ts";
import { ensureData } from "./initdb.ts";
import { endOrphan, endServer, ownerFile } from "./orphan.ts";
import { launch } from "./server.ts";

export interface ClusterOptions {
  /** Parent of PGDATA, kept between starts. See `resolveDataHome` for when another folder is taken. */
  dataDirectory: string;
  /** Default 17. */
  major?: Major;
  /** Default: a free one. */
  port?: number;
  /** Survive a power cut: fsync and full pages. Default false, which makes a local stack several times faster. */
  durable?: boolean;
  /** Default: npm's. Others must be of version `major`, where the account that runs Postgres can reach them. */
  binaries?: Binaries;
  /** Server settings besides our own, e.g. `shared_preload_libraries`. */
  settings?: Readonly<Record<string, string>>;
}

export interface Cluster {
  readonly port: number;
  readonly major: Major;
  /** Superuser supabase_admin, database postgres. */
  readonly adminUrl: string;
  /** Non-superuser postgres, database postgres: what migrations and applications use. */
  readonly databaseUrl: string;
  readonly pid: number;
  /** Where the data really is. */
  readonly pgdata: string;
  url(role: "supabase_admin" | "postgres" | "authenticator", database?: string): string;
  /** Fast shutdown, awaited. May be called twice. */
  stop(): Promise<void>;
}

const startTries = 5;

/** What another try can mend: our free port was taken meanwhile, or a killed server's last processes still end. */
const passingFaults =
  /Address already in use|pre-existing shared memory block|lock file "postmaster.pid" already exists/;

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const major = options.major ?? 17;
  const wanted = resolve(options.dataDirectory);
  const account = await accountFor(join(wanted, pgdataName(major)));
  const home = await reachableHome(wanted, account);
  const binaries = options.binaries ??
    await provideBinaries(major, await reachableHome(projectLocalDirectory, account));
  const pgdata = join(home, pgdataName(major));
  await ensureData(binaries, pgdata, account);
  await endOrphan(pgdata);

  for (let tries = 1;; tries++) {
    const port = options.port ?? await freePort();
    const server = await launch({
      binaries,
      pgdata,
      port,
      account,
      durable: options.durable ?? false,
      settings: options.settings ?? {},
    });
    if (server.ready) {
      return describe({
        child: server.child,
        guard: startGuard(server.child.pid!, pgdata, account),
        port,
        major,
        pgdata,
      });
    }
    const passing = passingFaults.test(server.log) && !(options.port && /Address already/.test(server.log));
    if (!passing || tries === startTries) {
      throw new Error(`Postgres did not start on port ${port} with ${pgdata}:\n${server.log.trim()}`);
    }
    await delay(100 * tries);
  }
}

function pgdataName(major: Major): string {
  return `postgres-${major}`;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("No free port on 127.0.0.1.");
  return address.port;
}

interface Started {
  child: ChildProcess;
  guard: ChildProcess;
  port: number;
  major: Major;
  pgdata: string;
}

function describe({ child, guard, port, major, pgdata }: Started): Cluster {
  const pid = child.pid!;
  const url: Cluster["url"] = (role, database = "postgres") =>
    `postgres://${role}@127.0.0.1:${port}/${database}`;
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.ref();
      await Promise.all([once(child, "exit"), endServer(pid)]);
    }
    await rm(ownerFile(pgdata), { force: true });
  };
  child.once("exit", () => guard.kill("SIGKILL")); // it must not outlive the process id that it would signal
  child.unref(); // a forgotten cluster must not keep its owner alive
  return {
    port,
    major,
    pid,
    pgdata,
    adminUrl: url("supabase_admin"),
    databaseUrl: url("postgres"),
    url,
    stop: () => stopping ??= stop(),
  };
}
