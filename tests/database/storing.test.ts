import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";
import { noteStored } from "./stored-object.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

test("a lease names what to store and where, each path under the user's and the job's folder and new for each lease", async () => {
  await scenario.delivered(await db.addUser()); // due earlier, and not asked for
  const userId = await db.addUser();
  const { jobId, attemptId, taskId } = await scenario.running(userId, { numImages: 2 });
  await kernel.settle(taskId, null, {
    status: "completed",
    outputs: ["https://x/0", "https://x/1"],
    flagged: [false, true],
    class: null,
  });
  const persist = await scenario.lease(attemptId);
  const suffix = persist.leaseToken.slice(0, 8);
  expect(persist.images).toEqual([
    { index: 0, url: "https://x/0", path: `${userId}/${jobId}/0-${suffix}`, flagged: false },
    { index: 1, url: "https://x/1", path: `${userId}/${jobId}/1-${suffix}`, flagged: true },
  ]);
  expect(persist.leaseSeconds).toBeCloseTo(140, 0);
  expect(await scenario.purges(jobId)).toEqual(persist.images.map((image) => image.path));
});

test("16 that ask for one storing at once: one gets it, and its claim id is answered again the same", async () => {
  const { attemptId } = await scenario.delivered(await db.addUser());
  const ids = Array.from({ length: 16 }, () => randomUUID());
  const answers = await Promise.all(ids.map((id) => kernel.claimPersists(id, 3, attemptId)));
  const winner = answers.findIndex((answer) => answer.claims.length > 0);
  expect(answers.filter((answer) => answer.claims.length > 0)).toHaveLength(1);
  const again = await kernel.claimPersists(ids[winner]!, 3, attemptId);
  expect(again.claims.map(({ leaseToken, images }) => ({ leaseToken, images })))
    .toEqual(answers[winner]!.claims.map(({ leaseToken, images }) => ({ leaseToken, images })));
  expect(await scenario.attempt(attemptId)).toMatchObject({ persists: 1 });
});

test("a job completes when all its pictures are recorded, and each call again changes nothing", async () => {
  const userId = await db.addUser();
  const { jobId, attemptId } = await scenario.delivered(userId, 2);
  const persist = await scenario.lease(attemptId);
  for (const index of [0, 0, 1, 1]) expect(await scenario.store(persist, index)).toEqual({ recorded: true });
  for (let call = 0; call < 2; call++) {
    expect(await scenario.complete(persist)).toMatchObject({ status: "completed" });
  }
  expect(await scenario.store(persist, 1)).toEqual({ recorded: true });
  expect(await sql`select from public.generation_images`).toHaveLength(2);
  expect(await scenario.closings(jobId)).toEqual([{ amount: 0, captured: 2 }]);
  expect(await scenario.events(jobId)).toEqual([
    "queued",
    "submitting",
    "sending",
    "submitted",
    "persisting",
    "attempt_closed",
    "image_stored",
    "image_stored",
    "completed",
    "hold_closed",
  ]);
  expect(await scenario.purges(jobId)).toEqual([]); // winners leave
  expect((await kernel.claimPersists(randomUUID(), 10)).claims).toEqual([]);
});

test("more outputs than asked are neither handed out nor stored nor charged", async () => {
  const { jobId, attemptId, taskId } = await scenario.running(await db.addUser(), { numImages: 2 });
  await scenario.deliver(taskId, 4);
  const persist = await scenario.lease(attemptId);
  expect(persist.images.map((image) => image.index)).toEqual([0, 1]);
  expect(await scenario.store(persist, 2)).toEqual({ recorded: false });
  for (const index of [0, 1]) await scenario.store(persist, index);
  await scenario.complete(persist);
  expect(await scenario.closings(jobId)).toEqual([{ amount: 0, captured: 2 }]);
});

test("fewer outputs than asked complete the job and release the rest", async () => {
  const { jobId, attemptId, taskId } = await scenario.running(await db.addUser(), { numImages: 4 });
  await scenario.deliver(taskId, 1);
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist);
  expect(await scenario.complete(persist)).toMatchObject({ status: "completed" });
  expect(await scenario.closings(jobId)).toEqual([{ amount: 3, captured: 1 }]);
});

test("after a lease ran out another stores only what is missing, and the losers stay to be purged", async () => {
  const { jobId, attemptId } = await scenario.delivered(await db.addUser(), 3);
  const first = await scenario.lease(attemptId);
  await scenario.store(first, 0);
  expect((await kernel.claimPersists(randomUUID(), 1, attemptId)).claims).toEqual([]);
  await db.advance(141);
  const second = await scenario.lease(attemptId);
  expect(second.images.map((image) => image.index)).toEqual([1, 2]);

  // The first worker was only slow: what it stored is a fact, and its word about the end is not asked.
  expect(await scenario.store(first, 1)).toEqual({ recorded: true });
  expect(await scenario.store(second, 1)).toEqual({ recorded: false });
  expect(await scenario.complete(first, [{ index: 2, permanent: true }])).toMatchObject({
    status: "persisting",
  });
  expect(await scenario.store(second, 2)).toEqual({ recorded: true });
  expect(await scenario.complete(second)).toMatchObject({ status: "completed" });
  expect(await scenario.purges(jobId)).toEqual([first.images[2]!.path, second.images[0]!.path].sort());
});

test("16 leases' worth of workers recording one picture: one path wins", async () => {
  const { attemptId } = await scenario.delivered(await db.addUser());
  const leases = [];
  for (let count = 0; count < 4; count++) {
    leases.push(await scenario.lease(attemptId));
    await db.advance(141);
  }
  const answers = await Promise.all([...leases, ...leases].map((lease) => scenario.store(lease)));
  expect(answers.filter((answer) => answer.recorded)).toHaveLength(2); // the winner, asked twice
  expect(await sql`select from public.generation_images`).toHaveLength(1);
});

test.each([["nothing", null], ["one byte too few", 4095], ["one byte too many", 4097]])(
  "a picture of which Storage has %s is not recorded, and is once it is there under a later lease",
  async (_, keptBytes) => {
    const userId = await db.addUser();
    const { jobId, attemptId } = await scenario.delivered(userId);
    const first = await scenario.lease(attemptId);
    expect(await scenario.store(first, 0, keptBytes)).toEqual({ recorded: false, reason: "upload_short" });
    expect(await sql`select from public.generation_images`).toEqual([]);
    const [purge] = await sql`select reason from genflow.storage_purges where path = ${
      first.images[0]!.path
    }`;
    expect(purge).toBeDefined();
    await scenario.complete(first, [{ index: 0, permanent: false }]);
    await db.advance(60);
    const second = await scenario.lease(attemptId);
    expect(await scenario.store(second)).toEqual({ recorded: true });
    expect(await scenario.complete(second)).toMatchObject({ status: "completed" });
    expect((await scenario.job(jobId))["credits_captured"]).toBe(1);
  },
);

test("another user's object, or one in another bucket, is not taken for the picture", async () => {
  const { attemptId } = await scenario.delivered(await db.addUser());
  const lease = await scenario.lease(attemptId);
  await noteStored(sql, lease.images[0]!.path, 4096, "generation-inputs");
  await noteStored(sql, `${lease.images[0]!.path}0`, 4096);
  expect(await scenario.store(lease, 0, null)).toEqual({ recorded: false, reason: "upload_short" });
});

test("a transient failure is due again after a backoff under a new lease; a permanent one of everything fails the job", async () => {
  await db.fixRandom(0.5);
  const userId = await db.addUser();
  const { jobId, attemptId } = await scenario.delivered(userId);
  const first = await scenario.lease(attemptId);
  for (let call = 0; call < 2; call++) {
    expect(await scenario.complete(first, [{ index: 0, permanent: false }])).toMatchObject({
      status: "persisting",
    });
  }
  expect((await scenario.events(jobId)).filter((event) => event === "persist_retry")).toHaveLength(1);
  await db.advance(4);
  expect((await kernel.claimPersists(randomUUID(), 1)).claims).toEqual([]);
  await db.advance(1.5); // half of twice the base of 5 s
  const second = await scenario.lease(attemptId);
  expect(second.leaseToken).not.toBe(first.leaseToken);
  expect(await scenario.complete(second, [{ index: 0, permanent: true }])).toMatchObject({
    status: "failed",
  });
  expect(await scenario.job(jobId)).toMatchObject({ error_code: "outputs_unusable", retryable: true });
  expect(await scenario.closings(jobId)).toEqual([{ amount: 1, captured: 0 }]);
});

test("what failed for good beside what failed for now keeps the job waiting for the latter", async () => {
  const { attemptId } = await scenario.delivered(await db.addUser(), 2);
  const persist = await scenario.lease(attemptId);
  expect(await scenario.complete(persist, [{ index: 0, permanent: true }, { index: 1, permanent: false }]))
    .toMatchObject({ status: "persisting" });
});

test("a claim asked again after its round ended hands nothing out", async () => {
  const { attemptId } = await scenario.delivered(await db.addUser());
  const claimId = randomUUID();
  const { claims: [persist] } = await kernel.claimPersists(claimId, 1, attemptId);
  await scenario.complete(persist!, [{ index: 0, permanent: false }]);
  expect((await kernel.claimPersists(claimId, 1, attemptId)).claims).toEqual([]);
});

test("an intended picture that was never recorded is purged twice, after lease and wall clock, and counts no more", async () => {
  const { attemptId, jobId } = await scenario.delivered(await db.addUser());
  const persist = await scenario.lease(attemptId);
  await db.advance(538);
  expect((await kernel.claimPurges(randomUUID(), 10)).purges).toEqual([]);
  await db.advance(4);
  const claimId = randomUUID();
  const { purges } = await kernel.claimPurges(claimId, 10);
  expect(purges).toMatchObject([{ bucketId: "generations", path: persist.images[0]!.path }]);
  expect((await kernel.claimPurges(claimId, 10)).purges).toEqual(purges);
  expect(await scenario.store(persist)).toEqual({ recorded: false }); // its removal has begun

  const ids = purges.map((purge) => purge.id);
  for (let call = 0; call < 2; call++) await kernel.recordPurge(claimId, ids);
  expect(await sql`select rounds_left, done_at from genflow.storage_purges where job_id = ${jobId}`).toEqual([
    { rounds_left: 1, done_at: null },
  ]);
  await db.advance(401);
  const second = randomUUID();
  await kernel.claimPurges(second, 10);
  await kernel.recordPurge(second, ids);
  await db.advance(100_000);
  expect((await kernel.claimPurges(randomUUID(), 10)).purges).toEqual([]);
});

test("a purge that did not succeed is due again", async () => {
  const { attemptId } = await scenario.delivered(await db.addUser());
  await scenario.lease(attemptId);
  await db.advance(541);
  await kernel.claimPurges(randomUUID(), 10);
  expect((await kernel.claimPurges(randomUUID(), 10)).purges).toEqual([]);
  await db.advance(401);
  expect((await kernel.claimPurges(randomUUID(), 10)).purges).toHaveLength(1);
});

test("where nothing of a delivery can be used, another attempt's that came later is stored", async () => {
  const userId = await db.addUser();
  const first = await scenario.sent(userId);
  await scenario.record(first, { kind: "rejected", class: "not_sent" });
  await db.advance(600);
  await db.sweep();
  const [claim] = await scenario.claim();
  const second = await scenario.accept(await scenario.send(claim!));
  // The first was made after all.
  const lateTask = randomUUID();
  await scenario.deliver(lateTask, 1, first.attemptId);
  await scenario.deliver(second.taskId);
  const unusable = await scenario.lease(first.attemptId);
  expect(await scenario.complete(unusable, [{ index: 0, permanent: true }])).toMatchObject({
    status: "persisting",
  });
  expect(await scenario.job(first.jobId)).toMatchObject({
    attempt_id: second.attemptId,
    credits_captured: null,
  });

  const usable = await scenario.lease(second.attemptId);
  await scenario.store(usable);
  expect(await scenario.complete(usable)).toMatchObject({ status: "completed" });
  expect(await scenario.closings(first.jobId)).toHaveLength(1);
});

test("where nothing of any delivery can be used the job fails and costs nothing", async () => {
  const { jobId, attemptId } = await scenario.delivered(await db.addUser());
  const persist = await scenario.lease(attemptId);
  expect(await scenario.complete(persist, [{ index: 0, permanent: true }])).toMatchObject({
    status: "failed",
  });
  expect(await scenario.job(jobId)).toMatchObject({ error_code: "outputs_unusable", credits_captured: 0 });
});
