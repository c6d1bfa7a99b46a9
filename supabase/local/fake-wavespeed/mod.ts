// A stand-in for the image provider: its HTTP API under /api/v3, real pictures, signed callbacks, and faults on
// request under /control. For development and tests; it listens on 127.0.0.1 only.

import { randomBytes } from "node:crypto";
import { type Log, silent } from "../log.ts";
import { listen } from "./server.ts";
import type { Settings } from "./settings.ts";
import { World } from "./world.ts";

export interface FakeWavespeed {
  readonly url: string;
  readonly apiKey: string;
  readonly webhookSecret: string;
  stop(): Promise<void>;
}

export interface FakeWavespeedOptions {
  /** Default: a free one. */
  port?: number;
  apiKey?: string;
  webhookSecret?: string;
  latencyMs?: number;
  concurrency?: number;
  /** More of what /control can change: these are then the first settings, to which a reset returns. */
  settings?: Partial<Settings>;
  log?: Log;
}

export async function startFakeWavespeed(options: FakeWavespeedOptions = {}): Promise<FakeWavespeed> {
  const { latencyMs, concurrency } = options;
  const world = new World({
    apiKey: options.apiKey ?? `fake_${randomBytes(16).toString("hex")}`,
    webhookSecret: options.webhookSecret ?? `whsec_${randomBytes(24).toString("base64url")}`,
    settings: {
      ...options.settings,
      ...(latencyMs === undefined ? {} : { latencyMs }),
      ...(concurrency === undefined ? {} : { concurrency }),
    },
    log: options.log ?? silent,
  });
  const server = await listen(world, options.port ?? 0);
  world.origin = server.url;
  return {
    url: server.url,
    apiKey: world.apiKey,
    get webhookSecret() {
      return world.webhookSecret;
    },
    async stop() {
      await world.stop();
      await server.close();
    },
  };
}
