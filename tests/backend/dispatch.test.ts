// Rounds of claiming: who is waited for, when it ends, and that no POST is left alone.

import { expect, test, vi } from "vitest";
import { dispatch } from "../../shared/backend/mod.ts";
import { acceptedAs, claimOf } from "./claims.ts";
import { attemptId, fakeBackend, oneAfterAnother, otherAttemptId, userId } from "./fake-backend.ts";

const none = { claims: [], skippedUserIds: [] };
const skipped = { claims: [], skippedUserIds: [userId] };
const one = { claims: [claimOf()], skippedUserIds: [] };
const submit = () => Promise.resolve(acceptedAs("task-1"));

test("dispatch claims until a claim is empty, each claim under an id of its own", async () => {
  const { backend, asked } = fakeBackend({
    kernel: { claim_generations: oneAfterAnother(one, one, none) },
    provider: { submit },
  });
  expect(await dispatch(backend)).toBe(2);
  const claims = asked("claim_generations");
  expect(claims).toHaveLength(3);
  expect(new Set(claims.map((args) => args["p_claim_id"])).size).toBe(3);
});

test("busy users are waited for once and claimed once more", async () => {
  const { backend, calls } = fakeBackend({ kernel: { claim_generations: () => skipped } });
  expect(await dispatch(backend)).toBe(0);
  expect(calls.map(({ name }) => name)).toEqual(["claim_generations", "await_accounts", "claim_generations"]);
  expect(calls[1]?.args).toEqual({ p_users: { user_ids: [userId] } });
});

test("what became ready during the wait is submitted", async () => {
  const { backend, asked } = fakeBackend({
    kernel: { claim_generations: oneAfterAnother<unknown>(skipped, one, skipped) },
    provider: { submit },
  });
  expect(await dispatch(backend)).toBe(1);
  expect(asked("await_accounts")).toHaveLength(1);
});

test("a user id that is no RFC 9562 UUID, as an import may bring it, holds nobody up", async () => {
  const imported = "11111111-1111-1111-1111-111111111111";
  const { backend, asked } = fakeBackend({
    kernel: { claim_generations: oneAfterAnother({ claims: [], skippedUserIds: [imported] }, none) },
  });
  await dispatch(backend);
  expect(asked("await_accounts")).toEqual([{ p_users: { user_ids: [imported] } }]);
});

test("one dispatch goes ten rounds at the most", async () => {
  const { backend, asked } = fakeBackend({ kernel: { claim_generations: () => one }, provider: { submit } });
  expect(await dispatch(backend)).toBe(10);
  expect(asked("claim_generations")).toHaveLength(10);
});

test("no round begins once a slow provider has used up the time", async () => {
  const fake = fakeBackend({
    kernel: { claim_generations: () => one },
    provider: {
      submit: () => {
        fake.advance(10_000);
        return submit();
      },
    },
  });
  expect(await dispatch(fake.backend)).toBe(2);
});

test("a submit that fails is told only after the others of its round have ended", async () => {
  let answerLate: (() => void) | undefined;
  const late = new Promise<void>((resolve) => answerLate = resolve);
  const { backend, asked } = fakeBackend({
    kernel: {
      claim_generations: () => ({
        claims: [claimOf(), claimOf({ attemptId: otherAttemptId })],
        skippedUserIds: [],
      }),
      mark_sending: (args) => {
        if (args["p_attempt_id"] === attemptId) throw new Error("the database is gone");
        return { go: true, leaseSeconds: 60 };
      },
    },
    provider: {
      submit: async () => {
        await late;
        return acceptedAs("task-2");
      },
    },
  });
  const ended = vi.fn();
  const dispatched = dispatch(backend).finally(ended);
  const told = expect(dispatched).rejects.toThrow("the database is gone");
  await vi.waitFor(() => expect(asked("mark_sending")).toHaveLength(2));
  // Every promise that could settle by now has done so in a turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).not.toHaveBeenCalled();
  answerLate?.();
  await told;
  expect(asked("record_submission")).toMatchObject([{
    p_attempt_id: otherAttemptId,
    p_outcome: { kind: "accepted" },
  }]);
});
