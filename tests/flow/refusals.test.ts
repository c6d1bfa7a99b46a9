// What an app must be able to show when a start is refused for now: which cap, how high, how long to wait, what is
// there and what it costs. The catalogue says what each code carries; here the real answers are held against it.

import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { caps, Problem, type ProblemCode, problems } from "../../shared/contract/mod.ts";
import { type App, balance, call, openApp, request, startJob, tap } from "./app.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";

const minute = 60;
const day = 24 * 60 * minute;

let stack: ControlledStack;
const logged: string[] = [];
beforeAll(async () => {
  stack = await startControlledStack({ log: (line) => void logged.push(line) });
  // Nothing is to be made here.
  await stack.sql`update genflow.provider set running_cap = 0 where singleton`;
});
afterAll(() => stack?.stop());

interface Refusal {
  cause(app: App): Promise<unknown>;
  mend(app: App): Promise<unknown>;
  shows: { balance?: number; price?: number; cap?: keyof typeof caps; limit?: number };
  /** The least and the most seconds to wait. */
  wait?: [number, number];
}
const statuses = [402, 429, 503] as const;
type RefusedCode = {
  [Code in ProblemCode]: typeof problems[Code]["status"] extends typeof statuses[number] ? Code : never;
}[ProblemCode];

function projectCap(cap: keyof typeof caps, most: number): Refusal {
  const setting = cap.replace("project_", "max_");
  return {
    cause: () => stack.settings({ [setting]: 0 }),
    mend: () => stack.settings({ [setting]: null }),
    shows: { cap },
    wait: [1, most],
  };
}

/** Every code of these statuses, in each way in which it comes about. */
const refusals: Record<RefusedCode, Refusal[]> = {
  insufficient_credits: [{
    cause: (app) => spendAllBut(app, 0),
    mend: (app) => stack.sql`select public.grant_credits(${app.userId}, 1, 'ticket')`,
    shows: { balance: 0, price: 1 },
  }],
  rate_limited: [{
    async cause(app) {
      await stack.settings({ user_start_burst: 1, user_starts_per_minute: 6 });
      await startJob(app);
    },
    mend: () => stack.settings({ user_start_burst: 10, user_starts_per_minute: 100_000 }),
    shows: { cap: "user_starts_per_minute", limit: 6 },
    wait: [1, 10],
  }],
  too_many_pending: [{
    async cause(app) {
      await stack.settings({ user_pending_cap: 2 });
      await startJob(app);
      await startJob(app);
    },
    mend: () => stack.settings({ user_pending_cap: 20 }),
    shows: { cap: "user_pending", limit: 2 },
    wait: [1, minute],
  }],
  intake_paused: [{
    cause: () => stack.settings({ intake_paused: true, intake_retry_after_seconds: 77 }),
    mend: () => stack.settings({ intake_paused: false }),
    shows: {},
    wait: [77, 77],
  }],
  spend_limit_reached: [
    projectCap("project_credits_per_day", day),
    projectCap("project_starts_per_day", day),
    projectCap("project_credits_per_month", 31 * day),
    projectCap("project_starts_per_month", 31 * day),
  ],
  temporarily_unavailable: [{
    // As the Data API answers while it has no connection to the database.
    cause: () =>
      stack.sql.unsafe(`create function public.no_connection() returns trigger language plpgsql as
        $$ begin raise exception 'none' using errcode = 'PT503'; end $$;
        create trigger no_connection before insert on public.generation_jobs
          for each row execute function public.no_connection()`),
    mend: () => stack.sql`drop function public.no_connection() cascade`,
    shows: {},
    wait: [1, minute],
  }],
};
const cases = Object.entries(refusals).flatMap(([code, ways]) =>
  ways.map((way) => [code as RefusedCode, way.shows.cap ?? "no cap", way] as const)
);

async function spendAllBut(app: App, left: number): Promise<void> {
  const credits = await balance(app);
  await stack.sql`select genflow.add_entry(${app.userId}, 'adjust', ${left - credits}, null, 'spent', null)`;
}

describe("a start that is refused for now", () => {
  it.for(cases)("%s, %s: the answer carries what the catalogue says and leaves the key unused", async (
    [code, , { cause, mend, shows, wait }],
  ) => {
    const app = await openApp(stack);
    const key = randomUUID();
    await cause(app);
    const credits = await balance(app);
    const answer = await tap(app, request, key).finally(() => mend(app));

    const { status, title, action, extras } = problems[code];
    const problem = Problem.parse(answer.body);
    expect(problem).toEqual({
      type: "about:blank",
      code,
      status,
      title,
      detail: action,
      trace_id: answer.headers.get("x-trace-id"),
      ...shows,
      ...(wait && { retry_after_seconds: problem.retry_after_seconds }),
    });
    // Neither less than the entry says nor more.
    expect(Object.keys(answer.body).toSorted()).toEqual(
      ["type", "code", "status", "title", "detail", "trace_id", ...extras].toSorted(),
    );
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    if (wait) {
      expect(problem.retry_after_seconds).toBeGreaterThanOrEqual(wait[0]);
      expect(problem.retry_after_seconds).toBeLessThanOrEqual(wait[1]);
      expect(answer.headers.get("retry-after")).toBe(String(problem.retry_after_seconds));
      expect(answer.headers.get("access-control-expose-headers")).toContain("retry-after");
    } else {
      expect(answer.headers.has("retry-after")).toBe(false);
    }

    const line = () => logged.find((one) => one.includes(`"request_trace_id":"${problem.trace_id}"`)) ?? "";
    const told = `"code":"${code}",` + (shows.cap === undefined ? "" : `"cap":"${shows.cap}",`);
    await expect.poll(line).toContain(told);

    const again = await tap(app, request, key);
    expect(again.status).toBe(202);
    if (shows.balance === undefined) expect(await balance(app)).toBe(credits - 1);
    await app.close();
  });

  it("names each cap of the catalogue somewhere above, and none that is not there", () => {
    expect(new Set(cases.map(([, , { shows }]) => shows.cap).filter((cap) => cap !== undefined)))
      .toEqual(new Set(Object.keys(caps)));
  });

  it("at the database's absence is told of a cancel as of a start", async () => {
    const app = await openApp(stack);
    const jobId = await startJob(app);
    await stack.sql.unsafe(`create function public.no_connection() returns trigger language plpgsql as
      $$ begin raise exception 'none' using errcode = 'PT503'; end $$;
      create trigger no_connection before update on public.generation_jobs
        for each row execute function public.no_connection()`);
    const answer = await call(app, "cancel", { jobId }).finally(() =>
      stack.sql`drop function public.no_connection() cascade`
    );
    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ code: "temporarily_unavailable", retry_after_seconds: 5 });
    expect((await call(app, "cancel", { jobId })).body).toMatchObject({ outcome: "canceled" });
    await app.close();
  });
});
