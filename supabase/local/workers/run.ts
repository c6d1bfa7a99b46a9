/** One run of a cron job, from the connection to the line in cron.job_run_details. */
import postgres from "postgres";

export interface Job {
  readonly jobid: string;
  readonly jobname: string | null;
  readonly schedule: string;
  readonly command: string;
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
    insert into cron.job_run_details (jobid, database, username, command, status, start_time)
    values (${job.jobid}, current_database(), ${job.username}, ${job.command}, 'starting', clock_timestamp())
    returning runid`;
  // No type lookup and no second query: the session sees the command and nothing else of ours.
  const session = postgres(urlOf(adminUrl, job.username), {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: "pg_cron" },
  });
  let end = () => {};
  try {
    const [{ pid }] = await session<[{ pid: number }]>`select pg_backend_pid() as pid`.simple();
    // Ended by its process id, not by a cancel request: that would miss a command which has not quite begun.
    end = () => void admin`select pg_terminate_backend(${pid})`.execute();
    stopped.addEventListener("abort", end, { once: true });
    await admin`update cron.job_run_details set status = 'running', job_pid = ${pid} where runid = ${runid}`;
    stopped.throwIfAborted();
    const result = await session.unsafe(job.command).simple();
    await finish(admin, runid, "succeeded", returnMessage(result));
  } catch (error) {
    const cause = stopped.aborted
      ? "the worker was stopped"
      : error instanceof Error
      ? error.message
      : String(error);
    await finish(admin, runid, "failed", `ERROR:  ${cause}`);
    throw error;
  } finally {
    stopped.removeEventListener("abort", end);
    await session.end({ timeout: 0 }); // an orderly end would wait for ever on a session that was terminated
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

function urlOf(adminUrl: string, username: string): string {
  const url = new URL(adminUrl);
  url.username = username;
  return url.href;
}
