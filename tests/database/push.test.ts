import { expect, test } from "vitest";
import { ChangeMessage } from "../../shared/contract/mod.ts";
import { openDatabase } from "./database.ts";
import { createScenario, prompt, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

/** The user's messages as the contract reads them: numbered 1, 2, 3 … without a gap or a double. */
async function feed(userId: string): Promise<ChangeMessage[]> {
  const messages = (await db.messages(userId)).map((payload) => ChangeMessage.parse(payload));
  expect(messages.map((message) => message.seq)).toEqual(messages.map((_, at) => at + 1));
  for (const { seq, jobs, images, account } of messages) {
    expect([...jobs, ...images, account].every((row) => row.seq === seq)).toBe(true);
  }
  return messages;
}

const kinds = (messages: ChangeMessage[]) =>
  messages.map(({ jobs, images }) =>
    [...jobs.map((job) => job.status), ...images.map((image) => `image ${image.index}`)].join(", ")
  );

test("a whole job is told in one numbered message a change, with the job, its pictures and the balance", async () => {
  const userId = await db.addUser();
  const running = await scenario.running(userId, { numImages: 2 });
  await scenario.deliver(running.taskId, 2);
  const persist = await scenario.lease(running.attemptId);
  await scenario.store(persist, 0);
  await scenario.store(persist, 1);
  await scenario.complete(persist);

  const messages = await feed(userId);
  expect(kinds(messages)).toEqual([
    "queued",
    "submitting",
    "processing",
    "persisting",
    "image 0",
    "image 1",
    "completed",
  ]);
  expect(messages[0]).toMatchObject({
    jobs: [{ id: running.jobId, creditsHeld: 2, creditsCaptured: null }],
    account: { balance: 18 },
  });
  expect(messages.at(-1)).toMatchObject({
    jobs: [{ creditsCaptured: 2, retryable: false }],
    account: { balance: 18 },
  });
  const [account] = await sql`select feed_seq from genflow.accounts where user_id = ${userId}`;
  expect(Number(account!["feed_seq"])).toBe(messages.length);
});

test("the message carries what the rows carry", async () => {
  const userId = await db.addUser();
  const { jobId } = await scenario.completed(userId);
  const [last] = (await feed(userId)).slice(-1);
  const row = await scenario.job(jobId);
  expect(Number(row["seq"])).toBe(last!.seq);
  expect(last!.jobs[0]).toMatchObject({
    traceId: row["trace_id"],
    status: row["status"],
    modelId: row["model_id"],
  });
  expect(Date.parse(last!.jobs[0]!.endedAt!)).toBe((row["ended_at"] as Date).getTime());
});

test("each call asked again tells nothing again", async () => {
  const userId = await db.addUser();
  const tap = startArguments(userId);
  await kernel.start(tap);
  const [claim] = await scenario.claim();
  const sent = await scenario.send(claim!);
  const { taskId, attemptId } = await scenario.accept(sent);
  await scenario.deliver(taskId);
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
  const before = (await feed(userId)).length;
  await kernel.start(tap);
  await scenario.accept(sent, taskId);
  await scenario.deliver(taskId);
  await scenario.store(persist);
  await scenario.complete(persist);
  await kernel.cancel(userId, claim!.jobId);
  expect(await feed(userId)).toHaveLength(before);
});

test("sends, leases, polls, promotions and what is another's are told to nobody", async () => {
  await db.settings({ user_running_cap: 1 });
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const first = await scenario.start(userId);
  await scenario.start(userId);
  const [claim] = await scenario.claim();
  const before = (await feed(userId)).length; // two starts and a claim
  expect(before).toBe(3);
  await scenario.send(claim!);
  await scenario.completed(otherId);
  await db.settings({ user_running_cap: 2 });
  await db.sweep(); // promotes the second
  expect(await sql`select from public.generation_jobs where ready_at is not null`).toHaveLength(1);
  expect(await feed(userId)).toHaveLength(before);
  expect(first).toBe(claim!.jobId);
});

test("an unready job, promoted by another's end in the same transaction, is not in the message", async () => {
  await db.settings({ user_running_cap: 1 });
  const userId = await db.addUser();
  const [first] = [await scenario.start(userId), await scenario.start(userId)];
  await kernel.cancel(userId, first);
  expect(kinds(await feed(userId))).toEqual(["queued", "queued", "canceled"]);
});

test("nothing is told of what was rolled back, and the next change takes its number", async () => {
  const userId = await db.addUser();
  await scenario.start(userId);
  await expect(sql.begin(async (transaction) => {
    await transaction`select public.grant_credits(${userId}, 5, 'undone')`;
    throw new Error("undone");
  })).rejects.toThrow("undone");
  expect(await feed(userId)).toHaveLength(1);
  await scenario.start(userId);
  expect(await feed(userId)).toHaveLength(2);
});

test("a savepoint that was rolled back leaves neither a message nor a gap", async () => {
  const userId = await db.addUser();
  await scenario.start(userId);
  await sql.begin(async (transaction) => {
    await transaction`select genflow.lock_account(${userId})`;
    await transaction.savepoint(async (inner) => {
      await inner`select public.grant_credits(${userId}, 5, 'undone')`;
      throw new Error("undone");
    }).catch((error: Error) => expect(error.message).toBe("undone"));
    await transaction`select public.grant_credits(${userId}, 7, 'kept')`;
  });
  const messages = await feed(userId);
  expect(messages.map((message) => message.account.balance)).toEqual([19, 26]);
});

test("a sweep's batch tells each of several users once, with all their jobs that it ended", async () => {
  await db.settings({ user_running_cap: 0 });
  const users = [await db.addUser(), await db.addUser(), await db.addUser()];
  for (const [at, userId] of users.entries()) {
    for (let count = 0; count <= at; count++) await scenario.start(userId);
  }
  await db.advance(86_401);
  await db.sweep();
  for (const [at, userId] of users.entries()) {
    const messages = await feed(userId);
    expect(messages).toHaveLength(at + 2);
    expect(messages.at(-1)!.jobs.map((job) => job.status)).toEqual(
      Array.from({ length: at + 1 }, () => "failed"),
    );
    expect(messages.at(-1)!.account.balance).toBe(20);
  }
});

test("a poison job's neighbour of the same user is told without a gap", async () => {
  await db.settings({ user_running_cap: 0 });
  const userId = await db.addUser();
  const [first, second] = [await scenario.start(userId), await scenario.start(userId)];
  // The first to be moved raises after it has taken the number; the second then takes it.
  const poison = [first, second].sort()[0]!;
  await sql.unsafe(
    `alter table public.generation_jobs add constraint poison check (id <> '${poison}' or status = 'queued') not valid`,
  );
  await db.advance(86_401);
  expect(await db.sweep()).toHaveLength(2);
  await sql`alter table public.generation_jobs drop constraint poison`;
  const messages = await feed(userId);
  expect(messages.at(-1)!.jobs.map((job) => job.id)).toEqual([first, second].filter((id) => id !== poison));
});

test("20 changes of one user at once are told in 20 messages, each number once", async () => {
  const userId = await db.addUser();
  await Promise.all(Array.from({ length: 20 }, () => kernel.start(startArguments(userId))));
  const messages = await feed(userId);
  expect(messages).toHaveLength(20);
  expect(new Set(messages.flatMap((message) => message.jobs.map((job) => job.id))).size).toBe(20);
});

test("a mark on a picture and its deletion are told with the picture", async () => {
  const userId = await db.addUser();
  await scenario.completed(userId);
  const [image] = await sql`select id from public.generation_images`;
  const before = (await feed(userId)).length;
  for (let call = 0; call < 2; call++) {
    await db.asUser(userId, (as) => as`select public.set_favorite(${image!["id"]}, true)`);
  }
  for (let call = 0; call < 2; call++) {
    await db.asUser(userId, (as) => as`select public.delete_images(${[image!["id"]]})`);
  }
  const messages = (await feed(userId)).slice(before);
  expect(messages).toMatchObject([{ images: [{ favorite: true, deletedAt: null }] }, {
    images: [{ id: image!["id"], deletedAt: expect.any(String) }],
  }]);
});

test("no message and no event carries the prompt, an input's path or the provider's addresses", async () => {
  const userId = await db.addUser();
  const inputPath = `${userId}/secret-otter.png`;
  await sql`insert into storage.objects (bucket_id, name) values ('generation-inputs', ${inputPath})`;
  const running = await scenario.running(userId, { modelId: "nano-banana-edit", inputPaths: [inputPath] });
  await scenario.deliver(running.taskId);
  const persist = await scenario.lease(running.attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
  const failing = await scenario.running(userId);
  await scenario.fail(failing.taskId, "moderation");
  const told = JSON.stringify([await db.messages(userId), await sql`select * from public.generation_events`]);
  for (
    const secret of [
      prompt,
      "secret-otter",
      "cdn.example.com",
      running.taskId,
      running.claim.leaseToken,
      running.sendId,
      "f".repeat(64),
    ]
  ) {
    expect(told).not.toContain(secret);
  }
});

test("a push that the platform cannot take loses the message and nothing else", async () => {
  const userId = await db.addUser();
  await sql`alter table realtime.messages detach partition realtime.messages_all`;
  const jobId = await scenario.start(userId);
  await sql`alter table realtime.messages attach partition realtime.messages_all for values from (minvalue) to (maxvalue)`;
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued", seq: "1" });
  expect(await db.messages(userId)).toEqual([]);
  await kernel.cancel(userId, jobId);
  expect((await db.messages(userId)).map((message) => message["seq"])).toEqual([2]); // the gap that makes the app re-read
});
