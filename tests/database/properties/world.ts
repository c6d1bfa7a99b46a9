// What the workers of a plan have left behind for each other, and how each deed is done on it through the kernel.

import { randomUUID } from "node:crypto";
import type { Claim, Kernel, Persist, SubmissionOutcome } from "../../../shared/backend/kernel.ts";
import type { TestDatabase } from "../database.ts";
import { startArguments, tokenHash } from "../scenario.ts";
import type { Choices, Deed, Plan } from "./deeds.ts";
import { noteStored } from "../stored-object.ts";
import { changeCaps } from "./witness.ts";

type Start = Parameters<Kernel["start"]>[0];
interface Send {
  attemptId: string;
  sendId: string;
}

export interface World {
  db: TestDatabase;
  kernel: Kernel;
  users: string[];
  starts: Start[];
  jobs: { userId: string; jobId: string }[];
  claims: Claim[];
  sends: Send[];
  leases: Persist[];
  /** Codes of the refusals that starts have met. */
  refusals: Set<string>;
}

const models = ["flux-schnell", "flux-dev"];

export async function createWorld(db: TestDatabase, kernel: Kernel, plan: Plan): Promise<World> {
  await db.startAnew();
  await db.settings({
    user_running_cap: 3,
    sign_up_grant_credits: 3,
    first_poll_seconds: 1,
    backoff_base_seconds: 1,
  });
  await db.provider({ running_cap: 5 });
  await db.sql`update public.generation_models set credits_per_image = 2 where id = ${models[1]!}`;
  await db.sql`update genflow.priority_classes set head_start_seconds = 60 where name = 'plus'`;
  const world: World = {
    db,
    kernel,
    users: [],
    starts: [],
    jobs: [],
    claims: [],
    sends: [],
    leases: [],
    refusals: new Set(),
  };
  for (const { credits, priorityClass } of plan.users) {
    const userId = await db.addUser();
    await db.account(userId, { priority_class: priorityClass });
    if (credits > 0) await grant(world, userId, credits, "to begin with");
    world.users.push(userId);
  }
  return world;
}

/** Counted from the newest, where the most is going on. */
const at = <Item>(items: Item[], pick: number): Item | undefined =>
  items[items.length - 1 - pick % items.length];
const taskOf = (send: Send) => `task-${send.attemptId}`;
const grant = (world: World, userId: string, credits: number, reference: string) =>
  world.db.rpc("grant_credits", { p_user_id: userId, p_credits: credits, p_reference: reference });

async function start(world: World, asked: Start): Promise<void> {
  const answer = await world.kernel.start(asked);
  if (!answer.ok) {
    world.refusals.add(answer.error.code);
    return;
  }
  if (answer.replay) return;
  world.starts.push(asked);
  world.jobs.push({ userId: asked.userId, jobId: answer.job.id });
}

async function send(world: World, { attemptId, leaseToken }: Claim): Promise<void> {
  const sendId = randomUUID();
  const mark = await world.kernel.markSending(attemptId, leaseToken, sendId, tokenHash);
  if (mark.go) world.sends.push({ attemptId, sendId });
}

function outcome(send: Send, as: Choices["submit"]["as"]): SubmissionOutcome {
  if (as === "accepted") return { kind: "accepted", taskId: taskOf(send) };
  if (as === "unknown") return { kind: "unknown", cause: "timeout" };
  return { kind: "rejected", class: as, ...(as === "rate_limited" ? { retryAfterSeconds: 0.01 } : {}) };
}

const deeds: { [Name in keyof Choices]: (world: World, choice: Choices[Name]) => Promise<unknown> } = {
  async start(world, { user, dear, images, key, pick }) {
    const earlier = key === "fresh" ? undefined : at(world.starts, pick);
    const asked = earlier ??
      startArguments(at(world.users, user)!, { modelId: models[dear ? 1 : 0]!, numImages: images });
    await start(world, key === "reused" && earlier ? { ...asked, requestHash: "b".repeat(64) } : asked);
  },
  async retry(world, { pick }) {
    const job = at(world.jobs, pick);
    if (job) {
      await start(world, { ...startArguments(job.userId), request: { retryOf: job.jobId } });
    }
  },
  async claim(world, { limit, sends }) {
    const { claims, skippedUserIds } = await world.kernel.claimGenerations(randomUUID(), limit);
    world.claims.push(...claims);
    await world.kernel.awaitAccounts(skippedUserIds);
    for (const claim of claims.slice(0, sends)) await send(world, claim);
  },
  async send(world, { pick }) {
    const claim = at(world.claims, pick);
    if (claim) await send(world, claim);
  },
  async submit(world, { pick, as }) {
    const send = at(world.sends, pick);
    if (send) await world.kernel.recordSubmission(send.attemptId, send.sendId, outcome(send, as));
  },
  async settle(world, { pick, as, outputs }) {
    const send = at(world.sends, pick);
    if (!send) return;
    await world.kernel.settle(taskOf(send), pick % 3 === 0 ? send.attemptId : null, {
      status: as,
      outputs: Array.from({ length: as === "completed" ? outputs : 0 }, (_, index) => `https://x/${index}`),
      flagged: [],
      class: as === "failed" ? "moderation" : as === "completed" ? null : as,
    });
  },
  async callback(world, { pick }) {
    const send = at(world.sends, pick);
    if (send) await world.kernel.noteCallback(send.attemptId, tokenHash);
  },
  async lease(world, { limit }) {
    world.leases.push(...(await world.kernel.claimPersists(randomUUID(), limit)).claims);
  },
  async store(world, { pick, pictures }) {
    const lease = at(world.leases, pick);
    for (const { index, path } of lease?.images.slice(0, pictures) ?? []) {
      await noteStored(world.db.sql, path, picture.bytes);
      await world.kernel.recordImage(lease!.attemptId, lease!.leaseToken, { index, ...picture });
    }
  },
  async complete(world, { pick, permanent }) {
    const lease = at(world.leases, pick);
    if (!lease) return;
    const failures = lease.images.map(({ index }) => ({ index, permanent }));
    await world.kernel.complete(lease.attemptId, lease.leaseToken, failures);
  },
  async cancel(world, { pick }) {
    const job = at(world.jobs, pick);
    if (job) await world.kernel.cancel(job.userId, job.jobId);
  },
  grant: (world, { user, reference }) =>
    grant(world, at(world.users, user)!, 5 + reference, `payment-${reference}`),
  adjust: (world, { user, reference }) =>
    world.db.rpc("adjust_credits", {
      p_user_id: at(world.users, user)!,
      p_credits: reference % 2 ? -3 : 2,
      p_reference: `ticket-${reference}`,
    }),
  async poll(world, { limit }) {
    const claimId = randomUUID();
    const { polls, listings } = await world.kernel.claimPolls(claimId, limit);
    for (const { attemptId } of listings) {
      await world.kernel.recordListing(attemptId, { claimId, predictions: [], complete: true });
    }
    for (const { taskId } of polls) {
      await world.kernel.settle(taskId, null, {
        status: "processing",
        outputs: [],
        flagged: [],
        class: null,
      });
    }
  },
  look: (world, { user }) => world.db.asUser(at(world.users, user)!, (as) => as`select public.my_account()`),
  setting: (world, values) => changeCaps(world.db.sql, "settings", values),
  provider: (world, values) => changeCaps(world.db.sql, "provider", values),
  account: (world, { user, values }) => world.db.account(at(world.users, user)!, values),
  async price(world, { credits }) {
    await world.db
      .sql`update public.generation_models set credits_per_image = ${credits} where id = ${models[1]!}`;
  },
  async headStart(world, { seconds }) {
    await world.db
      .sql`update genflow.priority_classes set head_start_seconds = ${seconds} where name = 'plus'`;
  },
  async sweep(world, { advanceSeconds }) {
    await world.db.advance(advanceSeconds);
    await sweepClean(world.db);
  },
};

const picture = {
  width: 1024,
  height: 1024,
  bytes: 4096,
  sha256: "0".repeat(64),
  contentType: "image/jpeg",
  flagged: false,
};

export async function perform<Name extends keyof Choices>(world: World, { deed, choice }: Deed<Name>) {
  await deeds[deed](world, choice);
}

/** A sweep turns what fails into a warning: here it is an error. */
async function sweepClean(db: TestDatabase): Promise<void> {
  const warnings = await db.sweep();
  if (warnings.length > 0) throw new Error(warnings.join("; "));
}

const secondsUntilAllIsOver = 2 * 86_400;

/** Answers every submit that nobody has answered, and lets time run out for the rest. */
export async function drain(world: World): Promise<void> {
  const answers = world.sends.map((send, index) =>
    world.kernel.recordSubmission(
      send.attemptId,
      send.sendId,
      outcome(send, index % 2 ? "accepted" : "unknown"),
    )
  );
  await Promise.all(answers);
  // What is requeued or reopened by one sweep is over by the next.
  for (let sweeps = 0; sweeps < 3; sweeps++) {
    await world.db.advance(secondsUntilAllIsOver);
    await sweepClean(world.db);
  }
}
