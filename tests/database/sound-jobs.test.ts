// A job whose parts do not go together is refused, whoever writes it.

import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);

test.each([
  ["an end without an ended status", "ended_at = now()"],
  ["an ended status without an end", "status = 'canceled'"],
  ["a failure without its reason", "status = 'failed', ended_at = now()"],
  ["a reason without a failure", "error_code = 'moderated'"],
  ["a turn of a job that is not queued", "status = 'submitting', ready_at = now()"],
  ["no pictures", "num_images = 0"],
  ["no price", "credits_per_image = 0"],
  ["no hold", "credits_held = 0"],
  ["a capture below nothing", "credits_captured = -1"],
  ["a capture above the hold", "credits_captured = credits_held + 1"],
])("%s is refused", async (_, change) => {
  const jobId = await scenario.start(await db.addUser());
  await expect(sql.unsafe(`update public.generation_jobs set ${change} where id = '${jobId}'`)).rejects
    .toMatchObject({
      code: "23514",
      message: expect.stringMatching(/is not sound/),
    });
});

test("a job that begins unsound is refused, and its row is not printed", async () => {
  const jobId = await scenario.start(await db.addUser());
  const begun = sql`
    insert into public.generation_jobs (user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images, trace_id,
        credits_per_image, credits_held)
      select user_id, gen_random_uuid(), request_hash, model_id, aspect_ratio, 0, trace_id, credits_per_image, credits_held
      from public.generation_jobs where id = ${jobId}`;
  const refusal: unknown = await begun.catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "23514" });
  expect(refusal).not.toHaveProperty("detail");
});
