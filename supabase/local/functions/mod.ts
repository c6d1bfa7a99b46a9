// /functions/v1: runs each folder of supabase/functions in a Deno process of its own, started at its first request.
//
// Like hosted: the function sees `/<name>/…`, gets request and headers as they came, and its own CORS is all there is;
// a worker lives for a wall clock, the first answer must come within a limit. Not like hosted: no CPU and memory limits.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Log } from "../log.ts";
import { findFunction, functionNames } from "./catalogue.ts";
import { forward, refuse } from "./forward.ts";
import { type FunctionProcess, startProcess } from "./process.ts";
import { watchCode } from "./watch.ts";

export interface FunctionsHost {
  names(): string[];
  /** Pids of the processes that live now. */
  pids(): number[];
  /** For paths that start with /functions/v1/. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void>;
  /** Every request answers 503 until startAll. Background work may finish within the drain time. */
  stopAll(): Promise<void>;
  startAll(): void;
  /** SIGKILL, awaited; the next request starts it anew. */
  kill(name: string): Promise<void>;
  stop(): Promise<void>;
}

export interface FunctionsOptions {
  /** supabase/functions, or another folder of the same shape. */
  directory: string;
  /** supabase/config.toml; null: every function has `verify_jwt = true`, hosted's default. */
  configFile: string | null;
  environment: Record<string, string>;
  /** Deno's cache of transpiled code. */
  denoDirectory: string;
  /** Throws for a token that is not of this project. For functions with verify_jwt. */
  verifyToken: (token: string) => Promise<unknown>;
  /** Folders of code that functions share: with this set, changed code is taken up at the next request. */
  watch?: string[] | null;
  wallClockMs?: number;
  firstResponseMs?: number;
  drainMs?: number;
  /** Called when a process started or ended. */
  onChange?: (pids: number[]) => void;
  log: Log;
}

const WALL_CLOCK_MS = 400_000; // hosted, paid plans
const FIRST_RESPONSE_MS = 150_000; // hosted
const DRAIN_MS = 10_000;
const METHODS = new Set(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]); // hosted answers 405 to others

export function startFunctions(options: FunctionsOptions): FunctionsHost {
  const { directory, configFile, log } = options;
  const current = new Map<string, FunctionProcess>();
  const living = new Set<FunctionProcess>();
  let stopped = false;
  const pids = () => [...living].map((process) => process.pid);

  const processOf = (entry: NonNullable<ReturnType<typeof findFunction>>): FunctionProcess => {
    const known = current.get(entry.name);
    if (known?.usable) return known;
    const process = startProcess({
      entry,
      environment: options.environment,
      denoDirectory: options.denoDirectory,
      wallClockMs: options.wallClockMs ?? WALL_CLOCK_MS,
      log,
    });
    current.set(entry.name, process);
    living.add(process);
    options.onChange?.(pids());
    void process.ended.then(() => {
      living.delete(process);
      if (current.get(entry.name) === process) current.delete(entry.name);
      options.onChange?.(pids());
    });
    return process;
  };

  const watcher = options.watch
    ? watchCode(directory, options.watch, (name) => {
      log(`functions: ${name ?? "shared code"} changed`);
      if (name === null) { for (const process of current.values()) process.retire(); }
      else current.get(name)?.retire();
    })
    : null;

  const stopAll = async () => {
    stopped = true;
    await Promise.all([...living].map((process) => process.stop(options.drainMs ?? DRAIN_MS)));
  };

  return {
    names: () => functionNames(directory),
    pids,
    async handle(incoming, outgoing) {
      const [, name = "", rest = ""] = incoming.url?.match(/^\/functions\/v1\/([^/?]+)(.*)$/) ?? [];
      const entry = findFunction(directory, configFile, name);
      if (stopped) return refuse(outgoing, 503, "BOOT_ERROR", "The functions are stopped");
      if (!entry) return refuse(outgoing, 404, "NOT_FOUND", "Requested function was not found");
      if (!METHODS.has(incoming.method ?? "")) {
        return refuse(outgoing, 405, "METHOD_NOT_ALLOWED", "Method not allowed");
      }
      if (
        entry.verifyJwt && incoming.method !== "OPTIONS" && !await hasToken(incoming, options.verifyToken)
      ) {
        return refuse(
          outgoing,
          401,
          "UNAUTHORIZED",
          "Missing or invalid JWT: this function has verify_jwt = true",
        );
      }
      const process = processOf(entry);
      const leave = process.enter();
      try {
        const port = await process.port;
        const firstResponseMs = options.firstResponseMs ?? FIRST_RESPONSE_MS;
        await forward(incoming, outgoing, { port, path: `/${name}${rest}`, firstResponseMs });
      } catch (error) {
        log(`[${name}] did not start: ${error instanceof Error ? error.message : String(error)}`);
        refuse(outgoing, 503, "BOOT_ERROR", "Function failed to start (please check logs)");
      } finally {
        leave();
      }
    },
    stopAll,
    startAll() {
      stopped = false;
    },
    async kill(name) {
      await current.get(name)?.kill();
    },
    async stop() {
      watcher?.stop();
      await stopAll();
    },
  };
}

async function hasToken(
  incoming: IncomingMessage,
  verify: (token: string) => Promise<unknown>,
): Promise<boolean> {
  const token = incoming.headers.authorization?.match(/^Bearer\s+(\S+)$/i)?.[1];
  return token !== undefined && await verify(token).then(() => true, () => false);
}
