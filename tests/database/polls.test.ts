// Polls are bounded: apart, in number and in age; and they go on for whoever no longer waits.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

async function pollsNow(): Promise<number> {
  return (await kernel.claimPolls(randomUUID(), 10)).polls.length;
}

test("a task of a job that has ended is asked for at least every two minutes, for three hours and no longer", async () => {
  const { jobId, attemptId } = await scenario.running(await db.addUser());
  const maxGapSeconds = 120;
  const stepSeconds = 20;
  let lastAt = 0;
  let polls = 0;
  for (let seconds = stepSeconds; seconds < 10_800; seconds += stepSeconds) {
    await db.advance(stepSeconds);
    if (seconds % 600 === 0) await db.sweep();
    if (await pollsNow() === 0) continue;
    expect(seconds - lastAt).toBeLessThanOrEqual(maxGapSeconds + stepSeconds);
    [lastAt, polls] = [seconds, polls + 1];
  }
  expect(await scenario.job(jobId)).toMatchObject({ status: "failed", error_code: "processing_timeout" });
  expect(lastAt).toBeGreaterThan(10_800 - maxGapSeconds - 2 * stepSeconds);
  expect(polls).toBeLessThan(100);
  await db.advance(stepSeconds + 1);
  await db.sweep();
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_how: "abandoned" });
  await db.advance(1000);
  expect(await pollsNow()).toBe(0);
});

test("a model that takes longer than the deadline is asked for before it", async () => {
  await sql`update public.generation_models set expected_seconds = 3600 where id = 'flux-schnell'`;
  try {
    const { jobId, taskId } = await scenario.running(await db.addUser());
    await db.advance(899);
    expect(await pollsNow()).toBe(0);
    await db.advance(2);
    expect(await pollsNow()).toBe(1);
    await scenario.deliver(taskId);
    expect(await scenario.job(jobId)).toMatchObject({ status: "persisting" });
  } finally {
    await sql`update public.generation_models set expected_seconds = 4 where id = 'flux-schnell'`;
  }
});

test("words never documented end nothing, are noted once an attempt, and the polls go on", async () => {
  const { jobId, taskId } = await scenario.running(await db.addUser());
  for (let call = 0; call < 3; call++) {
    const result = { status: "unknown_status", outputs: [], flagged: [], class: null };
    expect(await kernel.settle(taskId, null, result)).toMatchObject({ next: "wait", status: "processing" });
  }
  expect((await scenario.events(jobId)).filter((event) => event === "provider_status_unknown")).toHaveLength(
    1,
  );
  await db.advance(16);
  expect(await pollsNow()).toBe(1);
});
