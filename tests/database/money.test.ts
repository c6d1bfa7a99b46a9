import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

const grant = (userId: string, credits: number, reference: string) =>
  db.rpc("grant_credits", { p_user_id: userId, p_credits: credits, p_reference: reference });

test("a delivered job captures what it held, with one closing entry", async () => {
  const userId = await db.addUser();
  const { jobId } = await scenario.completed(userId);
  expect(await scenario.closings(jobId)).toEqual([{ amount: 0, captured: 1 }]);
  expect(await scenario.job(jobId)).toMatchObject({
    status: "completed",
    credits_held: 1,
    credits_captured: 1,
  });
  expect(await scenario.balance(userId)).toBe(19);
});

test("a partly delivered job is charged for the pictures that arrived, and the rest comes back", async () => {
  const userId = await db.addUser();
  const { jobId, attemptId } = await scenario.delivered(userId, 4);
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist, 0);
  await scenario.store(persist, 2);
  await scenario.complete(persist, [{ index: 1, permanent: true }, { index: 3, permanent: true }]);
  expect(await scenario.closings(jobId)).toEqual([{ amount: 2, captured: 2 }]);
  expect(await scenario.balance(userId)).toBe(18);
});

test("a failed job releases everything", async () => {
  const userId = await db.addUser();
  const { jobId, taskId } = await scenario.running(userId, { numImages: 3 });
  await scenario.fail(taskId, "moderation");
  expect(await scenario.job(jobId)).toMatchObject({
    status: "failed",
    error_code: "moderated",
    credits_captured: 0,
  });
  expect(await scenario.closings(jobId)).toEqual([{ amount: 3, captured: 0 }]);
  expect(await scenario.balance(userId)).toBe(20);
});

test("no price is charged but the one that was held, whatever the catalogue says later", async () => {
  const userId = await db.addUser();
  const { jobId, attemptId } = await scenario.delivered(userId);
  await sql`update public.generation_models set credits_per_image = 9 where id = 'flux-schnell'`;
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
  await sql`update public.generation_models set credits_per_image = 1 where id = 'flux-schnell'`;
  expect(await scenario.closings(jobId)).toEqual([{ amount: 0, captured: 1 }]);
});

test("the ledger takes no second hold and no second close of a job, whoever writes", async () => {
  const userId = await db.addUser();
  const { jobId } = await scenario.completed(userId);
  for (const [kind, amount, captured] of [["reserve", -1, null], ["close", 1, 0]] as const) {
    await expect(sql`insert into public.credit_entries (user_id, kind, amount, job_id, captured)
      values (${userId}, ${kind}, ${amount}, ${jobId}, ${captured})`).rejects.toMatchObject({
      code: "23505",
    });
  }
});

test("the ledger is append-only even for the superuser", async () => {
  await scenario.start(await db.addUser());
  await expect(sql`update public.credit_entries set amount = 100 where kind = 'grant'`).rejects.toThrow(
    "append-only",
  );
  await expect(sql`delete from public.credit_entries`).rejects.toThrow("append-only");
});

test("a balance below zero is refused by the row itself", async () => {
  const userId = await db.addUser();
  await scenario.start(userId);
  await expect(sql`select genflow.add_entry(${userId}, 'adjust', -20, null, 'mistake', null)`).rejects
    .toMatchObject({ code: "23514" });
});

test("grant_credits counts a reference once a user, and refuses it for another amount", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  expect(await grant(userId, 50, "payment-1")).toEqual({ granted: 50, replay: false, balance: 50 });
  expect(await grant(userId, 50, "payment-1")).toEqual({ granted: 50, replay: true, balance: 50 });
  expect(await grant(otherId, 50, "payment-1")).toEqual({ granted: 50, replay: false, balance: 50 });
  await expect(grant(userId, 51, "payment-1")).rejects.toThrow("already used for another amount");
  await expect(grant(userId, 0, "payment-2")).rejects.toThrow("positive number");
  await expect(grant(userId, 5, "")).rejects.toThrow("a reference");
  expect(await scenario.balance(userId)).toBe(50);
});

test("one reference granted 16 times at once counts once", async () => {
  const userId = await db.addUser();
  const answers = await db.racing(
    userId,
    Array.from({ length: 16 }, () => () => grant(userId, 5, "payment")),
  );
  expect(answers.filter((answer) => !(answer as { replay: boolean }).replay)).toHaveLength(1);
  expect(await scenario.balance(userId)).toBe(5);
});

test("after a random walk of jobs the balance is the sum of the entries and each ended job closed once", async () => {
  const random = seeded(20_261_122);
  const userId = await db.addUser();
  await grant(userId, 200, "walk");
  const jobs: string[] = [];
  for (let step = 0; step < 25; step++) {
    const outputs = 1 + Math.floor(random() * 4);
    const started = await kernel.start(startArguments(userId, { numImages: outputs }));
    if (!started.ok) throw new Error(started.error.code);
    const jobId = started.job.id;
    jobs.push(jobId);
    await walk(jobId, userId, outputs, random);
    await scenario.balance(userId); // compares with the sum
  }
  const rows = await sql`
    select j.id, j.status, j.credits_held, j.credits_captured, count(e.id)::integer as closings, sum(e.amount)::integer as released
    from public.generation_jobs j left join public.credit_entries e on e.job_id = j.id and e.kind = 'close'
    where j.user_id = ${userId} group by j.id`;
  expect(rows).toHaveLength(jobs.length);
  for (const row of rows) {
    const isOpen = row["credits_captured"] === null;
    expect(row["closings"]).toBe(isOpen ? 0 : 1);
    if (!isOpen) expect(Number(row["released"]) + Number(row["credits_captured"])).toBe(row["credits_held"]);
  }
  expect(new Set(rows.map((row) => row["status"])).size).toBeGreaterThan(3);
});

async function walk(jobId: string, userId: string, outputs: number, random: () => number): Promise<void> {
  const stop = () => random() < 0.2;
  if (stop()) return void await kernel.cancel(userId, jobId);
  const claim = (await scenario.claim(100)).find((each) => each.jobId === jobId);
  if (!claim || stop()) return void await kernel.cancel(userId, jobId);
  const sent = await scenario.send(claim);
  if (stop()) return void await scenario.record(sent, { kind: "rejected", class: "bad_input" });
  const { taskId, attemptId } = await scenario.accept(sent);
  if (stop()) await kernel.cancel(userId, jobId);
  if (stop()) return;
  if (stop()) return void await scenario.fail(taskId, "moderation");
  if ((await scenario.deliver(taskId, outputs)).next !== "persist") return;
  const persist = await scenario.lease(attemptId);
  for (const { index } of persist.images) if (!stop()) await scenario.store(persist, index);
  await scenario.complete(persist, persist.images.map(({ index }) => ({ index, permanent: true })));
}

/** mulberry32: the same walk every time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
