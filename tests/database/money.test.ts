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

test("200 starts at once with credits for 10 of them: 10 are accepted, 190 are told balance and price", async () => {
  await db.settings({ sign_up_grant_credits: 0 });
  const userId = await db.addUser();
  await grant(userId, 21, "payment"); // for ten at 2, and one that buys nothing
  const pool = db.pool(40);
  const taps = Array.from({ length: 200 }, () => startArguments(userId, { modelId: "flux-dev" }));
  const answers = await Promise.all(taps.map((tap) => pool.kernel.start(tap)));
  await pool.end();
  const refused = answers.flatMap((answer) => answer.ok ? [] : [answer.error]);
  expect(refused).toEqual(
    Array.from({ length: 190 }, () => ({ code: "insufficient_credits", balance: 1, price: 2 })),
  );
  expect(await scenario.balance(userId)).toBe(1);
  const entries = await sql`
    select kind, count(*)::integer as entries, count(distinct job_id)::integer as jobs, sum(amount)::integer as credits
    from public.credit_entries where user_id = ${userId} group by kind order by kind`;
  expect(entries).toEqual([
    { kind: "grant", entries: 1, jobs: 0, credits: 21 },
    { kind: "reserve", entries: 10, jobs: 10, credits: -20 },
  ]);
  expect(await sql`select from public.generation_jobs`).toHaveLength(10);
});

test("two starts on either side of midnight see each other's share of the month", async () => {
  await db.settings({ max_starts_per_month: 1 });
  const [earlyId, lateId] = [await db.addUser(), await db.addUser()];
  // The middle of a month, so that both are in the same.
  const [row] = await sql<{ seconds: number }[]>`
    select extract(epoch from date_trunc('month', genflow.clock(), 'UTC') + interval '1 month 15 days' - interval '1 second' - genflow.clock())::float8 as seconds`;
  await db.advance(row!.seconds);
  const { idempotencyKey, requestHash, request, traceId } = startArguments(earlyId);
  const [late] = await db.asRole("service_role", { role: "service_role" }, async (starting) => {
    await starting`select public.start_generation(${earlyId}, ${idempotencyKey}, ${requestHash},
      ${starting.json(request as Record<string, string>)}, ${traceId})`;
    await db.advance(2);
    const late = kernel.start(startArguments(lateId));
    await expect.poll(async () =>
      (await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).length, {
      interval: 5,
    }).toBe(1);
    return [late] as const;
  });
  expect(await late).toMatchObject({
    ok: false,
    error: { code: "spend_limit_reached", cap: "project_starts_per_month" },
  });
});
