import { expect, test } from "vitest";
import { perSecond, runClients } from "./window.ts";

/** A clock that moves when it is told to. */
function clock() {
  let nowMs = 1000;
  return { now: () => nowMs, pass: (ms: number) => nowMs += ms };
}

test("what one client does while another waits is counted too", async () => {
  const { now, pass } = clock();
  const counted = [0, 0, 0, 0];
  const { done } = await runClients(4, 100, async (client) => {
    await Promise.resolve();
    pass(1);
    counted[client]! += 2;
    return 2;
  }, now);
  expect(counted.every((count) => count > 2)).toBe(true);
  expect(done).toBe(counted.reduce((sum, count) => sum + count));
});

test("work that began in time is finished and counted, and its time is in the window; nothing begins later", async () => {
  const { now, pass } = clock();
  let begun = 0;
  const window = await runClients(1, 100, async () => {
    begun++;
    await Promise.resolve();
    pass(60);
    return 5;
  }, now);
  expect(begun).toBe(2);
  expect(window).toEqual({ done: 10, elapsedMs: 120 });
  expect(perSecond({ done: 5, elapsedMs: 250 })).toBe(20);
});

test("one client's failure ends the others, though they have time, and is told", async () => {
  const { now } = clock();
  let others = 0;
  const running = runClients(2, 1, async (client) => {
    await Promise.resolve();
    if (client === 0) throw new Error("refused");
    if (++others > 100) throw new Error("the other went on");
    return 1;
  }, now);
  await expect(running).rejects.toThrow("refused");
  const atFailure = others;
  await new Promise((resolve) => setImmediate(resolve));
  expect(others).toBeLessThanOrEqual(atFailure + 1);
});
