import { expect, test } from "vitest";
import { median, percentile, spread, summarize } from "./statistics.ts";

test("the median is the middle one, or the mean of the two in the middle, in whatever order they came", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 6])).toBe(5.5);
  expect(median([])).toBeNaN();
});

test("a percentile is always a value that was measured", () => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(percentile(hundred, 0.95)).toBe(95);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile([3, 8], 0.5)).toBe(3);
  expect(percentile([3, 8], 0)).toBe(3);
});

test("one that never came makes the percentile infinite only from its place on", () => {
  const waits = [10, 20, 30, Infinity];
  expect(percentile(waits, 0.75)).toBe(30);
  expect(percentile(waits, 0.76)).toBe(Infinity);
});

test("a summary leaves the samples as they were", () => {
  const samples = [4, 2, 6];
  expect(summarize(samples)).toEqual({ samples: 3, mean: 4, median: 4, p95: 6, min: 2, max: 6 });
  expect(samples).toEqual([4, 2, 6]);
});

test("the spread is a share of the median", () => {
  expect(spread([90, 100, 120])).toBeCloseTo(0.3);
});
