// What nobody may do, in any project: speak for the provider or for the database, write state, call the kernel.

import { createHmac, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, balance, openApp, sharedStack } from "./app.ts";

let app: App;
beforeAll(async () => {
  app = await openApp(sharedStack());
});
afterAll(() => app?.close());

async function post(path: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${app.target.url}/functions/v1/${path}`, { method: "POST", headers, body });
  return [response.status, (await response.json() as { code: string }).code];
}

const nowSeconds = () => Math.floor(Date.now() / 1000);
const hmac = (key: string, text: string) => createHmac("sha256", key).update(text).digest("hex");
const callback = JSON.stringify({ id: "0".repeat(32), model: "m", status: "completed", outputs: [] });

/** With all that a delivery has, signed by `key`. */
const signedBy = (key: string, timestamp = nowSeconds()) => ({
  "webhook-id": "delivery",
  "webhook-timestamp": String(timestamp),
  "webhook-signature": `v3,${hmac(key, `delivery.${timestamp}.${callback}`)}`,
});

describe("a callback that nobody vouches for", () => {
  it.for<[string, string, Record<string, string>]>([
    ["has no signature", "", {}],
    ["is signed with another key", "", signedBy("guessed")],
    ["is signed with no key", "", signedBy("")],
    ["has a token that is not this attempt's", `?attempt=${randomUUID()}&token=${hmac("guessed", "a")}`, {}],
    ["names no attempt", `?attempt=&token=`, {}],
  ])("is refused: it %s", async ([, query, headers]) => {
    expect(await post(`wavespeed-webhook${query}`, callback, headers)).toEqual([401, "unauthorized"]);
  });

  it("is not read to its end when it is larger than any callback", async () => {
    expect(await post("wavespeed-webhook", "x".repeat(262_145))).toEqual([413, "payload_too_large"]);
  });
});

describe.each(["sweep", "thumbnail"])("the %s function", (name) => {
  it.for<[string, () => Record<string, string>]>([
    ["no stamp", () => ({})],
    ["a stamp of another secret", () => {
      const seconds = String(nowSeconds());
      return { "x-genflow-sweep": `${seconds}.${hmac("guessed", seconds)}` };
    }],
    ["the app's key", () => ({ apikey: app.target.publishableKey })],
    ["a user's token", () => ({ authorization: `Bearer ${app.token}` })],
  ])("does not start for %s", async ([, headers]) => {
    expect(await post(name, "{}", headers())).toEqual([401, "unauthorized"]);
  });
});

describe("a user", () => {
  it.for<[table: string, key: string, values: Record<string, unknown>]>([
    ["generation_jobs", "id", { status: "completed" }],
    ["generation_images", "id", { flagged: false }],
    ["generation_prompts", "job_id", { prompt: "x" }],
    ["generation_events", "id", { event: "completed" }],
    ["credit_entries", "id", { amount: 1000, kind: "grant" }],
    ["generation_models", "id", { enabled: true }],
  ])("writes nothing to %s", async ([table, key, values]) => {
    const codes = await Promise.all([
      app.client.from(table).insert(values),
      app.client.from(table).update(values).not(key, "is", null),
      app.client.from(table).delete().not(key, "is", null),
    ]);
    expect(codes.map(({ error }) => error?.code)).toEqual(["42501", "42501", "42501"]);
  });

  it("calls no function of the kernel and gives no credits", async () => {
    const before = await balance(app);
    const grant = { p_user_id: app.userId, p_credits: 1000, p_reference: "own" };
    const claim = { p_claim_id: randomUUID(), p_limit: 1 };
    for (const [name, values] of [["grant_credits", grant], ["claim_generations", claim]] as const) {
      const { error } = await app.client.rpc(name, values);
      expect([name, error?.code]).toEqual([name, "42501"]);
    }
    expect(await balance(app)).toBe(before);
  });
});
