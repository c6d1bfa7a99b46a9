// Who may notice a mutant, the quickest first.

import { execFile } from "node:child_process";
import { join } from "node:path";
import * as z from "zod";
import { differences, readAllowed } from "../attack/allowed.ts";
import type { Defaults } from "../attack/defaults.ts";
import { attackDatabase } from "../attack/table.ts";
import { project, remote, supabase } from "../cli/supabase-cli.ts";
import type { Cluster } from "../../supabase/local/postgres/mod.ts";
import type { MutantKind } from "./mutants.ts";

export interface Candidate {
  readonly cluster: Cluster;
  readonly database: string;
  /** The folder of migrations that it was made of. */
  readonly migrations: string;
  readonly privileges: Defaults;
}

export interface Judge {
  readonly name: string;
  /** Its answer does not depend on the default privileges. */
  readonly once: boolean;
  /** Minutes of work: `npm test` has shown already that it finds nothing wrong with the unchanged migrations. */
  readonly slow: boolean;
  /** What is wrong, or null. */
  find(candidate: Candidate): Promise<string | null>;
}

/** One finding stands: a procedure that commits can have no setting of its own. */
const standing = "Function `genflow.sweep` has a role mutable search_path";
const Findings = z.array(z.object({ detail: z.string() }));

const advisor: Judge = {
  name: "advisor",
  once: true,
  slow: false,
  async find({ cluster, database }) {
    const target = remote(cluster.url("supabase_admin", database));
    const { stdout } = await supabase(["db", "advisors", "--type", "security", target]);
    return Findings.parse(JSON.parse(stdout)).find(({ detail }) => detail !== standing)?.detail ?? null;
  },
};

/** `files`: parts of their names; none for all. */
function databaseTests(name: string, ...files: string[]): Judge {
  return {
    name,
    once: true,
    slow: true,
    async find({ migrations }) {
      const { code, stdout } = await runVitest(
        ["--project", "database", "--bail", "1", ...files],
        migrations,
      );
      return code === 0 ? null : /FAIL.*/.exec(stdout)?.[0] ?? "failed without saying where";
    },
  };
}

const allowed = await readAllowed();

const attack: Judge = {
  name: "attack matrix",
  once: false,
  slow: false,
  async find({ cluster, database }) {
    try {
      const found = await attackDatabase(cluster.url("supabase_admin", database));
      return differences(found, allowed)[0] ?? null;
    } catch (error) {
      // The kernel could not even set the scene.
      return errorText(error);
    }
  },
};

const allDatabaseTests = databaseTests("database tests");
const triggerTests = databaseTests("database tests", "push", "transitions", "money", "silence");

export const judges: readonly Judge[] = [attack, advisor, allDatabaseTests];

/** The ones that are likeliest to notice come first. */
export function judgesOf(kind: MutantKind): readonly Judge[] {
  if (kind === "search_path") return [advisor, attack, allDatabaseTests];
  if (kind === "trigger") return [triggerTests, ...judges];
  return judges;
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function runVitest(args: string[], migrations: string): Promise<{ code: number; stdout: string }> {
  return new Promise((done, fail) => {
    const child = execFile(
      join(project, "node_modules/.bin/vitest"),
      ["run", ...args],
      {
        cwd: project,
        env: { ...process.env, GENFLOW_MIGRATIONS: migrations, NO_COLOR: "1" },
        maxBuffer: 64 * 1024 * 1024,
      },
      (_error, stdout) => done({ code: child.exitCode ?? 1, stdout }),
    );
    child.once("error", fail);
  });
}
