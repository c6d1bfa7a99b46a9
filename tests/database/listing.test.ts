import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, type Sent } from "./scenario.ts";

const db = await openDatabase();
const { kernel } = db;
const scenario = createScenario(db);

interface Found {
  id: string;
  createdAt: string;
  matches: boolean;
}

/** A submit whose answer was lost, `seconds` after it was sent. */
async function unknown(seconds: number, more: Record<string, unknown> = {}): Promise<Sent> {
  const sent = await scenario.sent(await db.addUser(), more);
  await scenario.record(sent, { kind: "unknown", cause: "timeout" });
  await db.advance(seconds);
  return sent;
}

/** Claims the listing that is due and records what it found. */
async function look(sent: Sent, found: (at: (seconds: number) => string) => Found[], complete = true) {
  const claimId = randomUUID();
  const { listings } = await kernel.claimPolls(claimId, 10);
  const listing = listings.find((each) => each.attemptId === sent.attemptId);
  if (!listing) throw new Error("no listing is due");
  const sentAt = (await scenario.attempt(sent.attemptId))["sent_at"] as Date;
  const at = (seconds: number) => new Date(sentAt.getTime() + seconds * 1000).toISOString();
  const { decision } = await kernel.recordListing(sent.attemptId, {
    claimId,
    predictions: found(at),
    complete,
  });
  return { decision, listing };
}

// The window is [sent − 60 s, lease end (60 s) + 60 s]; it is over, and may be read as proof, 180 s after sending.
const over = 181;

test("a listing is due from the lease's end on, once a minute, and names the window and what to look for", async () => {
  const sent = await unknown(58);
  expect((await kernel.claimPolls(randomUUID(), 10)).listings).toEqual([]);
  await db.advance(3);
  const { listing, decision } = await look(sent, () => []);
  expect(decision).toBe("undecided");
  expect(listing).toMatchObject({
    path: "wavespeed-ai/flux-schnell",
    prompt: sent.claim.prompt,
    seed: sent.claim.seed,
  });
  const sentAt = ((await scenario.attempt(sent.attemptId))["sent_at"] as Date).getTime();
  expect([Date.parse(listing.from) - sentAt, Date.parse(listing.to) - sentAt]).toEqual([-60_000, 120_000]);
  expect((await kernel.claimPolls(randomUUID(), 10)).listings).toEqual([]);
  await db.advance(61);
  expect((await kernel.claimPolls(randomUUID(), 10)).listings).toHaveLength(1);
});

test("the one prediction that echoes prompt and drawn seed is adopted, whatever else is listed", async () => {
  const sent = await unknown(61);
  const { decision } = await look(sent, (at) => [
    { id: "mine", createdAt: at(1), matches: true },
    { id: "stranger", createdAt: at(2), matches: false },
    { id: "too-old", createdAt: at(-61), matches: true },
  ], false);
  expect(decision).toBe("adopted");
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({ task_id: "mine" });
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "processing" });
  expect((await kernel.claimPolls(randomUUID(), 10)).polls).toMatchObject([{ taskId: "mine" }]);
});

test("a prediction that another attempt is tied to is no stranger and cannot be adopted", async () => {
  const other = await scenario.running(await db.addUser());
  const sent = await unknown(over);
  const { decision } = await look(sent, (at) => [{ id: other.taskId, createdAt: at(1), matches: true }]);
  expect(decision).toBe("absent");
});

test.each([
  ["two match", (at: (seconds: number) => string) => [
    { id: "a", createdAt: at(1), matches: true },
    { id: "b", createdAt: at(2), matches: true },
  ]],
  [
    "one does not match but is nobody's",
    (at: (seconds: number) => string) => [{ id: "a", createdAt: at(119), matches: false }],
  ],
])("nothing is decided where %s", async (_, found) => {
  const sent = await unknown(over);
  expect((await look(sent, found)).decision).toBe("undecided");
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "unknown" });
});

test("a seed that the client chose is never used to adopt", async () => {
  const sent = await unknown(over, { seed: 1234 });
  const { decision, listing } = await look(sent, (at) => [{ id: "a", createdAt: at(1), matches: true }]);
  expect(listing.seed).toBeNull();
  expect(decision).toBe("undecided");
});

test("absence is proven only by the whole list, and the job then gets another attempt at once", async () => {
  const sent = await unknown(over);
  expect((await look(sent, () => [], false)).decision).toBe("undecided");
  await db.advance(61);
  expect(
    (await look(
      sent,
      (
        at,
      ) => [{ id: "before", createdAt: at(-61), matches: false }, {
        id: "after",
        createdAt: at(121),
        matches: false,
      }],
    )).decision,
  )
    .toBe("absent");
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({ closed_how: "absent" });
  expect(await scenario.job(sent.jobId)).toMatchObject({
    status: "queued",
    attempts: 1,
    credits_captured: null,
  });
  expect(await scenario.claim()).toMatchObject([{ jobId: sent.jobId }]);
});

test("a list whose reading began less than a minute after the window's end proves nothing", async () => {
  const sent = await unknown(over - 3);
  expect((await look(sent, () => [])).decision).toBe("undecided");
});

test("only the listing that was claimed last counts as proof: an older one was read too early", async () => {
  const sent = await unknown(over - 3);
  const early = randomUUID();
  await kernel.claimPolls(early, 10);
  await db.advance(64);
  const late = randomUUID();
  await kernel.claimPolls(late, 10);
  const listing = { predictions: [], complete: true };
  expect((await kernel.recordListing(sent.attemptId, { claimId: early, ...listing })).decision).toBe(
    "undecided",
  );
  expect((await kernel.recordListing(sent.attemptId, { claimId: late, ...listing })).decision).toBe("absent");
});

test("a listing recorded again decides the same without a second effect; after an answer came it decides nothing", async () => {
  const sent = await unknown(over);
  const claimId = randomUUID();
  await kernel.claimPolls(claimId, 10);
  const listing = { claimId, predictions: [], complete: true };
  for (const _time of [1, 2]) {
    expect((await kernel.recordListing(sent.attemptId, listing)).decision).toBe("absent");
  }
  expect(await scenario.job(sent.jobId)).toMatchObject({ attempts: 1 });
  const answered = await scenario.running(await db.addUser());
  expect((await kernel.recordListing(answered.attemptId, listing)).decision).toBe("none");
});

test("proven absence closes a canceled job's hold with nothing captured", async () => {
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  await kernel.cancel(userId, sent.jobId);
  await db.advance(over);
  expect((await look(sent, () => [])).decision).toBe("absent");
  expect(await scenario.closings(sent.jobId)).toEqual([{ amount: 1, captured: 0 }]);
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "canceled", attempts: 0 });
});

test("polls of a task grow apart up to the longest interval, and a claim of them is answered again the same", async () => {
  const { taskId, attemptId, claim } = await scenario.running(await db.addUser());
  const polls = [{ attemptId, taskId, traceId: claim.traceId }];
  const waits = [15.1, 22.5, 33.75, 50.6, 76, 114, 120, 120];
  for (const wait of waits) {
    await db.advance(wait - 2);
    expect((await kernel.claimPolls(randomUUID(), 10)).polls, `${wait} s`).toEqual([]);
    await db.advance(2.5);
    const claimId = randomUUID();
    expect((await kernel.claimPolls(claimId, 10)).polls, `${wait} s`).toEqual(polls);
    expect((await kernel.claimPolls(claimId, 10)).polls).toEqual(polls);
  }
});
