// Our kernel as its callers reach it, one prepared statement a call, each call in a transaction of its own; counts
// the calls and times them.

import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import { noteStored } from "../../database/stored-object.ts";

type Arguments = Parameters<postgres.Sql["unsafe"]>[1];

const placeholders = {
  start_generation: "$1, $2, $3, $4, $5",
  claim_generations: "$1, $2",
  await_accounts: "$1",
  mark_sending: "$1, $2, $3, $4",
  record_submission: "$1, $2, $3",
  settle_generation: "$1, $2, $3",
  claim_persists: "$1, $2, $3",
  record_image: "$1, $2, $3",
  complete_generation: "$1, $2, $3",
} as const;

export type KernelFunction = keyof typeof placeholders;
export const kernelFunctions = Object.keys(placeholders) as KernelFunction[];

export interface Claim {
  attemptId: string;
  leaseToken: string;
  jobId: string;
  userId: string;
}

interface Lease extends Claim {
  images: { path: string }[];
}

interface ClaimAnswer {
  claims: Claim[];
  skippedUserIds: string[];
}

export type StartAnswer = { ok: true; job: { id: string } } | { ok: false; error: { code: string } };

export interface Kernel {
  start(userId: string): Promise<StartAnswer>;
  claim(limit: number): Promise<Claim[]>;
  /** As a dispatcher claims: users skipped because their account was busy are waited for, then claimed for once more. */
  dispatch(limit: number): Promise<Claim[]>;
  /** From a claim to the stored picture: the other six calls of a job's life. `before` hears of each as it begins. */
  finish(claim: Claim, before?: (name: KernelFunction) => void): Promise<void>;
  /** Milliseconds of each call since the last `forget`. */
  taken: Readonly<Record<KernelFunction, number[]>>;
  forget(): void;
}

/** What an app sends for one picture; the hash stands for the one that the function computes. */
export const modelId = "flux-schnell";
export const request = { modelId, prompt: "an otter on a river bank", aspectRatio: "1:1" };
export const requestHash = "a".repeat(64);
const tokenHash = "f".repeat(64);
const picture = {
  index: 0,
  width: 1024,
  height: 1024,
  bytes: 180_000,
  sha256: "0".repeat(64),
  contentType: "image/jpeg",
  flagged: false,
};

export function createKernel(sql: postgres.Sql): Kernel {
  const taken = Object.fromEntries(kernelFunctions.map((name) => [name, [] as number[]])) as Record<
    KernelFunction,
    number[]
  >;
  const call = async <Answer>(name: KernelFunction, args: Arguments): Promise<Answer> => {
    const begin = performance.now();
    const [row] = await sql.unsafe<{ answer: Answer }[]>(
      `select public.${name}(${placeholders[name]}) as answer`,
      args,
      { prepare: true },
    );
    taken[name].push(performance.now() - begin);
    return row!.answer;
  };
  const claim = (limit: number) => call<ClaimAnswer>("claim_generations", [randomUUID(), limit]);
  return {
    taken,
    forget: () => kernelFunctions.forEach((name) => taken[name].length = 0),
    start: (userId) =>
      call("start_generation", [userId, randomUUID(), requestHash, sql.json(request), randomUUID()]),
    claim: async (limit) => (await claim(limit)).claims,
    async dispatch(limit) {
      const { claims, skippedUserIds } = await claim(limit);
      if (claims.length > 0 || skippedUserIds.length === 0) return claims;
      await call("await_accounts", [sql.json({ user_ids: skippedUserIds })]);
      return (await claim(limit)).claims;
    },
    finish: (claim, before = () => {}) =>
      finish(sql, (name, args) => {
        before(name);
        return call(name, args);
      }, claim),
  };
}

async function finish(
  sql: postgres.Sql,
  call: <Answer>(name: KernelFunction, args: Arguments) => Promise<Answer>,
  { attemptId, leaseToken }: Claim,
): Promise<void> {
  const sendId = randomUUID();
  const taskId = randomUUID();
  const mark = await call<{ go: boolean }>("mark_sending", [attemptId, leaseToken, sendId, tokenHash]);
  if (!mark.go) throw new Error(`The attempt may not be sent: ${JSON.stringify(mark)}`);
  await call("record_submission", [attemptId, sendId, sql.json({ kind: "accepted", taskId })]);
  const result = { status: "completed", outputs: ["https://example.com/1"], flagged: [], class: null };
  await call("settle_generation", [taskId, null, sql.json(result)]);
  const { claims: [persist] } = await call<{ claims: Lease[] }>("claim_persists", [
    randomUUID(),
    1,
    attemptId,
  ]);
  if (!persist) throw new Error("The delivered attempt is not to be stored.");
  await noteStored(sql, persist.images[0]!.path, picture.bytes);
  await call("record_image", [attemptId, persist.leaseToken, sql.json(picture)]);
  const end = await call<{ status: string }>(
    "complete_generation",
    [attemptId, persist.leaseToken, sql.json({ failures: [] })],
  );
  if (end.status !== "completed") throw new Error(`The job ended as ${end.status}.`);
}
