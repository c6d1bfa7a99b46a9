import { expect, test } from "vitest";
import { openDatabase, type Row } from "./database.ts";
import { createScenario, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

/** Refused with this; nothing is held or spent, and the key can still be used once the cause is gone. */
async function expectRefusal(
  tap: Parameters<typeof kernel.start>[0],
  error: Row,
  mend?: () => Promise<unknown>,
) {
  const before = await traces();
  expect(await kernel.start(tap)).toEqual({ ok: false, error });
  expect(await traces()).toEqual(before);
  if (mend) {
    await mend();
    expect(await kernel.start(tap)).toMatchObject({ ok: true, replay: false });
  }
}

async function traces(): Promise<unknown> {
  return await sql`
    select (select count(*) from public.generation_jobs) as jobs, (select count(*) from public.generation_prompts) as prompts,
      (select count(*) from public.credit_entries where kind <> 'grant') as entries,
      (select coalesce(sum(credits), 0) || '/' || coalesce(sum(starts), 0) from genflow.spend) as spend,
      (select coalesce(sum(start_tokens), 0) from genflow.accounts) as tokens`;
}

const enabled = [
  "flux-schnell",
  "flux-dev",
  "z-image-turbo",
  "qwen-image",
  "seedream-v4",
  "nano-banana",
  "nano-banana-edit",
  "qwen-image-edit",
];

test("an unknown or disabled model is refused with those that may be asked for", async () => {
  const userId = await db.addUser();
  await expectRefusal(startArguments(userId, { modelId: "dall-e" }), {
    code: "unknown_model",
    fields: ["modelId"],
    allowed: enabled,
  });
  await sql`update public.generation_models set enabled = false where id = 'flux-dev'`;
  await expectRefusal(
    startArguments(userId, { modelId: "flux-dev" }),
    { code: "unknown_model", fields: ["modelId"], allowed: enabled.filter((id) => id !== "flux-dev") },
    () => sql`update public.generation_models set enabled = true`,
  );
});

test("an aspect ratio that the model does not make is refused with those it makes", async () => {
  const error = {
    code: "unsupported_aspect_ratio",
    fields: ["aspectRatio"],
    allowed: ["1:1", "16:9", "9:16", "4:3", "3:4"],
  };
  const userId = await db.addUser();
  await expectRefusal(startArguments(userId, { modelId: "qwen-image", aspectRatio: "21:9" }), error);
  await expectRefusal(startArguments(userId, { modelId: "qwen-image", aspectRatio: undefined }), error);
});

test.each([["empty", ""], ["blank", " \n\t "], ["too long", "x".repeat(2001)]])(
  "a prompt that is %s is refused",
  async (_, prompt) => {
    await expectRefusal(
      startArguments(await db.addUser(), { prompt }),
      { code: "invalid_prompt", fields: ["prompt"], allowed: ["1 to 2000 characters"] },
    );
  },
);

test.each([0, 5])("%i pictures of a model that makes four are refused", async (numImages) => {
  await expectRefusal(
    startArguments(await db.addUser(), { numImages }),
    { code: "unsupported_image_count", fields: ["numImages"], allowed: [1, 2, 3, 4] },
  );
});

test("too few and too many reference images are refused with the allowed numbers", async () => {
  const userId = await db.addUser();
  const tap = (count: number) =>
    startArguments(userId, {
      modelId: "qwen-image-edit",
      inputPaths: Array.from({ length: count }, () => `${userId}/a.png`),
    });
  const error = { code: "unsupported_input_count", fields: ["inputPaths"], allowed: [1, 2, 3] };
  await expectRefusal(tap(0), error);
  await expectRefusal(tap(4), error);
  await expectRefusal(startArguments(userId, { inputPaths: ["x"] }), { ...error, allowed: [0] });
});

test("a missing input, a foreign one and one with dot segments are refused in the same words", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const error = { code: "input_not_found", fields: ["inputPaths"] };
  const tap = (path: string) => startArguments(userId, { modelId: "nano-banana-edit", inputPaths: [path] });
  const paths = [
    `${otherId}/a.png`,
    `${userId}/../${otherId}/a.png`,
    `${userId}/./a.png`,
    `${userId}//a.png`,
    `/${userId}/a.png`,
  ];
  for (const name of paths) {
    await sql`insert into storage.objects (bucket_id, name) values ('generation-inputs', ${name})`;
    await expectRefusal(tap(name), error);
  }
  await sql`insert into storage.objects (bucket_id, name) values ('generations', ${`${userId}/b.png`})`;
  await expectRefusal(
    tap(`${userId}/b.png`),
    error,
    () =>
      sql`insert into storage.objects (bucket_id, name) values ('generation-inputs', ${`${userId}/b.png`})`,
  );
});

test("only an ended job of one's own can be retried", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const error = { code: "retry_not_possible", fields: ["retryOf"] };
  const foreign = await scenario.start(otherId);
  await kernel.cancel(otherId, foreign);
  await expectRefusal(startArguments(userId, { retryOf: foreign }), error);
  const own = await scenario.start(userId);
  await expectRefusal(startArguments(userId, { retryOf: own }), error, () => kernel.cancel(userId, own));
});

test("a paused intake refuses until it is opened, with a time to come back", async () => {
  await db.settings({ intake_paused: true, intake_retry_after_seconds: 77 });
  await expectRefusal(
    startArguments(await db.addUser()),
    { code: "intake_paused", retryAfterSeconds: 77 },
    () => db.settings({ intake_paused: false }),
  );
});

test("a burst is spent, and refills by the minute", async () => {
  await db.settings({ user_start_burst: 3, user_starts_per_minute: 2 });
  const userId = await db.addUser();
  for (let count = 0; count < 3; count++) await scenario.start(userId);
  await expectRefusal(
    startArguments(userId),
    { code: "rate_limited", retryAfterSeconds: 30, cap: "user_starts_per_minute", limit: 2 },
    () => db.advance(30),
  );
  expect(await kernel.start(startArguments(userId))).toMatchObject({
    ok: false,
    error: { code: "rate_limited" },
  });
  await db.advance(100_000);
  for (let count = 0; count < 3; count++) await scenario.start(userId);
  expect(await kernel.start(startArguments(userId))).toMatchObject({
    ok: false,
    error: { code: "rate_limited" },
  });
});

test("pending jobs are capped, by the account's own cap if it has one", async () => {
  await db.settings({ user_pending_cap: 2 });
  const userId = await db.addUser();
  const first = await scenario.start(userId);
  await scenario.start(userId);
  await expectRefusal(
    startArguments(userId),
    { code: "too_many_pending", retryAfterSeconds: 4, cap: "user_pending", limit: 2 },
    () => kernel.cancel(userId, first),
  );
  const generousId = await db.addUser();
  await db.account(generousId, { pending_cap: 3 });
  for (let count = 0; count < 3; count++) await scenario.start(generousId);
  await expectRefusal(startArguments(generousId), {
    code: "too_many_pending",
    retryAfterSeconds: 4,
    cap: "user_pending",
    limit: 3,
  });
});

test("credits that do not cover the price are refused with both", async () => {
  const userId = await db.addUser();
  const tap = startArguments(userId, { modelId: "flux-dev", numImages: 4 });
  await db.settings({ sign_up_grant_credits: 7 });
  await expectRefusal(
    tap,
    { code: "insufficient_credits", balance: 7, price: 8 },
    () => db.rpc("grant_credits", { p_user_id: userId, p_credits: 1, p_reference: "ticket" }),
  );
  expect(await scenario.balance(userId)).toBe(0);
});

test.each([
  ["max_credits_per_day", 4, "day"],
  ["max_starts_per_day", 2, "day"],
  ["max_credits_per_month", 4, "month"],
  ["max_starts_per_month", 2, "month"],
])("%s stops the whole project until the %3$s is over", async (setting, limit, period) => {
  // The 10th at noon: neither the day nor the month ends while this runs.
  const [row] = await sql<{ seconds: number }[]>`
    select extract(epoch from date_trunc('month', now() at time zone 'UTC') + interval '1 month 9 days 12 hours'
      - (now() at time zone 'UTC'))::float8 as seconds`;
  await db.advance(row!.seconds);
  await db.settings({ [setting]: limit });
  for (let count = 0; count < 2; count++) await scenario.start(await db.addUser(), { modelId: "flux-dev" });

  const refused = await kernel.start(startArguments(await db.addUser()));
  // The cap is named, its height is the operator's.
  expect(refused).toEqual({
    ok: false,
    error: {
      code: "spend_limit_reached",
      cap: setting.replace("max_", "project_"),
      retryAfterSeconds: expect.any(Number),
    },
  });
  const seconds = refused.ok ? 0 : refused.error.retryAfterSeconds ?? 0;
  const days = seconds / 86_400;
  if (period === "day") expect(days).toBeCloseTo(0.5, 2);
  else expect(days).toSatisfy((left: number) => left > 18 && left < 22);

  await db.advance(seconds - 60);
  expect(await kernel.start(startArguments(await db.addUser()))).toMatchObject({ ok: false });
  await db.advance(61);
  expect(await kernel.start(startArguments(await db.addUser()))).toMatchObject({ ok: true });
});

test("the spend guard has room for exactly its limit, however many start at once", async () => {
  await db.settings({ max_credits_per_day: 5 });
  const users = await Promise.all(Array.from({ length: 12 }, () => db.addUser()));
  const answers = await Promise.all(users.map((userId) => kernel.start(startArguments(userId))));
  expect(answers.filter((answer) => answer.ok)).toHaveLength(5);
});
