// Mutated deliveries to the real webhook: a seeded part of what `npm run fuzz` sends.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawDelivery } from "./delivery.ts";
import { type Ground, layGround } from "./ground.ts";
import { fuzz } from "./run.ts";

const seed = 5;
const count = 5000;
const minuteMs = 60_000;
let ground: Ground;

beforeAll(async () => {
  ground = await layGround();
});
afterAll(() => ground?.stop());

describe("the webhook", () => {
  it(
    `settles only what the provider signed, and has no error of its own, in ${count} mutated deliveries`,
    async () => {
      const report = await fuzz(ground, { seed, first: 0, count });
      expect(report.failures).toEqual([]);
      expect(report.deliveries).toBe(count);
      // Both sides of every rule were seen: what may settle has settled, and what may not was there to try.
      expect(report.settled).toBeGreaterThan(10);
      for (const why of ["broken", "malformed", "method", "noted", "refused", "signed", "too large"]) {
        expect([why, report.verdicts.get(why) ?? 0]).toEqual([
          why,
          expect.toSatisfy((times: number) => times > 10),
        ]);
      }
      // Deno itself takes about 100 MiB; hosted ends a worker that holds 256 MiB more than that.
      expect(report.peakResidentBytes).toBeLessThan(256 * 1024 * 1024);
    },
    3 * minuteMs,
  );
});

describe("a run", () => {
  const aim = {
    targets: Array.from({ length: 18 }, (_, at) => ({ attemptId: `attempt-${at}`, taskId: `task-${at}` })),
    webhookSecret: "whsec_secret",
    callbackSecret: "secret",
    outputsUrl: "http://nobody.invalid",
    host: "nobody.invalid",
    atSeconds: 1_800_000_000,
  };
  const wires = (from: number, drawnSeed: number) =>
    Array.from({ length: 50 }, (_, at) => drawDelivery(drawnSeed, from + at, aim).wire.toString("latin1"));

  it("draws each delivery from the seed and its number alone", () => {
    expect(wires(1000, seed)).toEqual(wires(1000, seed));
    expect(new Set([...wires(1000, seed), ...wires(1000, seed + 1), ...wires(1001, seed)]).size).toBe(101);
  });
});
