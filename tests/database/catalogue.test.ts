import { expect, test } from "vitest";
import { holdReasons, jobErrors, problems } from "../../shared/contract/mod.ts";
import { type FailureClass, ProviderModel, type RejectionClass } from "../../shared/wavespeed/mod.ts";
import { openDatabase } from "./database.ts";

const { sql } = await openDatabase();

async function functionSources(): Promise<string[]> {
  const rows = await sql<{ prosrc: string }[]>`
    select prosrc from pg_proc where pronamespace in ('public'::regnamespace, 'genflow'::regnamespace)`;
  return rows.map((row) => row.prosrc);
}

function found(sources: string[], pattern: RegExp): Set<string> {
  return new Set(sources.flatMap((source) => [...source.matchAll(pattern)].map((match) => match[1]!)));
}

test("genflow.job_errors and the contract's job errors are one list", async () => {
  const rows = await sql<
    { code: string; retryable: boolean }[]
  >`select code, retryable from genflow.job_errors`;
  expect(Object.fromEntries(rows.map((row) => [row.code, row.retryable])))
    .toEqual(Object.fromEntries(Object.entries(jobErrors).map(([code, { retryable }]) => [code, retryable])));
});

test("every code that SQL refuses or raises with stands in the contract's problems, with the same HTTP status", async () => {
  const sources = await functionSources();
  const refusals = found(sources, /genflow\.refusal\('([a-z_]+)'/g);
  expect(refusals.size).toBeGreaterThanOrEqual(13);
  const hints = [...sources.join("\n").matchAll(/errcode = 'PT(\d{3})', hint = '([a-z_]+)'/g)];
  expect(hints.length).toBeGreaterThanOrEqual(5);
  expect([...refusals].filter((code) => !(code in problems))).toEqual([]);
  const statusOf = new Map<string, number>(
    Object.entries(problems).map(([code, { status }]) => [code, status]),
  );
  for (const [, status, code] of hints) expect([code, statusOf.get(code!)]).toEqual([code, Number(status)]);
});

test("every job error that SQL ends a job with is in the list", async () => {
  const rows = await sql<{ code: string }[]>`select code from genflow.job_errors`;
  const known = new Set(rows.map((row) => row.code));
  const used = found(await functionSources(), /fail_job\([a-z_.]+, '([a-z_]+)'\)/g);
  expect(used.size).toBeGreaterThan(2);
  expect([...used].filter((code) => !known.has(code))).toEqual([]);
});

test("every job error can be reached: by a failure class, or by a function that names it", async () => {
  const sources = (await functionSources()).join("\n");
  const classes = await sql<
    { error_code: string }[]
  >`select distinct error_code from genflow.failure_classes`;
  const decided = new Set(classes.map((row) => row.error_code));
  const unreachable = Object.keys(jobErrors).filter((code) =>
    !decided.has(code) && !sources.includes(`'${code}'`)
  );
  expect(unreachable).toEqual([]);
});

/** class: decision, error it ends with, whether it burns an attempt, pause in seconds, and what it says of the provider. */
type Decision = [string, string | null, boolean, number, boolean | null];
/** What SQL itself finds out; the others the provider's client reports, and the compiler misses none of them. */
type KernelClass = "absent" | "abandoned" | "deleted_by_us";
/** Nothing was sent, and it was not the provider's doing. */
type BackendClass = "interrupted" | "unsendable" | "input_missing";
const decisions: Record<FailureClass | RejectionClass | BackendClass | KernelClass, Decision> = {
  unsendable: ["fail", "input_rejected", true, 0, null],
  input_missing: ["fail", "input_unreachable", true, 0, null],
  deleted_by_us: ["fail", "provider_failed", true, 0, null],
  moderation: ["fail", "moderated", true, 0, false],
  bad_input: ["fail", "input_rejected", true, 0, false],
  input_unreachable: ["fail", "input_unreachable", true, 0, false],
  model_not_found: ["fail", "model_unavailable", true, 0, false],
  task_failed: ["fail", "provider_failed", true, 0, false],
  abandoned: ["fail", "provider_failed", true, 0, null],
  rate_limited: ["requeue", null, false, 60, false],
  no_credits: ["requeue", null, false, 300, false],
  unauthorized: ["requeue", null, false, 300, false],
  suspended: ["requeue", null, false, 600, false],
  not_sent: ["requeue", "provider_down", true, 0, true],
  refused: ["requeue", "provider_failed", true, 0, false],
  provider_error: ["requeue", "provider_failed", true, 0, false],
  timeout: ["requeue", "processing_timeout", true, 0, false],
  cancelled: ["requeue", "provider_failed", true, 0, false],
  deleted: ["requeue", "provider_failed", true, 0, false],
  no_outputs: ["requeue", "no_outputs", true, 0, false],
  absent: ["requeue", "submit_unknown", true, 0, null],
  interrupted: ["requeue", "interrupted", true, 0, null],
};

test("each failure class decides as written here: nothing of the account's or the operator's making burns an attempt", async () => {
  const rows = await sql<
    {
      class: string;
      decision: string;
      error_code: string;
      burns: boolean;
      pause_seconds: number;
      is_outage: boolean;
    }[]
  >`select * from genflow.failure_classes`;
  expect(
    Object.fromEntries(
      rows.map((
        row,
      ) => [row.class, [row.decision, row.error_code, row.burns, row.pause_seconds, row.is_outage]]),
    ),
  )
    .toEqual(decisions);
});

test("the reasons that a pause, the breaker, a cap of 0 or a low balance is told as are the contract's", async () => {
  const classes = await sql<{ hold_reason: string }[]>`
    select distinct hold_reason from genflow.failure_classes where hold_reason is not null`;
  const [source] = await sql<{ prosrc: string }[]>`select prosrc from pg_proc where proname = 'hold_json'`;
  const named = found([source!.prosrc], /'(paused|provider_[a-z]+)'/g);
  expect([...new Set([...classes.map((row) => row.hold_reason), ...named])].toSorted())
    .toEqual(Object.keys(holdReasons).toSorted());
});

test("every model row is one that the provider's client can read, for each of its ratios", async () => {
  const rows = await sql<
    { id: string; provider: unknown; aspect_ratios: string[] }[]
  >`select * from public.generation_models`;
  expect(rows.length).toBe(8);
  for (const row of rows) {
    const provider = ProviderModel.parse(row.provider);
    expect(Object.keys(provider.ratios)).toEqual(expect.arrayContaining(row.aspect_ratios));
  }
});
