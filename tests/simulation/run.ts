// One seed: its weather, its people, its provider, and everything that must be true while and after they had their day.

import { createHash } from "node:crypto";
import { receiveCallback, sweep as sweepWork, thumbnailDue } from "../../shared/backend/mod.ts";
import type { Look, SimulatedDatabase, Violation } from "./database.ts";
import { createFaults, type Fault } from "./faults.ts";
import { lookBack, type Outcome } from "./aftermath.ts";
import { createMachine } from "./invocation.ts";
import { createPeople, promptMark } from "./people.ts";
import { backendOf, type World } from "./ports.ts";
import { createProfiles } from "./profiles.ts";
import { createProvider, type Delivery } from "./provider.ts";
import { seeded } from "./random.ts";
import { createStorage } from "./storage.ts";
import { createTime } from "./time.ts";

export interface Result {
  seed: number;
  violations: string[];
  /** The last lines of what happened. */
  trail: string[];
  /** Of the whole trail: the same seed gives the same. */
  trailHash: string;
  faults: Partial<Record<Fault, number>>;
  /** How often each promise was looked at. */
  checks: Record<string, number>;
  outcome: Outcome | null;
  users: number;
  /** Jobs, those of deleted users among them. */
  accepted: number;
  simulatedSeconds: number;
  events: number;
}

const startMs = Date.UTC(2026, 0, 5, 9);
const webhookUrl = "https://project.example.com/functions/v1/wavespeed-webhook";
const maxTrail = 4000;
/** The queue's deadline, the longest storing and the longest attempt, one after the other. */
const maxSimulatedSeconds = 60 * 3600;
/** With as many skipped in a row as there may be, it is within the quarter of an hour that a sweep may be late. */
const maxSweepSeconds = 600;
const maxSkipped = 4;
/** Calls after which everything is looked at. The others only read, or say when to ask again. */
const changing: ReadonlySet<string> = new Set([
  "start_generation",
  "mark_sending",
  "record_submission",
  "record_listing",
  "settle_generation",
  "record_image",
  "complete_generation",
  "cancel_generation",
  "record_thumbnail",
  "grant_credits",
]);

export async function runSeed(database: SimulatedDatabase, seed: number): Promise<Result> {
  const random = seeded(seed);
  const time = createTime(startMs);
  const weather = random.pick([0.5, 1, 1, 1.5, 2.5]);
  const faults = createFaults(seeded(seed ^ 0x5eed), weather);
  const violations: string[] = [];
  const trail: string[] = [];
  const hash = createHash("sha256");
  const checks: Record<string, number> = {};
  let events = 0;
  let changes = 0;
  const note = (line: string) => {
    const told = `${((time.now() - startMs) / 1000).toFixed(3)} ${line}`;
    hash.update(told);
    trail.push(told);
    if (trail.length > maxTrail) trail.shift();
  };
  const violated = (promise: number, what: string) => {
    const told = `promise ${promise}: ${what}`;
    if (violations.includes(told)) return;
    violations.push(told);
    note(`VIOLATED ${told}`);
  };
  const check = (promise: number) => void (checks[promise] = (checks[promise] ?? 0) + 1);

  await database.begin(startMs, seed);
  const users = random.integer(3, 5);
  await database.set(startMs, "genflow.settings", {
    user_running_cap: random.pick([1, 2, 3]),
    user_pending_cap: random.pick([3, 10, 20]),
    sign_up_grant_credits: random.pick([0, 5, 20]),
    tell_provider_on_cancel: random.chance(0.3),
    max_credits_per_day: random.chance(0.1) ? 60 : null,
    min_provider_balance_usd: random.chance(0.2) ? 1 : null,
  });
  await database.set(startMs, "genflow.provider", {
    running_cap: random.pick([2, 3, 8]),
    start_burst: 10,
    starts_per_minute: random.pick([10, 60]),
  });
  // Long before.
  await database.sql`update genflow.settings set user_running_cap_at = '-infinity'`;
  await database.sql`update genflow.provider set running_cap_at = '-infinity'`;

  const machine = createMachine({
    time,
    random,
    faults,
    // The last is beyond what a signature's time may differ by.
    skewMs: random.pick([0, 2000, 20_000, 450_000]),
    trail: note,
  });
  const owners = new Map<string, { userId: string; jobId: string }>();
  const storage = createStorage({
    random,
    faults,
    noteStored: (bucket, path, bytes) => database.noteStored(time.now(), bucket, path, bytes),
    async noteRemoved(bucket, paths) {
      await database.sql.begin(async (transaction) => {
        await transaction`select set_config('storage.allow_delete_query', 'true', true)`;
        await transaction`delete from storage.objects where bucket_id = ${bucket} and name = any (${paths})`;
      });
    },
  });
  const provider = createProvider({
    time,
    random,
    faults,
    medianSeconds: random.pick([4, 15, 40]),
    echoesInputs: random.chance(0.7),
    callsBack: random.chance(0.9),
    deliver,
    made(task) {
      note(`task ${task.id.slice(0, 6)} for attempt ${task.attemptId?.slice(0, 8) ?? "a stranger's"}`);
      if (task.attemptId === null) return;
      check(2);
      const owner = owners.get(task.attemptId);
      for (const other of provider.tasks.values()) {
        if (other === task || other.attemptId === null) continue;
        if (other.attemptId === task.attemptId) violated(2, `attempt ${task.attemptId} has two tasks`);
        const isOfJob = owner !== undefined && owners.get(other.attemptId)?.jobId === owner.jobId;
        if (isOfJob && other.endedMs === null && !other.isForgotten) {
          violated(2, `job ${owner.jobId} has a second task while the first goes on`);
        }
        if (isOfJob && other.paid && other.outputs.length > 0) {
          violated(2, `job ${owner.jobId} has a second task after one that has its pictures`);
        }
      }
      if (faults.strikes("provider: lists a stranger's prediction")) {
        // Of the same model and second, with the same words at times: another application's on the same account.
        provider.accept(
          task.model,
          random.chance(0.5) ? { ...task.input, seed: random.integer(0, 2 ** 31 - 1) } : {
            prompt: task.input["prompt"],
          },
          null,
        );
      }
    },
  });

  const erased = new Set<string>();
  let restartDue = false;
  function restart(): void {
    faults.seen("all functions killed");
    for (const invocation of [...machine.alive]) if (!invocation.isApp) machine.kill(invocation);
  }

  const world: World = {
    time,
    random,
    faults,
    machine,
    provider,
    storage,
    webhookUrl,
    wakeThumbnails(pictures) {
      for (let count = 0; count < pictures; count++) time.after(random.between(20, 200), drawSmall);
    },
    async submitBegins(webhook) {
      const attemptId = webhook === null ? null : new URL(webhook).searchParams.get("attempt");
      const [row] = await time.during(database.sql<{ left_seconds: number; deadline_seconds: number }[]>`
        select extract(epoch from lease_expires_at)::float8 - ${time.now() / 1000}::float8 as left_seconds,
          s.submit_deadline_seconds as deadline_seconds
        from genflow.attempts, genflow.settings s where id = ${attemptId}`);
      check(2);
      if (row && row.left_seconds < row.deadline_seconds) {
        violated(2, `the submit of attempt ${attemptId} begins with ${row.left_seconds} s left of its lease`);
      }
    },
    log(line) {
      check(9);
      // A callback that was signed just now, by the world's clock.
      if (/"reason":"(stale|future)"/.test(line)) faults.seen("clock skew");
      if (line.includes(promptMark)) violated(9, `a prompt in the log: ${line.slice(0, 100)}`);
    },
    async call(invocation, name, args) {
      const atMs = time.now();
      const looks = changing.has(name);
      let isChange = looks;
      if (restartDue && !invocation.isApp) {
        restartDue = false;
        time.after(random.between(0, 300), restart);
      }
      try {
        const held = name === "claim_generations" ? await heldBack() : null;
        const called = await database.rpc(atMs, name, args, looks ? touchedBy(args) : "none");
        if (looks) found(called.violations);
        const answer = called.answer();
        if (held !== null) compareClaims(answer, held);
        learn(answer);
        note(`${invocation.name}#${invocation.number} ${name} ${summary(answer)}`);
        if (name === "record_submission") compareTask(args, answer);
        if (name === "claim_generations" && !isEmptyClaim(answer)) {
          isChange = true;
          await inspect();
        }
        isChange &&= !isWaiting(answer);
        return answer;
      } catch (error) {
        note(`${invocation.name}#${invocation.number} ${name} raised ${String(error)}`);
        if (!erased.has(String(args["p_user_id"]))) violated(4, `${name} raised ${String(error)}`);
        throw error;
      } finally {
        if (isChange) changes++;
      }
    },
  };

  /** What other users' jobs have to do with it shows at the next claim and sweep, which everything is looked at after. */
  function touchedBy(args: Record<string, unknown>): Look {
    const attemptId = args["p_attempt_id"] ?? provider.tasks.get(String(args["p_task_id"]))?.attemptId;
    const userId = args["p_user_id"] ?? owners.get(String(attemptId))?.userId;
    return typeof userId === "string" ? { userId } : "all";
  }
  /** `by` null: claims may be made, one at most while it is tried whether submits get through. */
  async function heldBack(): Promise<{ by: string | null; limit: number }> {
    const [row] = await database.sql<{ by: string | null; limit: number }[]>`
      select case when p.paused_until > n.now then 'a pause' when p.breaker_open_until > n.now then 'an open breaker'
          when p.balance_usd < s.min_provider_balance_usd then 'a low balance' end as by,
        case when p.breaker_open_until is null then 1000 else 1 end as limit
      from genflow.provider p, genflow.settings s, (select ${new Date(time.now())}::timestamptz as now) n`;
    return row!;
  }
  function compareClaims(answer: unknown, held: { by: string | null; limit: number }): void {
    const { claims } = answer as { claims: { attemptId: string }[] };
    // Others are told again to who did not hear it.
    const isNew = claims.filter(({ attemptId }) => !owners.has(attemptId)).length;
    if (isNew === 0) return;
    check(6);
    if (held.by !== null) violated(6, `${isNew} claims in spite of ${held.by}`);
    if (isNew > held.limit) violated(6, `${isNew} claims where one is to show whether submits get through`);
  }
  function learn(answer: unknown): void {
    const { claims } = (answer ?? {}) as { claims?: { attemptId: string; userId?: string; jobId: string }[] };
    for (const { attemptId, userId, jobId } of claims ?? []) {
      if (userId !== undefined) owners.set(attemptId, { userId, jobId });
    }
  }
  /** What the provider has accepted is known from then on, however late it is told. */
  function compareTask(args: Record<string, unknown>, answer: unknown): void {
    const outcome = args["p_outcome"] as { kind: string; taskId?: string };
    const { recorded, taskId } = answer as { recorded: boolean; taskId?: string };
    check(2);
    // With its user an attempt goes whose end was known before the answer came.
    if (erased.has(owners.get(String(args["p_attempt_id"]))?.userId ?? "")) return;
    if (outcome.kind === "accepted" && (!recorded || taskId !== outcome.taskId)) {
      violated(2, `task ${outcome.taskId} was accepted and is forgotten`);
    }
  }
  async function inspect(): Promise<void> {
    found(await database.violations(time.now()));
  }
  function found(rows: Violation[]): void {
    for (const promise of [1, 2, 3, 4, 5, 6, 7]) check(promise);
    for (const { promise, rule, job_id, user_id, detail } of rows) {
      violated(promise, `${rule}: job ${job_id} of ${user_id} ${JSON.stringify(detail)}`);
    }
  }

  function drawSmall(): void {
    void machine.run("thumbnail", async (invocation) => {
      await thumbnailDue(backendOf(world, invocation, "thumbnail"), ({ bytes }) => {
        if (faults.strikes("thumbnail: the decoder kills its process")) {
          faults.seen("thumbnail: the decoder kills its process");
          machine.kill(invocation);
        }
        return {
          bytes: Uint8Array.from(bytes.slice(-40)),
          contentType: "image/webp",
          thumbhash: "3OcRJYB4d3h/iIeHeEh3eIhw+j2w",
        };
      });
    });
  }
  function deliver(delivery: Delivery): void {
    void machine.run("wavespeed-webhook", async (invocation) => {
      const query = delivery.url.searchParams;
      await noteDelivery(delivery);
      const backend = backendOf(world, invocation, "wavespeed-webhook");
      const received = await backend.log.step("follow_up", {}, (line) =>
        receiveCallback(backend, {
          headers: delivery.headers,
          body: delivery.body,
          attemptId: query.get("attempt"),
          token: query.get("token"),
        }, line));
      if (received.kind === "accepted" && received.after !== null) await received.after();
    });
  }
  async function noteDelivery({ task }: Delivery): Promise<void> {
    const [row] = await time.during(database.sql<{ status: string; follows: boolean; known: boolean }[]>`
      select j.status, j.attempt_id = a.id as follows, a.task_id is not null as known
      from genflow.attempts a join public.generation_jobs j on j.id = a.job_id where a.id = ${task.attemptId}`);
    if (row?.known === false) faults.seen("callback: before the submit's answer");
    if (row?.status === "canceled") faults.seen("callback: after cancel");
    if (row?.follows === false) faults.seen("callback: for an earlier attempt");
  }

  // What pg_cron is told, and not much more often than something may have changed.
  const sweepSeconds = random.pick([40, 60]);
  let isOver = false;
  let peopleAreDone = false;
  let quietSweeps = 0;
  let skipped = 0;
  let seenChanges = 0;
  async function sweep(): Promise<void> {
    // Where nothing happens but polls of what hangs, a sweep each ten seconds shows nothing new.
    quietSweeps = changes > seenChanges ? 0 : quietSweeps + 1;
    seenChanges = changes;
    const isSkipped = faults.strikes("sweep: skipped") && skipped < maxSkipped;
    skipped = isSkipped ? skipped + 1 : 0;
    if (isSkipped) faults.seen("sweep: skipped");
    else await sweepOnce();
    const seconds = isSkipped ? sweepSeconds : Math.min(maxSweepSeconds, sweepSeconds * 2 ** quietSweeps);
    if (random.chance(0.1)) await profiles.read();
    isOver = peopleAreDone && machine.alive.size === 0 && provider.callbacksUnderWay === 0 &&
      await isAllEnded(database);
    if (!isOver) time.after(seconds * 1000, sweep);
  }
  async function sweepOnce(): Promise<void> {
    const { warnings, knocks, moved } = await database.sweep(time.now());
    for (const warning of warnings) violated(4, `the sweep warns: ${warning}`);
    if (moved > 0) await inspect();
    note(`sweep moves ${moved}, knocks ${knocks} times`);
    if (knocks === 0) return;
    if (faults.strikes("sweep: knock lost")) return faults.seen("sweep: knock lost");
    const isDoubled = faults.strikes("sweep: doubled");
    if (isDoubled) faults.seen("sweep: doubled");
    for (let count = 0; count < (isDoubled ? 2 : 1); count++) {
      void machine.run("sweep", async (invocation) => {
        await sweepWork(backendOf(world, invocation, "sweep"));
      });
    }
  }

  const people = createPeople({
    world,
    database,
    erased,
    users,
    taps: random.integer(20, 23),
    seconds: random.pick([20, 60, 300]),
    violated,
  });
  if (random.chance(0.5)) {
    // In the middle of something.
    time.after(random.between(5, 300) * 1000, () => void (restartDue = true));
  }
  if (random.chance(0.4)) {
    time.after(random.between(5, 300) * 1000, async () => {
      faults.seen("operator: settings changed");
      await database.set(time.now(), "genflow.settings", { user_running_cap: random.pick([0, 1, 4]) });
      await database.set(time.now(), "genflow.provider", { running_cap: random.pick([1, 5]) });
      time.after(600_000, () => database.set(time.now(), "genflow.settings", { user_running_cap: 2 }));
    });
  }
  if (random.chance(0.4)) {
    time.after(random.between(5, 400) * 1000, async () => {
      const userId = random.pick(people.users);
      faults.seen("app: user deleted");
      note(`user ${userId} is deleted`);
      erased.add(userId);
      await database.deleteUser(time.now(), userId);
    });
  }
  const profiles = createProfiles(database, people.users);
  await people.signUp();
  void people.live().then(() => void (peopleAreDone = true));
  time.after(sweepSeconds * 1000, sweep);
  while (!isOver && violations.length < 20 && await time.step()) {
    events++;
    if (time.now() - startMs > maxSimulatedSeconds * 1000) {
      violated(4, "not everything has ended after 60 hours");
    }
    if (violations.length > 0) break;
  }
  await inspect();
  const outcome = violations.length > 0
    ? null
    : await lookBack({ database, provider, storage, people, profiles, erased, owners, violated, check });
  return {
    seed,
    violations,
    trail,
    trailHash: hash.digest("hex"),
    faults: Object.fromEntries(faults.counts),
    checks,
    outcome,
    users,
    accepted: people.accepted.size,
    simulatedSeconds: (time.now() - startMs) / 1000,
    events,
  };
}

async function isAllEnded({ sql }: SimulatedDatabase): Promise<boolean> {
  const [row] = await sql<{ ended: boolean }[]>`select
    not exists (select from public.generation_jobs where ended_at is null)
    and not exists (select from genflow.attempts where closed_at is null)
    and not exists (select from genflow.storage_purges where done_at is null)
    and not exists (select from genflow.erasures where finished_at is null) as ended`;
  return row!.ended;
}

/** A poll or a listing that found nothing new. */
function isWaiting(answer: unknown): boolean {
  const { next, decision } = (answer ?? {}) as { next?: string; decision?: string };
  return next === "wait" || decision === "undecided";
}

function isEmptyClaim(answer: unknown): boolean {
  return (answer as { claims: unknown[] }).claims.length === 0;
}

function summary(answer: unknown): string {
  const text = JSON.stringify(answer) ?? "";
  return text.length <= 160 ? text : `${text.slice(0, 160)}…`;
}
