// The real storing of one picture, in a function's process: real network, real Storage; the kernel says what to store
// and takes note of what was recorded.

import process from "node:process";
import { createClient } from "@supabase/supabase-js";
import { type Backend, createKernel, createLog, storeOf } from "../../../../../shared/backend/mod.ts";
import { persistAttempt } from "../../../../../shared/backend/persist.ts";
import { createWavespeed } from "../../../../../shared/wavespeed/mod.ts";
import { answerTimed, type Transfer } from "../transfer.ts";

const admin = createClient(process.env["SUPABASE_URL"] ?? "", process.env["SUPABASE_SECRET_KEY"] ?? "", {
  auth: { persistSession: false, autoRefreshToken: false },
});

export default { fetch: (request: Request) => answerTimed(request, persist) };

async function persist(transfer: Transfer): Promise<unknown> {
  let recorded: unknown = null;
  const attemptId = crypto.randomUUID();
  const rpc: Parameters<typeof createKernel>[0] = (name, args) => {
    if (name === "claim_persists") return Promise.resolve({ claims: [claimOf(attemptId, transfer)] });
    if (name === "record_image") recorded = args["p_image"];
    return Promise.resolve(name === "record_image" ? { recorded: true } : { status: "completed" });
  };
  await persistAttempt(backendOf(createKernel(rpc), transfer), attemptId);
  return recorded;
}

function claimOf(attemptId: string, { url, path }: Transfer): unknown {
  return {
    attemptId,
    jobId: crypto.randomUUID(),
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    leaseToken: crypto.randomUUID(),
    leaseSeconds: 140,
    images: [{ index: 0, url, path, flagged: false }],
  };
}

function backendOf(kernel: Backend["kernel"], { url }: Transfer): Backend {
  const wavespeedBaseUrl = new URL(url).origin;
  return {
    kernel,
    provider: createWavespeed({ baseUrl: wavespeedBaseUrl, apiKey: "none" }),
    store: storeOf(admin),
    fetch,
    now: Date.now,
    newId: () => crypto.randomUUID(),
    wakeThumbnails: () => {},
    log: createLog({
      write: (line) => console.log(line),
      now: Date.now,
      function: "sweep",
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    }),
    config: {
      wavespeedBaseUrl,
      webhookUrl: null,
      webhookSecrets: [],
      callbackSecret: "none",
      inputDelivery: "upload",
    },
  };
}
