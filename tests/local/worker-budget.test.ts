// Who is charged for a worker's CPU time, and how it is read where there is no /proc.

import { expect, test } from "vitest";
import { createBudget } from "../../supabase/local/functions/limits.ts";
import { millisecondsOf } from "../../supabase/local/functions/usage.ts";

test("requests that are open at the same time share the CPU time", () => {
  const budget = createBudget();
  budget.enter();
  expect(budget.charge(100)).toBe(100);
  const leave = budget.enter();
  expect(budget.charge(100)).toBe(150);
  leave();
  expect(budget.charge(100)).toBe(250);
});

test("a request that has left is charged on only while background work is open", () => {
  const budget = createBudget();
  const leaveFirst = budget.enter();
  budget.charge(100);
  budget.background(true);
  leaveFirst();
  expect(budget.running).toBe(0);
  expect(budget.charge(100)).toBe(200);
  budget.background(false);
  expect(budget.charge(100)).toBe(0);
  budget.enter()();
  expect(budget.charge(100)).toBe(0);
});

test("background work that is heard of after its request has left has an account all the same", () => {
  const budget = createBudget();
  budget.enter()();
  budget.background(true);
  expect(budget.charge(100)).toBe(100);
});

test("a request that leaves twice leaves once", () => {
  const budget = createBudget();
  const leave = budget.enter();
  budget.enter();
  leave();
  leave();
  expect(budget.running).toBe(1);
});

test.each([
  ["0:00.05", 50],
  ["1:02.50", 62_500],
  ["00:01:02", 62_000],
  ["1-00:00:01", 86_401_000],
])("reads the CPU time %s", (time, milliseconds) => {
  expect(millisecondsOf(time)).toBeCloseTo(milliseconds, 5);
});
