// Cancelling without control over the provider: whatever it does, the job ends once and is charged once or not at all.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type App,
  balance,
  call,
  ledger,
  openApp,
  readJob,
  sharedStack,
  startJob,
  untilEnded,
} from "./app.ts";

let app: App;
beforeAll(async () => {
  app = await openApp(sharedStack());
});
afterAll(() => app?.close());

const cancel = async (jobId: string) => (await call(app, "cancel", { jobId })).body;

describe("cancel", () => {
  it("right after the start ends the job, and its hold closes once, captured only if the provider delivered", async () => {
    const before = await balance(app);
    const jobId = await startJob(app);
    const first = await cancel(jobId);
    expect(first).toMatchObject({ outcome: "canceled", job: { id: jobId, status: "canceled" } });
    expect(["released", "pending"]).toContain(first["refund"]);
    expect((await cancel(jobId))["outcome"]).toBe("canceled");
    await app.until(
      () =>
        app.changes.some(({ jobs }) => jobs.some((job) => job.id === jobId && job.creditsCaptured !== null)),
      "the hold is closed",
    );
    const { creditsHeld, creditsCaptured } = await readJob(app, jobId);
    const captured = creditsCaptured ?? NaN;
    expect([0, creditsHeld]).toContain(captured);
    expect(await ledger(app, jobId)).toEqual([
      { kind: "reserve", amount: -creditsHeld, captured: null },
      { kind: "close", amount: creditsHeld - captured, captured },
    ]);
    expect(await balance(app)).toBe(before - captured);
    const { data } = await app.client.from("generation_images").select("path").eq("job_id", jobId);
    expect(data).toEqual([]);
  });

  it("of a job that has ended changes neither the job nor the charge", async () => {
    const jobId = await startJob(app);
    const ended = await untilEnded(app, jobId);
    const charged = await balance(app);
    expect(await cancel(jobId)).toMatchObject({ outcome: "already_ended", refund: "none", job: ended });
    expect(await balance(app)).toBe(charged);
  });
});
