// The functions host by itself for tests: real Deno processes behind a plain HTTP server, and an address to call back.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import {
  type FunctionsHost,
  type FunctionsOptions,
  startFunctions,
} from "../../supabase/local/functions/mod.ts";

const smallProject = join(import.meta.dirname, "project/supabase");
const denoDirectory = resolve(import.meta.dirname, "../../supabase/.local/deno");

export interface RunningHost {
  host: FunctionsHost;
  /** Ends in /functions/v1. */
  url: string;
  lines: string[];
  /** The next line that holds `text`, or the first that already did. */
  line(text: string): Promise<string>;
}

async function serve(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Until the test is finished. Without `directory` it serves the small project's functions. */
export async function startHost(options: Partial<FunctionsOptions> = {}): Promise<RunningHost> {
  const lines: string[] = [];
  const waiting: { text: string; found: (line: string) => void }[] = [];
  const host = startFunctions({
    directory: join(smallProject, "functions"),
    configFile: join(smallProject, "config.toml"),
    environment: { GREETING: "moin" },
    denoDirectory,
    verifyToken: (token) => token === "good" ? Promise.resolve() : Promise.reject(new Error("bad")),
    log: (line) => {
      lines.push(line);
      for (const wait of waiting) if (line.includes(wait.text)) wait.found(line);
    },
    ...options,
  });
  onTestFinished(() => host.stop());
  const url = await serve(createServer((incoming, outgoing) => void host.handle(incoming, outgoing)));
  return {
    host,
    url: `${url}/functions/v1`,
    lines,
    line: (text) =>
      new Promise((found) => {
        const known = lines.find((line) => line.includes(text));
        if (known !== undefined) found(known);
        else waiting.push({ text, found });
      }),
  };
}

export interface Callbacks {
  url: string;
  /** The next call that no one has taken yet; the call waits until it is answered. */
  called(): Promise<() => void>;
  /** Of every call that came, in order. */
  paths: string[];
}

/** An address that a function calls back; each call waits until the test answers it. */
export async function callbacks(): Promise<Callbacks> {
  const paths: string[] = [];
  const calls: (() => void)[] = [];
  const waiting: ((answer: () => void) => void)[] = [];
  const url = await serve(createServer((incoming, outgoing) => {
    incoming.resume();
    paths.push(incoming.url ?? "");
    const answer = () => void outgoing.end("ok");
    const next = waiting.shift();
    if (next) next(answer);
    else calls.push(answer);
  }));
  return {
    url,
    paths,
    called: () => {
      const call = calls.shift();
      return call ? Promise.resolve(call) : new Promise((resolve) => waiting.push(resolve));
    },
  };
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // no such process
  }
}
