// The provider's callbacks, good and bad, over HTTP.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { signWebhook } from "../../shared/wavespeed/mod.ts";
import { type App, openApp, readJob, startJob, untilEnded, untilStatus } from "./app.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";

let stack: ControlledStack;
let app: App;
let secret: string;

beforeAll(async () => {
  stack = await startControlledStack();
  secret = await webhookSecret();
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  await stack.provider({ latencyMs: 100, dropCallbacks: true });
  app = await openApp(stack);
  return () => app.close();
});

/** As the operator gets it: from the provider, with the key that the functions use. */
async function webhookSecret(): Promise<string> {
  const response = await fetch(`${stack.wavespeedUrl}/control`);
  const { webhookSecret } = await response.json();
  return webhookSecret;
}

async function deliver(body: string, headers: Record<string, string> = {}, query = ""): Promise<number> {
  const response = await fetch(`${stack.url}/functions/v1/wavespeed-webhook${query}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  await response.body?.cancel();
  return response.status;
}

async function signed(
  body: string,
  timestampSeconds = Math.floor(Date.now() / 1000),
): Promise<Record<string, string>> {
  return {
    ...await signWebhook({ secret, id: "delivery", body: new TextEncoder().encode(body), timestampSeconds }),
  };
}

describe("a callback", () => {
  it("settles the job when its signature is valid", async () => {
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "processing");
    const { taskId, output } = await delivered(jobId);
    const body = JSON.stringify({ id: taskId, model: "m", status: "completed", outputs: [output] });
    expect(await deliver(body, await signed(body))).toBe(200);
    expect((await untilEnded(app, jobId)).status).toBe("completed");
    expect(await deliver(body, await signed(body))).toBe(200);
    const failed = JSON.stringify({ id: taskId, model: "m", status: "failed" });
    expect(await deliver(failed, await signed(failed))).toBe(200);
    expect((await readJob(app, jobId)).status).toBe("completed");
  });

  it("changes nothing when it is bad in any way, and never makes an error of ours", async () => {
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "processing");
    const { taskId, output } = await delivered(jobId);
    const good = JSON.stringify({ id: taskId, model: "m", status: "completed", outputs: [output] });
    const now = Math.floor(Date.now() / 1000);
    const headers = await signed(good);
    const cases: [string, string, Record<string, string>, number][] = [
      ["no headers", good, {}, 401],
      ["bad signature", good, { ...headers, "webhook-signature": `v3,${"0".repeat(64)}` }, 401],
      ["signature of another body", good, await signed("{}"), 401],
      ["old", good, await signed(good, now - 301), 401],
      ["future", good, await signed(good, now + 360), 401],
      [
        "no timestamp",
        good,
        { "webhook-id": "x", "webhook-signature": headers["webhook-signature"] ?? "" },
        401,
      ],
      ...["NaN", "Infinity", "1e9", "", "0x7", String(now * 1000)].map((
        timestamp,
      ): [string, string, Record<string, string>, number] => [
        `timestamp ${timestamp}`,
        good,
        { ...headers, "webhook-timestamp": timestamp },
        401,
      ]),
      ["oversized", JSON.stringify({ id: taskId, padding: "x".repeat(262_144) }), {}, 413],
      ["broken JSON, signed", "{", await signed("{"), 400],
      [
        "unknown task, signed",
        ...await signedCase(
          JSON.stringify({ id: "0".repeat(32), model: "m", status: "completed", outputs: [output] }),
        ),
        200,
      ],
    ];
    for (const [name, body, caseHeaders, status] of cases) {
      expect([name, await deliver(body, caseHeaders)]).toEqual([name, status]);
    }
    expect((await readJob(app, jobId)).status).toBe("processing");
    const settled = await stack
      .sql`select 1 from genflow.attempts where result_status is not null and job_id = ${jobId}`;
    expect(settled).toEqual([]);
  });

  it("with a valid token and a bad signature makes a poll due, and the poll settles the job", async () => {
    await stack.provider({ latencyMs: 300, dropCallbacks: false, badSignatures: true });
    const jobId = await startJob(app);
    expect((await untilEnded(app, jobId)).status).toBe("completed");
    await stack.provider({ badSignatures: false });
    const [attempt] = await stack
      .sql`select unverified_callbacks, polls from genflow.attempts where job_id = ${jobId}`;
    expect(attempt).toEqual({ unverified_callbacks: 1, polls: 1 });
  });
});

async function signedCase(body: string): Promise<[string, Record<string, string>]> {
  return [body, await signed(body)];
}

/** Task and output of a job whose callback was dropped, once the provider has made it. */
async function delivered(jobId: string): Promise<{ taskId: string; output: string }> {
  const [row] = await stack.sql`select task_id from genflow.attempts where job_id = ${jobId}`;
  const taskId: string = row?.["task_id"];
  await expect.poll(async () => (await stack.journal()).predictions.find(({ id }) => id === taskId)?.status)
    .toBe("completed");
  return { taskId, output: `${stack.wavespeedUrl}/output/${taskId}-0.jpeg` };
}
