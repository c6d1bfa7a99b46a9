// The official CLI's linter, which asks plpgsql_check. No npm package brings that, Debian's packages do.

import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import * as z from "zod";
import { startDebianCluster } from "../pg-cron/debian-cluster.ts";
import { installDebianPackages } from "../pg-cron/debian-packages.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { remote, runSupabase } from "./supabase-cli.ts";

const minutes = 60_000;

/**
 * A literal's text is read as the array or the JSON that it stands for, as it must be. And `select into v_bad` is
 * there for `found`.
 */
const justified = [
  'genflow.check_request: never read variable "v_bad"',
  "genflow.sweep: target type is different type than source type",
  "public.claim_generations: target type is different type than source type",
];

/**
 * plpgsql_check plans every statement, and the planner runs stable functions: genflow.caller() refuses a nobody. So the
 * linter works as somebody who has signed in.
 */
const asTheLinterNeeds = `
  create extension plpgsql_check with schema extensions;
  alter database postgres set "request.jwt.claims" to
    '{"sub": "00000000-0000-4000-8000-000000000000", "role": "authenticated"}';`;

const Findings = z.array(z.object({
  function: z.string(),
  issues: z.array(z.object({ level: z.string(), message: z.string() })),
}));

// Skipped since 2026-11-22 where Debian's packages cannot be had: there is no other plpgsql_check to ask.
const impediment = await installDebianPackages();
if (impediment !== null) console.log(`db lint is not tested: ${impediment}.`);

test.skipIf(impediment !== null)("db lint finds no error, and no warning but the justified", async () => {
  const folder = await temporaryFolder();
  onTestFinished(() => folder.remove());
  const cluster = await startDebianCluster(folder.path);
  onTestFinished(() => cluster.stop());
  const sql = postgres(cluster.adminUrl, { max: 1 });
  onTestFinished(() => sql.end());
  await sql.unsafe(asTheLinterNeeds);

  const lint = async () => {
    const { code, stdout, warnings } = await runSupabase(
      ["db", "lint", "--schema", "public,genflow", "--level", "warning", "--fail-on", "error"]
        .concat(remote(cluster.databaseUrl)),
    );
    expect(warnings).toEqual([]);
    const found = Findings.parse(JSON.parse(stdout)).flatMap((each) =>
      each.issues.map(({ message }) => `${each.function}: ${message}`)
    );
    return { code, found: found.sort() };
  };
  expect(await lint()).toEqual({ code: 0, found: justified });

  await sql.unsafe(`create function genflow.careless() returns integer language plpgsql
    as 'begin return (select no_such from public.generation_jobs limit 1); end'`);
  expect(await lint()).toEqual({
    code: 1,
    found: [...justified, 'genflow.careless: column "no_such" does not exist'].sort(),
  });
}, 3 * minutes);
