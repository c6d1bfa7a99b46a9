// The README is true: its commands exist, its files exist, and its state diagram is the database's.

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { generationStatuses, terminalStatuses } from "../../shared/contract/mod.ts";

const project = resolve(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(project, file), "utf8");
const readme = read("README.md");
const manifest = JSON.parse(read("package.json"));

describe("the README", () => {
  it("names only npm commands that exist", () => {
    const scripts = [...readme.matchAll(/npm run (?:--silent )?([a-z:-]+)/g)].map(([, name]) => name);
    const commands = [
      ...new Set([...scripts, ...[...readme.matchAll(/npm (start|test)\b/g)].map(([, name]) => name)]),
    ];
    expect(commands).toEqual(expect.arrayContaining(["start", "test", "generate"]));
    expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(commands));
  });

  it("names only files and folders that exist", () => {
    const named = [...readme.matchAll(/`((?:supabase|shared|tests)\/[\w./-]*[\w/]|\.env\.example)`/g)].map((
      [, path],
    ) => path ?? "");
    const made = ["supabase/.local/", "supabase/functions/.env"];
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((path) => !made.includes(path) && !existsSync(join(project, path)))).toEqual([]);
  });

  it("draws the state machine that the migrations define", () => {
    const diagram = [...readme.matchAll(/^ {2}(\w+) --> (\w+)$/gm)].map(([, from, to]) => `${from} ${to}`);
    const migration = read("supabase/migrations/20261122090300_jobs.sql");
    const inserted = /insert into genflow\.transitions [^;]*;/.exec(migration)?.[0] ?? "";
    const edges = [...inserted.matchAll(/\('(\w+)', '(\w+)'\)/g)].map(([, from, to]) => `${from} ${to}`);
    expect(edges.length).toBeGreaterThan(20);
    expect(diagram.toSorted()).toEqual(edges.toSorted());
  });

  it("speaks of the statuses that the contract knows, and no edge leaves a terminal one", () => {
    const froms = new Set([...readme.matchAll(/^ {2}(\w+) --> \w+$/gm)].map(([, from]) => from));
    expect([...froms].toSorted()).toEqual(
      generationStatuses.filter((status) => !terminalStatuses.has(status)).toSorted(),
    );
  });

  it("lists the RPC functions and buckets that the migrations make", () => {
    const sql = read("supabase/migrations/20261122090600_storage.sql") +
      read("supabase/migrations/20261122091500_app.sql") +
      read("supabase/migrations/20261123070000_search.sql");
    for (
      const name of ["my_account", "queue_position", "set_favorite", "delete_images", "search_generations"]
    ) {
      expect(sql).toContain(`create function public.${name}(`);
      expect(readme).toContain(`\`${name}\``);
    }
    for (const bucket of ["generations", "generation-inputs"]) {
      expect(sql).toContain(`('${bucket}', '${bucket}', false`);
    }
  });
});
