// Starts everything and stops it again in the other order. See mod.ts for what a stack is.

import { join, resolve } from "node:path";
import { type Closing, createClosing } from "./closing.ts";
import { seed, setVaultSecrets } from "./database.ts";
import { functionsEnvironment } from "./environment.ts";
import { startFakeWavespeed } from "./fake-wavespeed/mod.ts";
import { startFunctions, type WorkerLimits } from "./functions/mod.ts";
import {
  createCallers,
  createTokens,
  openGateway,
  startAuth,
  startRest,
  startStorage,
} from "./gateway/mod.ts";
import { createStatus } from "./gateway/status.ts";
import { loadKeys } from "./keys.ts";
import { type Log, silent } from "./log.ts";
import { type Cluster, migrate, preparePlatform, startCluster } from "./postgres/mod.ts";
import { createPlayground } from "./playground/serve.ts";
import { startRealtime } from "./realtime/mod.ts";
import { claim, type StackInfo } from "./state.ts";
import { startCronWorker, startNetWorker } from "./workers/mod.ts";

export interface StackOptions {
  /** Kept between starts: supabase/.local, or a temporary folder. */
  dataDirectory: string;
  /** Of the gateway. Default 54321; if it is taken the next free one, which the log says. 0: any free one. */
  port?: number;
  /** More or other environment for the functions. With WAVESPEED_API_KEY no stand-in is started. */
  env?: Record<string, string>;
  log?: Log;
  /** Default true: pg_cron's jobs run. They can be run by hand either way. */
  cron?: boolean;
  /** Default false. True: the database survives a power cut (fsync), and everything is several times slower. */
  durable?: boolean;
  /** What a function's worker may use. What is not given is as on a hosted project of a paid plan. */
  workerLimits?: Partial<WorkerLimits>;
  /** Default false: changed code in supabase/functions and shared is taken up at the next request. */
  reloadFunctions?: boolean;
  /** Another project folder than this repository's: for tests of the stack itself. */
  supabaseDirectory?: string;
}

export interface Stack extends StackInfo {
  readonly functions: { stopAll(): Promise<void>; startAll(): void; kill(name: string): Promise<void> };
  readonly cron: { pause(): void; resume(): void; runNow(jobName: string): Promise<void> };
  /** Ends every process and connection; may be called twice. */
  stop(): Promise<void>;
}

export const projectDirectory = resolve(import.meta.dirname, "../..");
const DEFAULT_PORT = 54321;
const FUNCTIONS_DRAIN_MS = 5000;

export async function startStack(options: StackOptions): Promise<Stack> {
  const closing = createClosing();
  try {
    const started = await start({ ...options, dataDirectory: resolve(options.dataDirectory) }, closing);
    return { ...started, stop: () => closing.close() };
  } catch (error) {
    await closing.close();
    throw error;
  }
}

async function start(options: StackOptions, closing: Closing): Promise<Omit<Stack, "stop">> {
  const { dataDirectory } = options;
  const log = options.log ?? silent;
  const supabaseDirectory = options.supabaseDirectory ?? join(projectDirectory, "supabase");
  const state = await claim(dataDirectory, log);
  closing.add("state", () => state.remove());
  const keys = await loadKeys(dataDirectory);

  const [cluster, gateway, provider] = await together([
    startDatabase(options, supabaseDirectory, closing),
    closing.keep(
      "gateway",
      openGateway({
        port: options.port ?? DEFAULT_PORT,
        accessLogFile: join(dataDirectory, "gateway.log"),
        log,
      }),
    ),
    options.env?.WAVESPEED_API_KEY ? null : closing.keep(
      "provider",
      startFakeWavespeed({ apiKey: keys.providerApiKey, webhookSecret: keys.providerWebhookSecret, log }),
    ),
  ]);
  const { url } = gateway;
  const { adminUrl, databaseUrl } = cluster;
  await setVaultSecrets(adminUrl, {
    genflow_functions_url: `${url}/functions/v1`,
    genflow_sweep_secret: keys.sweepSecret,
  });

  const tokens = await createTokens({ signingKey: keys.signingKey, issuer: `${url}/auth/v1` });
  const callers = createCallers({ ...keys, tokens });
  const apiKeys = { publishable: keys.publishableKey, secret: keys.secretKey };
  const shared = { adminUrl, callers, log };
  const files = { directory: join(dataDirectory, "storage"), secret: keys.storageSecret };
  const [rest, auth, storage, realtime, cron] = await together([
    closing.keep("services", startRest(shared)),
    closing.keep("services", startAuth({ ...shared, tokens })),
    closing.keep("services", startStorage({ ...shared, ...files })),
    closing.keep("gateway", startRealtime({ adminUrl, verifyToken: tokens.verify, apiKeys, log })),
    closing.keep("jobs", startCronWorker({ adminUrl, log })),
    closing.keep("jobs", startNetWorker({ adminUrl, log })),
  ]);
  if (options.cron === false) cron.pause();
  const functions = startFunctions({
    directory: join(supabaseDirectory, "functions"),
    configFile: join(supabaseDirectory, "config.toml"),
    environment: functionsEnvironment({
      url,
      databaseUrl,
      keys,
      jwks: tokens.jwks,
      provider,
      extra: options.env ?? {},
      log,
    }),
    denoDirectory: join(projectDirectory, "supabase/.local/deno"),
    verifyToken: tokens.verify,
    watch: options.reloadFunctions ? [join(supabaseDirectory, "../shared")] : null,
    limits: options.workerLimits ?? {},
    drainMs: FUNCTIONS_DRAIN_MS,
    onChange: (pids) => void state.children(pids),
    log,
  });
  closing.add("functions", () => functions.stop());

  const { publishableKey, secretKey } = keys;
  const wavespeedUrl = provider?.url ?? null;
  const info = { url, publishableKey, secretKey, databaseUrl, adminUrl, wavespeedUrl };
  const status = await closing.keep(
    "services",
    createStatus({ info, functionNames: () => functions.names() }),
  );
  gateway.serve({ rest, auth, storage, functions, realtime, status, playground: createPlayground(info) });
  state.ready(info);
  return { ...info, functions, cron };
}

async function startDatabase(
  { dataDirectory, durable = false }: StackOptions,
  supabaseDirectory: string,
  closing: Closing,
): Promise<Cluster> {
  const cluster = await closing.keep("database", startCluster({ dataDirectory, durable }));
  await preparePlatform(cluster);
  await migrate(cluster, { directory: join(supabaseDirectory, "migrations") });
  await seed(cluster.databaseUrl, join(supabaseDirectory, "seed.sql"));
  return cluster;
}

/** Like Promise.all, but waits for all before it fails: what started late must be known to be stopped. */
async function together<T extends unknown[]>(starting: [...T]): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(starting);
  return await Promise.all(starting);
}
