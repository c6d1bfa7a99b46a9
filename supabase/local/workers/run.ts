/** One run of a cron job, from the connection to the line in cron.job_run_details. */
import postgres from "postgres";

export interface Job {
  readonly jobid: string;
  readonly jobname: string | null;
  readonly schedule: string;
  readonly command: string;
  readonly database: string;
  readonly username: string;
}

/** Rejects when the command fails; the outcome is written down either way. */
export async function runJob(
  job: Job,
  admin: postgres.Sql,
  adminUrl: string,
  stopped: AbortSignal,
): Promise<void> {
  stopped.throwIfAborted();
  const [{ runid }] = await admin<[{ runid: string }]>`
    insert into cron.job_run_details (jobid, database, username, command, status)
    values (${job.jobid}, ${job.database}, ${job.username}, ${job.command}, 'starting') returning runid`;
  // No type lookup and no second query: the session sees the command and nothing else of ours.
  const session = postgres(urlOf(adminUrl, job), {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: "pg_cron" },
  });
  let end = () => {};
  try {
    const pid = await connect(session, admin, runid);
    // Ended by its process id, not by a cancel request: that would miss a command which has not quite begun.
    end = () => void admin`select pg_terminate_backend(${pid})`.execute();
    stopped.addEventListener("abort", end, { once: true });
    stopped.throwIfAborted();
    const result = await session.unsafe(job.command).simple();
    await finish(admin, runid, "succeeded", returnMessage(result));
  } catch (error) {
    if (!(error instanceof NotConnected)) {
      await finish(
        admin,
        runid,
        "failed",
        `ERROR:  ${stopped.aborted ? "the worker was stopped" : reason(error)}`,
      );
    }
    throw error;
  } finally {
    stopped.removeEventListener("abort", end);
    await session.end({ timeout: 0 }); // an orderly end would wait for ever on a session that was terminated
  }
}

class NotConnected extends Error {}

/** A run that gets no session keeps neither a start nor an end: that is how the original leaves it. */
async function connect(session: postgres.Sql, admin: postgres.Sql, runid: string): Promise<number> {
  try {
    const [{ pid }] = await session<[{ pid: number }]>`select pg_backend_pid() as pid`.simple();
    await admin`
      update cron.job_run_details set status = 'running', job_pid = ${pid}, start_time = clock_timestamp()
      where runid = ${runid}`;
    return pid;
  } catch (error) {
    await admin`
      update cron.job_run_details set status = 'failed', return_message = 'connection failed'
      where runid = ${runid}`;
    throw new NotConnected(`connection failed: ${reason(error)}`, { cause: error });
  }
}

async function finish(admin: postgres.Sql, runid: string, status: string, message: string): Promise<void> {
  await admin`
    update cron.job_run_details set status = ${status}, return_message = ${message}, end_time = clock_timestamp()
    where runid = ${runid}`;
}

/** The command's tag, or the number of rows of a query. */
function returnMessage(
  result: { readonly command?: string; readonly count?: number; readonly length: number },
): string {
  if (result.command === "SELECT") return `${result.count} row${result.count === 1 ? "" : "s"}`;
  return result.command ?? `${result.length} statements`;
}

function urlOf(adminUrl: string, job: Job): string {
  const url = new URL(adminUrl);
  url.username = job.username;
  url.pathname = `/${job.database}`;
  return url.href;
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
