import { expect, test } from "vitest";
import { Hold, holdReasons, jobErrors, Queue } from "../../shared/contract/mod.ts";

const queue = { position: 3, exact: true, etaSeconds: 40 };

test("a queue says why nothing is claimed and until when, or that nobody knows, or that nothing is in the way", () => {
  const until = "2026-11-22T12:00:30.123456+00:00"; // as Postgres writes it
  for (const hold of [null, { reason: "provider_outage", until }, { reason: "paused", until: null }]) {
    expect(Queue.parse({ ...queue, hold })).toEqual({ ...queue, hold });
  }
});

test("a queue without a hold, and a hold without an until, are no answers", () => {
  expect(Queue.safeParse(queue).success).toBe(false);
  expect(Queue.safeParse({ ...queue, hold: {} }).success).toBe(false);
  expect(Hold.safeParse({ reason: "paused" }).success).toBe(false);
  expect(Hold.safeParse({ reason: "paused", until: "soon" }).success).toBe(false);
});

test("a reason of a later version is read, for an app that is older than its server", () => {
  expect(Hold.parse({ reason: "eclipse", until: null })).toEqual({ reason: "eclipse", until: null });
});

test.each(Object.entries({ ...holdReasons, ...jobErrors }))(
  "%s has a title and an action, each a sentence that names no inner part",
  (_, { title, action }) => {
    for (const text of [title, action]) {
      expect(text).toMatch(/^[A-Z].*\.$/);
      expect(text).not.toMatch(/breaker|429|lease|attempt|WaveSpeed|SQL/i);
    }
  },
);
