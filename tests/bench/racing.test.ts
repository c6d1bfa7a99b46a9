import { expect, test } from "vitest";
import { createTally } from "./admission/racing.ts";

test("a claim above the cap is a violation, one that fills it is none", () => {
  const tally = createTally(2);
  tally.claimed(1);
  tally.claimed(0);
  tally.claimed(1);
  expect(tally.read()).toEqual({ claims: 2, heldMax: 2, violations: 0 });
  tally.claimed(2);
  tally.ending(3);
  tally.claimed(1);
  expect(tally.read()).toEqual({ claims: 5, heldMax: 4, violations: 1 });
});

test("an empty claim while too much is held is nobody's violation", () => {
  const tally = createTally(1);
  tally.claimed(2);
  tally.claimed(0);
  expect(tally.read().violations).toBe(1);
});
