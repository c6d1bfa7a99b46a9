// Objects in buckets: which keys are tried, and the attempts as rows, as the Storage API asks its database.

import type postgres from "postgres";
import type { Actor } from "./actors.ts";
import { literal, type Probe, went } from "./doors.ts";
import type { Person } from "./scene.ts";

export type ObjectVerb = "select" | "insert" | "update" | "delete";

export interface ObjectAttempt {
  /** The line of the table. */
  what: string;
  bucket: string;
  verb: ObjectVerb;
  /** The key arrives as it is when it is part of an address. */
  fitsAddress: boolean;
  /** An object that is there, or for an insert one that is not. */
  key(actor: Actor): string;
}

/** Where somebody's folder is meant, and where an upload could slip into it. */
const folders: Record<string, (actor: Actor) => Person> = {
  "own folder": ({ self }) => self,
  "another's folder": ({ victim }) => victim,
};
/** Addresses cannot hold all of them: those are tried as rows only. */
const oddKeys: Record<string, (actor: Actor) => string> = {
  "no folder": ({ name }) => `new-${name}.jpg`,
  "own id as a file": ({ self }) => self.id,
  "own id further down": ({ self, name }) => `folder/${self.id}/new-${name}.jpg`,
  "an empty folder": ({ self, name }) => `${self.id}//new-${name}.jpg`,
  "a folder that stays": ({ self, name }) => `${self.id}/./new-${name}.jpg`,
  "a folder that climbs": ({ self, victim, name }) => `${self.id}/../${victim.id}/climbed-${name}.jpg`,
};

export function objectAttempts(buckets: string[]): ObjectAttempt[] {
  return buckets.flatMap((bucket) => [
    ...Object.entries(folders).flatMap(([folder, whose]) =>
      (["select", "insert", "update", "delete"] as const).map((verb): ObjectAttempt => ({
        what: `bucket ${bucket}, ${folder}: ${verb}`,
        bucket,
        verb,
        fitsAddress: true,
        key(actor) {
          const person = whose(actor);
          if (verb === "insert") return `${person.id}/new-${actor.name}.jpg`;
          return bucket === "generations" ? person.picture : person.input;
        },
      }))
    ),
    ...Object.entries(oddKeys).map(([folder, key]): ObjectAttempt => ({
      what: `bucket ${bucket}, ${folder}: insert`,
      bucket,
      verb: "insert",
      fitsAddress: !["an empty folder", "a folder that stays", "a folder that climbs"].includes(folder),
      key,
    })),
  ]);
}

export async function readBuckets(sql: postgres.ISql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`select id from storage.buckets order by id`;
  return rows.map(({ id }) => id);
}

/** The row decides before a byte is read. */
export async function bucketProbes(sql: postgres.ISql): Promise<Probe[]> {
  return objectAttempts(await readBuckets(sql)).map(({ what, bucket, verb, key }): Probe => ({
    what,
    of: (actor) => ({ statement: objectStatement(verb, bucket, key(actor), actor) }),
    read: went,
  }));
}

function objectStatement(verb: ObjectVerb, bucket: string, key: string, { sub }: Actor): string {
  const there = `where bucket_id = ${literal(bucket)} and name = ${literal(key)}`;
  switch (verb) {
    case "select":
      return `select name from storage.objects ${there}`;
    case "insert":
      return `insert into storage.objects (bucket_id, name, owner_id) values (${literal(bucket)}, ${
        literal(key)
      }, ${sub === null ? "null" : literal(sub)})`;
    case "update":
      return `update storage.objects set metadata = '{}' ${there}`;
    case "delete":
      return `delete from storage.objects ${there}`;
  }
}
