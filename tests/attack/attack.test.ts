// Every attempt that can be derived from the catalogue, under each kind of default privileges a hosted project can
// have, held against allowed.md.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  cloneDatabase,
  type Cluster,
  createTemplate,
  migrate,
  startCluster,
} from "../../supabase/local/postgres/mod.ts";
import { type TemporaryFolder, temporaryFolder } from "../temporary-folder.ts";
import { differences, readAllowed } from "./allowed.ts";
import { defaults, preparePlatformWith } from "./defaults.ts";
import { attackDatabase } from "./table.ts";

const directory = join(import.meta.dirname, "../../supabase/migrations");
const allowed = await readAllowed();
let folder: TemporaryFolder;
let cluster: Cluster;

beforeAll(async () => {
  folder = await temporaryFolder();
  cluster = await startCluster({ dataDirectory: folder.path });
  await createTemplate(cluster, { directory, name: "migrated" });
});
afterAll(async () => {
  await cluster.stop();
  await folder.remove();
});

describe("exactly what the table allows goes through", () => {
  test.for(defaults)("under the %s default privileges", async (which) => {
    const name = `attacked_${which}`;
    await cloneDatabase(cluster, { template: "template0", name });
    await preparePlatformWith(cluster, name, which);
    await migrate(cluster, { directory, database: name });
    expect(differences(await attackDatabase(cluster.url("supabase_admin", name)), allowed)).toEqual([]);
  });
});

/** What nobody has written into the table, and the beginning or a part of the line that tells it. */
const additions: [what: string, statement: string, line: string][] = [
  [
    "a table",
    "create table public.more (id uuid primary key)",
    "found:   | public.more | id | truncate; lock; trigger; references (42804) |",
  ],
  ["a column", "alter table public.generation_events add more text", ", detail, more | –"],
  [
    "a view past the policies",
    "create view public.glance as select * from public.generation_prompts; grant select on public.glance to anon",
    "found:   | public.glance | job_id, user_id, prompt | select all |",
  ],
  [
    "a function",
    "create function public.more() returns integer language sql as 'select 1'",
    "found:   | public.more() | anon, owner, other, service_role |",
  ],
  [
    "a function that fails inside",
    "create function public.peek(p_id uuid) returns bigint language sql strict as 'select count(*) from public.more'",
    "found:   | public.peek(p_id uuid) | anon, owner, other, service_role |",
  ],
  [
    "a sequence",
    "create sequence public.numbers; grant usage on sequence public.numbers to anon",
    "found:   | public.numbers | next",
  ],
  ["a schema", "create schema more; grant usage on schema more to anon", "found:   | more | use |"],
  [
    "a bucket",
    "insert into storage.buckets (id, name) values ('more', 'more')",
    "found:   | bucket more, own folder: insert |",
  ],
  [
    "a grant to update one column",
    "grant update (favorite) on public.generation_images to authenticated",
    "update nothing (favorite)",
  ],
  [
    "a grant to update what cannot be read",
    "grant update (balance) on genflow.accounts to anon",
    "overwrite (balance)",
  ],
  [
    "a policy that lets rows out",
    "create policy more on public.generation_jobs for select to anon using (true); grant select on public.generation_jobs to anon",
    "updated_at, submitting_at, processing_at, persisting_at, ended_at, not_before, ready_at, ready_order, attempt_id | select all",
  ],
  [
    "a policy on a topic",
    "create policy more on realtime.messages for select to anon using (false)",
    "found:   | more | realtime.messages | select | anon |",
  ],
  [
    "a published table",
    "alter publication supabase_realtime add table public.generation_prompts",
    "found:   | public.generation_prompts | supabase_realtime |",
  ],
  [
    "an opened table in the closed schema",
    "grant select on genflow.settings to anon",
    "found:   | genflow.settings | singleton,",
  ],
  [
    "an opened function in the closed schema",
    "create function genflow.more() returns integer language sql as 'select 1'",
    "found:   | genflow.more() | anon, owner, other, service_role |",
  ],
];

describe("what is new is found before it is allowed", () => {
  let found: string[];
  beforeAll(async () => {
    const more = join(folder.path, "more");
    await mkdir(more);
    await writeFile(
      join(more, "29990101000000_more.sql"),
      additions.map(([, statement]) => `${statement};`).join("\n"),
    );
    const database = await cloneDatabase(cluster, { template: "migrated", name: "more" });
    await migrate(cluster, { directory: more, database });
    found = differences(await attackDatabase(cluster.url("supabase_admin", database)), allowed);
  });

  test.for(additions)("%s", ([, , line]) => {
    expect(found).toContainEqual(expect.stringContaining(line));
  });
});
