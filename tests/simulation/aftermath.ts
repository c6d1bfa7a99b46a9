// When everything is over: what was delivered, what was paid, and whether they belong together.

import type { SimulatedDatabase } from "./database.ts";
import type { People } from "./people.ts";
import { pictureOf } from "./picture.ts";
import type { Profiles } from "./profiles.ts";
import type { Provider, Task } from "./provider.ts";
import type { SimulatedStorage } from "./storage.ts";

export interface Outcome {
  jobs: Record<string, number>;
  tasks: number;
  /** How many jobs had how many provider tasks. */
  tasksPerJob: Record<string, number>;
  /** Charged by the provider, with no picture of it at its user: by `genflow.undelivered()`'s causes. */
  undelivered: Record<string, number>;
  creditsDrift: number;
}

export interface Aftermath {
  database: SimulatedDatabase;
  provider: Provider;
  storage: SimulatedStorage;
  people: People;
  profiles: Profiles;
  /** Users who were deleted. */
  erased: ReadonlySet<string>;
  owners: ReadonlyMap<string, { userId: string; jobId: string }>;
  violated: (promise: number, what: string) => void;
  check: (promise: number) => void;
}

interface Undelivered {
  attempt_id: string;
  task_id: string | null;
  cause: string;
  is_certain: boolean;
}

interface Picture {
  job_id: string;
  user_id: string;
  index: number;
  path: string;
  thumb_path: string | null;
  /** Where it lies if its drawing was lost after the upload. */
  intended_thumb_path: string;
  bytes: string;
  sha256: string;
  deleted: boolean;
  attempt_id: string;
  task_id: string;
}

export async function lookBack(aftermath: Aftermath): Promise<Outcome> {
  await comparePictures(aftermath);
  await compareProfiles(aftermath);
  const tasks = [...aftermath.provider.tasks.values()].filter((task) => task.attemptId !== null);
  return {
    jobs: await jobsByEnd(aftermath),
    tasks: tasks.length,
    tasksPerJob: await tasksPerJob(aftermath, tasks),
    undelivered: await undelivered(aftermath, tasks),
    creditsDrift: await creditsDrift(aftermath),
  };
}

async function jobsByEnd({ database, people, erased, violated }: Aftermath): Promise<Record<string, number>> {
  const rows = await database.sql<{ id: string; status: string; error_code: string | null }[]>`
    select id, status, error_code from public.generation_jobs`;
  const ids = new Set(rows.map(({ id }) => id));
  for (const [jobId, userId] of people.accepted) {
    if (erased.has(userId) && ids.has(jobId)) violated(5, `job ${jobId} of a deleted user is still there`);
    if (!erased.has(userId) && !ids.has(jobId)) violated(1, `job ${jobId} was accepted and is not there`);
  }
  const jobs: Record<string, number> = {};
  for (const { status, error_code } of rows) {
    const how = error_code === null ? status : `${status}: ${error_code}`;
    jobs[how] = (jobs[how] ?? 0) + 1;
  }
  return jobs;
}

async function tasksPerJob({ database, owners }: Aftermath, tasks: Task[]): Promise<Record<string, number>> {
  const ofJob = new Map<string, number>();
  for (const { id } of await database.sql<{ id: string }[]>`select id from public.generation_jobs`) {
    ofJob.set(id, 0);
  }
  for (const { attemptId } of tasks) {
    const jobId = owners.get(attemptId!)?.jobId ?? "nobody's";
    ofJob.set(jobId, (ofJob.get(jobId) ?? 0) + 1);
  }
  const counts: Record<string, number> = {};
  for (const count of ofJob.values()) counts[count] = (counts[count] ?? 0) + 1;
  return counts;
}

/** Each picture is its own job's and lies where its row says; nothing else lies anywhere. */
async function comparePictures({ database, provider, storage, violated, check }: Aftermath): Promise<void> {
  const pictures = await database.sql<Picture[]>`
    select i.job_id, i.user_id, i.index, i.path, i.thumb_path, genflow.thumb_path(i.path) as intended_thumb_path, i.bytes, i.sha256, i.deleted_at is not null as deleted, j.attempt_id, a.task_id
    from public.generation_images i join public.generation_jobs j on j.id = i.job_id left join genflow.attempts a on a.id = j.attempt_id`;
  const expected = new Set<string>();
  for (const picture of pictures) {
    check(5);
    const { job_id, index, path, bytes, sha256, deleted, task_id } = picture;
    const name = `generations/${path}`;
    const stored = storage.objects.get(name);
    if (deleted) {
      if (stored !== undefined) violated(5, `the deleted picture ${index} of job ${job_id} is still stored`);
      continue;
    }
    expected.add(name).add(`generations/${picture.intended_thumb_path}`);
    if (picture.thumb_path !== null && !storage.objects.has(`generations/${picture.thumb_path}`)) {
      violated(4, `picture ${index} of job ${job_id} has a thumbnail that is not stored`);
    }
    if (stored === undefined) violated(4, `picture ${index} of job ${job_id} is recorded and not stored`);
    else if (stored.sha256 !== sha256 || stored.bytes.byteLength !== Number(bytes)) {
      violated(4, `picture ${index} of job ${job_id} is not what its row says`);
    } else if (!Buffer.from(stored.bytes).equals(pictureOf(task_id, index))) {
      violated(5, `picture ${index} of job ${job_id} is another's`);
    }
    if (provider.tasks.get(task_id)?.attemptId !== picture.attempt_id) {
      violated(5, `job ${job_id} follows a task that its attempt did not make`);
    }
  }
  for (const name of storage.objects.keys()) {
    if (name.startsWith("generations/") && !expected.has(name)) {
      violated(5, `nobody's object is left: ${name}`);
    }
  }
}

/** Messages are numbered without a gap, and who only reads on from the number he has seen misses nothing. */
async function compareProfiles(
  { database, people, profiles, erased, violated, check }: Aftermath,
): Promise<void> {
  for (const wrong of await profiles.compare()) violated(8, wrong);
  for (const userId of people.users) {
    if (erased.has(userId)) continue;
    check(8);
    const [row] = await database.sql<{ messages: number; numbers: number; last: number; feed_seq: number }[]>`
      select count(*)::integer as messages, count(distinct payload ->> 'seq')::integer as numbers,
        coalesce(max((payload ->> 'seq')::integer), 0) as last,
        (select feed_seq::integer from genflow.accounts where user_id = ${userId}) as feed_seq
      from realtime.messages where topic = ${`generations:${userId}`}`;
    if (row!.messages !== row!.numbers || row!.last !== row!.feed_seq || row!.messages !== row!.last) {
      violated(8, `the feed of ${userId} has gaps: ${JSON.stringify(row)}`);
    }
  }
}

async function creditsDrift({ database, people, erased, violated }: Aftermath): Promise<number> {
  const [row] = await database.sql<{ drift: number; granted: number }[]>`
    select (select coalesce(sum(amount), 0) from public.credit_entries where kind = 'grant')::integer
        - (select coalesce(sum(captured), 0) from public.credit_entries)::integer
        - (select coalesce(sum(balance), 0) from genflow.accounts)::integer
        - (select coalesce(sum(amount), 0) from public.credit_entries e
          where not exists (select from genflow.accounts a where a.user_id = e.user_id))::integer as drift,
      (select coalesce(sum(amount), 0) from public.credit_entries where kind = 'grant' and (reference = 'welcome' or reference like 'more %'))::integer as granted`;
  if (row!.drift !== 0) violated(3, `credits drift by ${row!.drift}`);
  if (erased.size === 0 && row!.granted !== people.granted.credits) {
    violated(3, `granted ${row!.granted} of ${people.granted.credits}`);
  }
  return row!.drift;
}

/**
 * Why the provider was paid for a task that gave its user nothing, in the kernel's own words, held against what the
 * provider knows: each such task has a cause, and of what is said to be certain the provider was paid.
 */
async function undelivered(
  { database, violated, owners, erased, check }: Aftermath,
  tasks: Task[],
): Promise<Record<string, number>> {
  const causes: Record<string, number> = {};
  const told = await database.sql<Undelivered[]>`
    select attempt_id, task_id, cause, is_certain from genflow.undelivered()`;
  const delivered = await database.sql<{ attempt_id: string }[]>`
    select attempt_id from public.generation_jobs where status = 'completed'`;
  const causeOf = new Map(told.map(({ attempt_id, cause }) => [attempt_id, cause]));
  const isDelivered = new Set(delivered.map(({ attempt_id }) => attempt_id));
  for (const { id, attemptId, paid } of tasks) {
    if (!paid || isDelivered.has(attemptId!)) continue;
    check(2);
    const cause = erased.has(owners.get(attemptId!)?.userId ?? "") ? "user_erased" : causeOf.get(attemptId!);
    if (cause === undefined || cause === "unexplained") {
      violated(2, `task ${id} of attempt ${attemptId} was paid and not delivered, and nobody knows why`);
    } else causes[cause] = (causes[cause] ?? 0) + 1;
  }
  const paid = new Set(tasks.filter((task) => task.paid).map(({ attemptId }) => attemptId));
  for (const { attempt_id, cause, is_certain } of told) {
    if (is_certain && !paid.has(attempt_id)) {
      violated(2, `attempt ${attempt_id} is said to be paid (${cause}), and the provider was not`);
    }
  }
  return causes;
}
