/**
 * pg_cron's worker: runs each job when it is due, one instance at a time, in a session of its own as the job's
 * user, the command sent as one simple query so that a procedure may commit.
 */
import postgres from "postgres";
import type { Log } from "../log.ts";
import { addDue, type CronClock, nextDue, wallClock } from "./due.ts";
import { type Job, reason, runJob } from "./run.ts";
import { parseSchedule, type Schedule } from "./schedule.ts";

export interface CronWorker {
  /** Cancels what is running, closes all connections. */
  stop(): Promise<void>;
  /** Nothing is started by the clock until `resume`; a running job goes on. */
  pause(): void;
  resume(): void;
  /** Runs a job now, whatever its schedule, also while paused. Rejects when there is no such job or it fails. */
  runNow(jobName: string): Promise<void>;
}

interface Entry {
  job: Job;
  schedule: Schedule;
  dueAtMs: number;
  /** Runs that are due and not yet started, because the last one is still going. */
  waiting: number;
  running: Promise<void> | null;
}

export interface CronWorkerOptions {
  adminUrl: string;
  log?: Log;
  clock?: CronClock;
}

const channel = "pg_cron";

export async function startCronWorker(options: CronWorkerOptions): Promise<CronWorker> {
  const worker = new Worker(options);
  await worker.start();
  return worker;
}

class Worker implements CronWorker {
  readonly #adminUrl: string;
  readonly #log: Log;
  readonly #sql: postgres.Sql;
  readonly #stopping = new AbortController();
  readonly #entries = new Map<string, Entry>();
  #loading = Promise.resolve();
  readonly #clock: CronClock;
  #callOff = () => {};
  #paused = false;

  constructor({ adminUrl, log = () => {}, clock = wallClock }: CronWorkerOptions) {
    this.#adminUrl = adminUrl;
    this.#log = log;
    this.#clock = clock;
    this.#sql = postgres(adminUrl, { max: 2, onnotice: () => {} });
  }

  async start(): Promise<void> {
    await this.#closeInterruptedRuns();
    // Called once at the start, after each change of cron.job, and after each reconnect.
    await this.#sql.listen(channel, () => this.#load(), () => this.#load());
    await this.#loading;
    for (const entry of this.#entries.values()) {
      if (entry.schedule.kind === "reboot") this.#startRun(entry);
    }
  }

  pause(): void {
    this.#paused = true;
    this.#callOff();
    for (const entry of this.#entries.values()) entry.waiting = 0;
  }

  resume(): void {
    this.#paused = false;
    // What was missed is missed: a paused clock does not catch up.
    for (const entry of this.#entries.values()) entry.dueAtMs = nextDue(entry.schedule, this.#clock.nowMs());
    this.#schedule();
  }

  async runNow(jobName: string): Promise<void> {
    const [job] = await readJobs(this.#sql, jobName);
    if (!job) throw new Error(`There is no cron job "${jobName}".`);
    const entry = this.#entries.get(job.jobid);
    while (entry?.running) await entry.running; // one instance at a time, whoever started it
    const run = runJob(job, this.#sql, this.#adminUrl, this.#stopping.signal);
    const settled = run.then(() => {}, () => {});
    if (entry) this.#occupy(entry, settled);
    await run;
  }

  async stop(): Promise<void> {
    this.#callOff();
    this.#stopping.abort();
    await this.#loading;
    await Promise.all([...this.#entries.values()].map((entry) => entry.running));
    await this.#sql.end();
  }

  #load(): void {
    this.#loading = this.#loading.then(async () => {
      const jobs = await readJobs(this.#sql);
      const active = new Set(jobs.map((job) => job.jobid));
      for (const [id] of this.#entries) if (!active.has(id)) this.#entries.delete(id);
      for (const job of jobs) this.#keep(job);
      this.#schedule();
    }).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#log(`pg_cron: ${String(error)}`);
    });
  }

  #keep(job: Job): void {
    const known = this.#entries.get(job.jobid);
    if (known && known.job.schedule === job.schedule) {
      known.job = job;
      return;
    }
    const schedule = parseSchedule(job.schedule);
    const dueAtMs = nextDue(schedule, this.#clock.nowMs());
    if (known) Object.assign(known, { job, schedule, dueAtMs });
    else this.#entries.set(job.jobid, { job, schedule, dueAtMs, waiting: 0, running: null });
  }

  /** One timer for whatever comes next: an idle stack asks the database nothing. */
  #schedule(): void {
    this.#callOff();
    if (this.#paused || this.#stopping.signal.aborted) return;
    const next = Math.min(...[...this.#entries.values()].map((entry) => entry.dueAtMs));
    if (Number.isFinite(next)) {
      this.#callOff = this.#clock.setTimer(() => this.#startDue(), Math.max(0, next - this.#clock.nowMs()));
    }
  }

  #startDue(): void {
    const nowMs = this.#clock.nowMs();
    for (const entry of this.#entries.values()) {
      if (entry.dueAtMs > nowMs) continue;
      entry.waiting = addDue(entry.schedule, entry.waiting, entry.dueAtMs, nowMs);
      entry.dueAtMs = nextDue(entry.schedule, nowMs);
      this.#startWaiting(entry);
    }
    this.#schedule();
  }

  #startWaiting(entry: Entry): void {
    const isKnown = this.#entries.get(entry.job.jobid) === entry;
    if (entry.waiting === 0 || entry.running || !isKnown || this.#paused || this.#stopping.signal.aborted) {
      return;
    }
    entry.waiting -= 1;
    // An interval counts from the last start, so a run that came late pushes the next one back.
    if (entry.schedule.kind === "seconds") entry.dueAtMs = nextDue(entry.schedule, this.#clock.nowMs());
    this.#startRun(entry);
  }

  #startRun(entry: Entry): void {
    this.#occupy(
      entry,
      runJob(entry.job, this.#sql, this.#adminUrl, this.#stopping.signal).catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) {
          this.#log(`pg_cron: job ${entry.job.jobname ?? entry.job.jobid}: ${reason(error)}`);
        }
      }),
    );
  }

  #occupy(entry: Entry, run: Promise<void>): void {
    entry.running = run.then(() => {
      entry.running = null;
      this.#startWaiting(entry);
      this.#schedule();
    });
  }

  /** As the original does at its start: what still reads "running" cannot be. Like it, this sets no end. */
  async #closeInterruptedRuns(): Promise<void> {
    const [{ installed }] = await this.#sql<[{ installed: boolean }]>`
      select to_regclass('cron.job_run_details') is not null as installed`;
    if (!installed) return;
    await this.#sql`
      update cron.job_run_details set status = 'failed', return_message = 'server restarted'
      where status in ('starting', 'running')`;
  }
}

/** The extension comes with a migration; before that there are no jobs. */
async function readJobs(sql: postgres.Sql, name?: string): Promise<Job[]> {
  const [{ installed }] = await sql<
    [{ installed: boolean }]
  >`select to_regclass('cron.job') is not null as installed`;
  if (!installed) return [];
  return await sql<Job[]>`
    select jobid, jobname, schedule, command, database, username from cron.job
    where ${name === undefined ? sql`active` : sql`jobname = ${name}`}
    order by jobid`;
}
