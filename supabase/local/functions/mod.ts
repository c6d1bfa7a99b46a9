// /functions/v1: runs each folder of supabase/functions in a Deno process of its own, started at its first request.
//
// Like hosted: the function sees `/<name>/…`, gets request and headers as they came, and its own CORS is all there is;
// a worker is held to the limits of limits.ts. Not like hosted: one worker a function, however many requests there are.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Log } from "../log.ts";
import { findFunction, functionNames } from "./catalogue.ts";
import { forward, refuse } from "./forward.ts";
import { hostedLimits, type WorkerLimits } from "./limits.ts";
import { type FunctionProcess, startProcess } from "./process.ts";
import { watchCode } from "./watch.ts";

export { hostedLimits, type WorkerLimits, type WorkerPolicy } from "./limits.ts";

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
  /** What is not given is as on hosted. */
  limits?: Partial<WorkerLimits>;
  drainMs?: number;
  /** Called when a process started or ended. */
  onChange?: (pids: number[]) => void;
  log: Log;
}

const DRAIN_MS = 10_000;
const METHODS = new Set(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]); // hosted answers 405 to others

export function startFunctions(options: FunctionsOptions): FunctionsHost {
  const { directory, configFile, log } = options;
  const limits: WorkerLimits = { ...hostedLimits, ...options.limits };
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
      limits,
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
        await forward(incoming, outgoing, {
          port: await process.port,
          path: `/${name}${rest}`,
          firstResponseMs: limits.firstResponseMs,
          overrun: () => process.overrun(),
          log: (line) => log(`[${name}] ${line}`),
        });
      } catch (error) {
        log(`[${name}] did not start: ${error instanceof Error ? error.message : String(error)}`);
        refuse(outgoing, 503, "BOOT_ERROR", "Worker failed to boot (please check logs)");
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
