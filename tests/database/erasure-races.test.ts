// An erasure against everything that may happen to its user at the same moment: whoever comes first, nothing is left,
// nobody waits for it with a lock that it wants, and it never touches the provider's.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase, type Row } from "./database.ts";
import { createEraser } from "./erased.ts";
import { createScenario, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);
const eraser = createEraser(db);

async function waiting(): Promise<number> {
  const rows = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return rows.length;
}

async function imageOf(userId: string): Promise<string> {
  const { attemptId } = await scenario.delivered(userId);
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
  const [image] = await sql`select id from public.generation_images where user_id = ${userId}`;
  return String(image?.["id"]);
}

/** Makes a job of the user's, and answers a call on it and what the call hears when its user is erased before. */
type Deed = (userId: string) => Promise<[call: () => Promise<unknown>, onceErased: Row]>;
const deeds: [name: string, deed: Deed][] = [
  ["a start", async (userId) => {
    await scenario.start(userId);
    return [() => kernel.start(startArguments(userId)), { ok: false, error: { code: "unauthorized" } }];
  }],
  ["a cancel", async (userId) => {
    const jobId = await scenario.start(userId);
    return [() => kernel.cancel(userId, jobId), { ok: false, error: { code: "job_not_found" } }];
  }],
  ["a mark before sending", async (userId) => {
    const claim = await scenario.claimed(userId);
    return [
      () => kernel.markSending(claim.attemptId, claim.leaseToken, randomUUID(), "f".repeat(64)),
      { go: false, reason: "not_found" },
    ];
  }],
  ["the recording of a picture", async (userId) => {
    const persist = await scenario.lease((await scenario.delivered(userId)).attemptId);
    return [() => scenario.store(persist), { recorded: false }];
  }],
  ["the end of storing", async (userId) => {
    const persist = await scenario.lease((await scenario.delivered(userId)).attemptId);
    await scenario.store(persist);
    return [() => scenario.complete(persist), { status: null }];
  }],
  ["a repeated callback", async (userId) => {
    const { taskId } = await scenario.delivered(userId);
    return [() => scenario.deliver(taskId), { next: "unknown_task" }];
  }],
  ["a grant", async (userId) => {
    await scenario.start(userId);
    const grant = () =>
      db.rpc("grant_credits", { p_user_id: userId, p_credits: 5, p_reference: "a payment" })
        .catch((error: Error) => ({ message: error.message }));
    return [grant, { message: "the user was deleted" }];
  }],
  ["a recorded thumbnail", async (userId) => {
    const imageId = await imageOf(userId);
    await kernel.claimThumbnails(randomUUID(), 1);
    return [() => kernel.recordThumbnail(imageId, { thumbhash: "HwgCBw==" }), { recorded: false }];
  }],
];

test.each(deeds)("%s that waits for an erasure finds nobody", async (_, deed) => {
  const userId = await db.addUser();
  const [call, onceErased] = await deed(userId);
  await eraser.deleteUser(userId);
  const [answer] = await sql.begin(async (erasing) => {
    await erasing`select genflow.erase_next()`;
    expect(await erasing`select from public.generation_jobs where user_id = ${userId}`).toHaveLength(0);
    const answer = call();
    await expect.poll(waiting, { interval: 5 }).toBe(1);
    return [answer] as const;
  });
  expect(await answer).toMatchObject(onceErased);
  await eraser.finish(userId);
  expect(await eraser.traces(userId)).toEqual([]);
});

test.each(deeds)("%s that is under way when its user is deleted is erased with the rest", async (_, deed) => {
  const userId = await db.addUser();
  const [call] = await deed(userId);
  // Whoever holds the account lets the call go on only after the deletion and a sweep that had to pass over the user.
  const [answer] = await sql.begin(async (holding) => {
    await holding`select from genflow.accounts where user_id = ${userId} for no key update`;
    const answer = call();
    await expect.poll(waiting, { interval: 5 }).toBe(1);
    await eraser.deleteUser(userId);
    await eraser.sweep();
    expect(await eraser.erasure(userId)).toMatchObject({ rows_gone_at: null });
    return [answer] as const;
  });
  await answer;
  await eraser.finish(userId);
  expect(await eraser.traces(userId)).toEqual([]);
});

test("claims pass over a user who is being erased, and an erasure takes no lock of the provider's", async () => {
  const userIds = [await db.addUser(), await db.addUser()];
  for (const userId of userIds) {
    await scenario.start(userId);
    await scenario.running(userId);
    await scenario.delivered(userId);
  }
  const jobId = await scenario.start(userIds[1]!);
  await eraser.deleteUser(userIds[0]!);
  const [claim] = await sql.begin(async (erasing) => {
    await erasing`select genflow.erase_next()`;
    const { claims, skippedUserIds } = await kernel.claimGenerations(randomUUID(), 1);
    expect(skippedUserIds).toEqual([]);
    return claims;
  });
  expect(claim?.jobId).toBe(jobId);
  await eraser.deleteUser(userIds[1]!);
  await sql.begin(async (holding) => {
    await holding`select from genflow.provider for update`;
    await holding`select from genflow.spend for update`;
    await eraser.sweep(); // who had to wait would warn
  });
  expect(await sql`select from public.generation_jobs where ended_at is null`).toHaveLength(0);
});

test("what is being purged is waited for by nobody, and recorded at the next time", async () => {
  const userId = await db.addUser();
  for (const name of ["a", "b"]) await eraser.store("generation-inputs", `${userId}/${name}`);
  await eraser.deleteUser(userId);
  await eraser.sweep();
  const claimId = randomUUID();
  const { purges } = await kernel.claimPurges(claimId, 10);
  await sql.begin(async (holding) => {
    await holding`select from genflow.storage_purges where path = ${`${userId}/a`} for no key update`;
    expect(await kernel.recordPurge(claimId, purges.map(({ id }) => id))).toEqual({ recorded: 1 });
  });
  expect(await kernel.recordPurge(claimId, purges.map(({ id }) => id))).toEqual({ recorded: 1 });
});

test("two sweeps at once, many deletions and everybody at work: nothing is left, and no deadlock is made", async () => {
  const deadlocks = async () =>
    (await sql`select deadlocks from pg_stat_database where datname = current_database()`)[0]?.["deadlocks"];
  const before = await deadlocks();
  const pool = db.pool(16);
  const sweeping = db.connections(2);
  const userIds = await Promise.all(Array.from({ length: 12 }, () => db.addUser()));
  // What may be heard in the middle of a deletion; nothing fails in any other way. Who is deleted between a first start's
  // beginning and its sign-up grant has no credits.
  const refusals = /unauthorized|insufficient_credits|the user was deleted|no go: |no lease|not claimed/;
  const attempt = async (call: () => Promise<unknown>) => {
    await call().catch((error: Error) => {
      if (!refusals.test(error.message)) throw error;
    });
  };
  try {
    let deleting = true;
    const work = userIds.map(async (userId) => {
      const more = createScenario({ ...db, kernel: pool.kernel, rpc: pool.rpc });
      await attempt(() => more.completed(userId));
      for (let job = 0; deleting && job < 8; job++) {
        await attempt(() => more.start(userId));
        await attempt(() => more.claim(3));
        await attempt(() => more.delivered(userId));
        await attempt(() =>
          pool.rpc("grant_credits", { p_user_id: userId, p_credits: 1, p_reference: `${job}` })
        );
        await attempt(() => pool.rpc("claim_purges", { p_claim_id: randomUUID(), p_limit: 100 }));
      }
    });
    const sweeps = [0, 1].map(async () => {
      while (deleting) await sweeping`call genflow.sweep()`;
    });
    for (const userId of userIds) {
      await eraser.store("generation-inputs", `${userId}/photo`);
      await eraser.deleteUser(userId);
    }
    await Promise.all(work).finally(() => deleting = false);
    await Promise.all(sweeps);
  } finally {
    await Promise.all([pool.end(), sweeping.end()]);
  }
  for (const userId of userIds) await eraser.finish(userId);
  for (const userId of userIds) expect(await eraser.traces(userId)).toEqual([]);
  const [sum] = await sql`select coalesce(sum(amount + coalesce(captured, 0)), 0)::integer as all,
    coalesce(sum(amount) filter (where kind = 'grant'), 0)::integer as granted from public.credit_entries`;
  expect(sum?.["all"]).toBe(sum?.["granted"]);
  expect(await deadlocks()).toEqual(before);
});
