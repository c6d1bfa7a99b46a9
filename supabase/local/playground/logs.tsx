// What happened to a job, the oldest first.

import { useEffect, useState } from "react";
import type { LogEntry } from "../../../shared/client/mod.ts";
import { useService } from "../../../shared/client/react/mod.ts";
import { useNotice } from "./parts/notice.tsx";
import { clockTime } from "./words.ts";

/** `seq`: of the job as it is shown; another one is read again. */
export function Logs({ jobId, seq = 0 }: { jobId: string; seq?: number }) {
  const service = useService();
  const { fail } = useNotice();
  const [entries, setEntries] = useState<LogEntry[] | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    service.logs(jobId, { signal: leaving.signal })
      .then(setEntries, (error: unknown) => leaving.signal.aborted || fail(error));
    return () => leaving.abort();
  }, [service, jobId, seq, fail]);
  if (!entries) return <p className="soft">Reading…</p>;
  return (
    <ol className="logs" tabIndex={0} aria-label="What happened">
      {entries.map(({ id, at, event, status, attempt }) => (
        <li key={id}>
          <time dateTime={at}>{clockTime(at)}</time>
          <span>
            {event.replaceAll("_", " ")}
            {attempt !== null && attempt > 1 ? ` (attempt ${attempt})` : ""}
          </span>
          <span className={`state is-${status}`}>{status}</span>
        </li>
      ))}
    </ol>
  );
}
