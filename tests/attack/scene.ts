// Two users with rows in every table of ours, made by the kernel where it makes them: what an attacker would be after.

import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import { createKernel, type Kernel } from "../../shared/backend/kernel.ts";
import { noteStored } from "../database/stored-object.ts";

export interface Scene {
  /** The attacked. */
  owner: Person;
  /** Signed in too, with rows of their own. */
  other: Person;
}

export interface Person {
  id: string;
  /** A finished job with a picture. */
  jobId: string;
  imageId: string;
  /** The paths of a picture and of a reference image in their folders. */
  picture: string;
  input: string;
}

/**
 * `sql` is the superuser. `ids`: users who are there already, else new ones are made. The two have different numbers
 * of rows, so that a count tells whose were seen.
 */
export async function setScene(
  sql: postgres.Sql,
  [ownerId, otherId]: readonly [string, string] = [randomUUID(), randomUUID()],
): Promise<Scene> {
  await sql`update genflow.provider set running_cap = 100, start_burst = 100, start_tokens = 100`;
  const kernel = createKernel(rpcOver(sql));
  const owner = await person(sql, kernel, ownerId, 1);
  const other = await person(sql, kernel, otherId, 2);
  await sql`update public.generation_models set enabled = false where id = 'flux-dev'`;
  await sql`select genflow.note_sweep(now(), '{}'::jsonb, 0)`;
  await sql`insert into genflow.incidents (kind) values ('attack_scene')`;
  await sql`select vault.create_secret('nobody reads this', 'attack_scene')`;
  await sql`select net.http_get('http://127.0.0.1:9/')`;
  await sql`insert into net._http_response (id) values (0)`;
  return { owner, other };
}

/** `jobs` finished ones with a picture each, one more on its way to the provider, and a purge that is due. */
async function person(sql: postgres.Sql, kernel: Kernel, id: string, jobs: number): Promise<Person> {
  await sql`insert into auth.users (id, email, email_confirmed_at) values (${id}, ${`${id}@example.com`}, now())
    on conflict (id) do nothing`;
  await sql`select public.grant_credits(${id}, 1000, 'attack-scene')`;
  const finished: string[] = [];
  for (let made = 0; made < jobs; made++) finished.push(await finish(sql, kernel, id));
  await start(kernel, id);
  const paths = await sql<{ id: string; path: string }[]>`
    select id, path from public.generation_images where user_id = ${id} order by job_id, index`;
  const inputs = Array.from({ length: jobs }, () => `${id}/${randomUUID()}.jpg`);
  await sql`insert into storage.objects (bucket_id, name, owner_id)
    select 'generation-inputs', unnest(${inputs}::text[]), ${id}`;
  await sql`insert into genflow.storage_purges (bucket_id, path, due_at, reason)
    select 'generations', ${`${id}/`} || n, now(), 'loser' from generate_series(1, ${jobs}) n`;
  return {
    id,
    jobId: finished[0]!,
    imageId: paths[0]!.id,
    picture: paths[0]!.path,
    input: inputs[0]!,
  };
}

async function start(kernel: Kernel, userId: string): Promise<string> {
  const answer = await kernel.start({
    userId,
    idempotencyKey: randomUUID(),
    requestHash: "a".repeat(64),
    request: { modelId: "flux-schnell", prompt: "a lighthouse", aspectRatio: "1:1" },
    traceId: "attack",
  });
  if (!answer.ok) throw new Error(`the scene's job was refused: ${answer.error.code}`);
  return answer.job.id;
}

async function finish(sql: postgres.Sql, kernel: Kernel, userId: string): Promise<string> {
  const jobId = await start(kernel, userId);
  const { claims } = await kernel.claimGenerations(randomUUID(), 100);
  const claim = claims.find((each) => each.jobId === jobId);
  if (!claim) throw new Error("the scene's job was not claimed");
  const sendId = randomUUID();
  const taskId = randomUUID();
  await kernel.markSending(claim.attemptId, claim.leaseToken, sendId, "f".repeat(64));
  await kernel.recordSubmission(claim.attemptId, sendId, { kind: "accepted", taskId });
  const outputs = [`https://cdn.example.com/${taskId}.jpeg`];
  await kernel.settle(taskId, null, { status: "completed", outputs, flagged: [], class: null });
  const { claims: [persist] } = await kernel.claimPersists(randomUUID(), 1, claim.attemptId);
  if (!persist) throw new Error("the scene's picture was not delivered");
  await noteStored(sql, persist.images[0]!.path, 64);
  await kernel.recordImage(persist.attemptId, persist.leaseToken, {
    index: 0,
    width: 8,
    height: 8,
    bytes: 64,
    sha256: "0".repeat(64),
    contentType: "image/jpeg",
    flagged: false,
  });
  await kernel.complete(persist.attemptId, persist.leaseToken, []);
  return jobId;
}

function rpcOver(sql: postgres.Sql) {
  return async (name: string, args: Record<string, unknown>): Promise<unknown> => {
    const names = Object.keys(args);
    const list = names.map((each, at) => `${each} => $${at + 1}`).join(", ");
    const [row] = await sql.unsafe<{ answer: unknown }[]>(
      `select public.${name}(${list}) as answer`,
      names.map((each) => args[each] as string),
    );
    return row?.answer;
  };
}
