// What transfers run on: a local stack's gateway and Storage, a provider, and functions' processes to do them in.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { type FunctionsHost, startFunctions } from "../../../supabase/local/functions/mod.ts";
import { type Stack, startStack } from "../../../supabase/local/mod.ts";
import { temporaryFolder } from "../../temporary-folder.ts";
import type { Transferred } from "./functions/transfer.ts";
import { peakBytesOf } from "./peak.ts";
import { type Fault, type Provider, startProvider } from "./provider.ts";

const root = resolve(import.meta.dirname, "../../..");
const bucket = "generations";

/** A way to move a picture from the provider into the bucket: the functions under ./functions. */
export type Way = "persist" | "pipe";

export interface Transfers {
  /** Of the provider's picture of that size. */
  sha256Of(bytes: number): string;
  /** Moves a picture of that size, and checks what lies in the bucket. Answers the milliseconds it took there. */
  transfer(way: Way, bytes: number): Promise<number>;
  /** Persists what the provider serves, to that path; checks nothing and leaves what lies there. */
  attempt(path: string, bytes: number, fault?: Fault): Promise<Attempt>;
  /** The most memory, so far, of the process that does it that way. */
  peakBytes(way: Way): number;
  /** The next transfer that way is done by a fresh process. */
  renew(way: Way): Promise<void>;
  stop(): Promise<void>;
}

export interface Attempt {
  /** As the kernel was told; null if it was not. */
  recorded: unknown;
  /** SHA-256 of what lies in the bucket; null for nothing. */
  storedSha256: string | null;
}

export async function startTransfers(sizes: readonly number[]): Promise<Transfers> {
  const stopping: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const one of stopping.splice(0).reverse()) await one();
  };
  try {
    const folder = await temporaryFolder();
    stopping.push(() => folder.remove());
    const stack = await startStack({ dataDirectory: folder.path, port: 0, cron: false });
    stopping.push(() => stack.stop());
    const provider = await startProvider(sizes);
    stopping.push(() => provider.stop());
    const persist = await startHost(stack);
    stopping.push(persist.stop);
    const pipe = await startHost(stack);
    stopping.push(pipe.stop);
    return { ...transfersWith(stack, provider, { persist, pipe }), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Host {
  functions: FunctionsHost;
  url: string;
  stop(): Promise<void>;
}

/** As on hosted: the same limits, the same rights. One for each way, so that its process is known. */
async function startHost({ url, secretKey }: Stack): Promise<Host> {
  const functions = startFunctions({
    directory: join(import.meta.dirname, "functions"),
    configFile: join(import.meta.dirname, "functions/config.toml"),
    environment: { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey },
    denoDirectory: join(root, "supabase/.local/deno"),
    verifyToken: () => Promise.resolve(),
    log: (line) => {
      if (/killed|did not start|error/i.test(line)) console.error(line);
    },
  });
  const server = createServer((incoming, outgoing) => void functions.handle(incoming, outgoing));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    functions,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/functions/v1`,
    async stop() {
      await functions.stop();
      server.closeAllConnections();
      server.close();
    },
  };
}

function transfersWith(
  { url, secretKey }: Stack,
  provider: Provider,
  hosts: Record<Way, Host>,
): Omit<Transfers, "stop"> {
  const client = createClient(url, secretKey, { auth: { persistSession: false, autoRefreshToken: false } });
  const run = async (way: Way, path: string, address: string): Promise<Transferred> => {
    const response = await fetch(`${hosts[way].url}/${way}`, {
      method: "POST",
      headers: { authorization: "Bearer anyone's" },
      body: JSON.stringify({ url: address, path }),
    });
    if (!response.ok) throw new Error(`${way} answered ${response.status} ${await response.text()}`);
    return await response.json();
  };
  let transfers = 0;
  return {
    async transfer(way, bytes) {
      const path = `${way}/${++transfers}`;
      const { ms, result } = await run(way, path, provider.urlOf(bytes));
      const expected = { bytes, sha256: provider.sha256Of(bytes) };
      if (way === "persist") mustMatch("what was recorded", result, expected);
      mustMatch("what lies in the bucket", await look(client, path), { size: bytes });
      await client.storage.from(bucket).remove([path]);
      return ms;
    },
    async attempt(path, bytes, fault) {
      const { result } = await run("persist", path, provider.urlOf(bytes, fault));
      const { data } = await client.storage.from(bucket).download(path);
      const storedSha256 = data && createHash("sha256").update(await data.bytes()).digest("hex");
      return { recorded: result, storedSha256 };
    },
    peakBytes(way) {
      const [pid, ...more] = hosts[way].functions.pids();
      if (pid === undefined || more.length > 0) throw new Error(`${way} has not one process`);
      return peakBytesOf(pid);
    },
    sha256Of: provider.sha256Of,
    renew: (way) => hosts[way].functions.kill(way),
  };
}

async function look(client: SupabaseClient, path: string): Promise<unknown> {
  const { data, error } = await client.storage.from(bucket).info(path);
  if (error) throw error;
  return data;
}

function mustMatch(what: string, found: unknown, expected: Readonly<Record<string, unknown>>): void {
  const values: Readonly<Record<string, unknown>> = { ...(typeof found === "object" ? found : {}) };
  for (const [name, value] of Object.entries(expected)) {
    if (values[name] !== value) throw new Error(`${what}: ${name} is ${values[name]}, not ${value}`);
  }
}
