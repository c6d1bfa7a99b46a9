/**
 * pg_cron's worker: runs each job when it is due, one instance at a time, in a session of its own as the job's
 * user, the command sent as one simple query so that a procedure may commit.
 */
import postgres from "postgres";
import type { Log } from "../log.ts";
import { type Job, runJob } from "./run.ts";
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
  /** Runs that became due while the last one was still going. */
  waiting: number;
  running: Promise<void> | null;
}

const channel = "pg_cron";
const minuteMs = 60_000;

export async function startCronWorker(options: { adminUrl: string; log?: Log }): Promise<CronWorker> {
  const worker = new Worker(options.adminUrl, options.log ?? (() => {}));
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
  #timer: NodeJS.Timeout | undefined;
  #paused = false;

  constructor(adminUrl: string, log: Log) {
    this.#adminUrl = adminUrl;
    this.#log = log;
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
    clearTimeout(this.#timer);
    for (const entry of this.#entries.values()) entry.waiting = 0;
  }

  resume(): void {
    this.#paused = false;
    // What was missed is missed: a paused clock does not catch up.
    for (const entry of this.#entries.values()) entry.dueAtMs = nextDue(entry.schedule, Date.now());
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
    clearTimeout(this.#timer);
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
    const dueAtMs = nextDue(schedule, Date.now());
    if (known) Object.assign(known, { job, schedule, dueAtMs });
    else this.#entries.set(job.jobid, { job, schedule, dueAtMs, waiting: 0, running: null });
  }

  /** One timer for whatever comes next: an idle stack asks the database nothing. */
  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#paused || this.#stopping.signal.aborted) return;
    const next = Math.min(...[...this.#entries.values()].map((entry) => entry.dueAtMs));
    if (Number.isFinite(next)) {
      this.#timer = setTimeout(() => this.#startDue(), Math.max(0, next - Date.now()));
    }
  }

  #startDue(): void {
    const now = Date.now();
    for (const entry of this.#entries.values()) {
      if (entry.dueAtMs > now) continue;
      const matches = entry.schedule.kind !== "fields" || entry.schedule.matches(new Date(entry.dueAtMs));
      entry.dueAtMs = nextDue(entry.schedule, now);
      if (!matches) continue;
      if (entry.running === null) this.#startRun(entry);
      // Missed minutes pile up, missed intervals do not.
      else entry.waiting = entry.schedule.kind === "seconds" ? 1 : entry.waiting + 1;
    }
    this.#schedule();
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
      const again = entry.waiting > 0 && !this.#paused && !this.#stopping.signal.aborted;
      if (!again || this.#entries.get(entry.job.jobid) !== entry) return;
      entry.waiting -= 1;
      this.#startRun(entry);
    });
  }

  /** As the original does at its start: what still reads "running" cannot be. */
  async #closeInterruptedRuns(): Promise<void> {
    const [{ installed }] = await this.#sql<[{ installed: boolean }]>`
      select to_regclass('cron.job_run_details') is not null as installed`;
    if (!installed) return;
    await this.#sql`
      update cron.job_run_details set status = 'failed', return_message = 'server restarted', end_time = clock_timestamp()
      where status in ('starting', 'running', 'sending', 'connecting')`;
  }
}

function nextDue(schedule: Schedule, nowMs: number): number {
  if (schedule.kind === "seconds") return nowMs + schedule.everySeconds * 1_000;
  if (schedule.kind === "reboot") return Infinity;
  return (Math.floor(nowMs / minuteMs) + 1) * minuteMs;
}

/** The extension comes with a migration; before that there are no jobs. */
async function readJobs(sql: postgres.Sql, name?: string): Promise<Job[]> {
  const [{ installed }] = await sql<
    [{ installed: boolean }]
  >`select to_regclass('cron.job') is not null as installed`;
  if (!installed) return [];
  return await sql<Job[]>`
    select jobid, jobname, schedule, command, username from cron.job
    where ${name === undefined ? sql`active` : sql`jobname = ${name}`}
    order by jobid`;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
