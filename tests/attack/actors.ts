// Who attacks, and what became of an attempt.

import type postgres from "postgres";
import type { Person, Scene } from "./scene.ts";

export const actorNames = ["anon", "owner", "other", "service_role"] as const;
export type ActorName = (typeof actorNames)[number];

export interface Actor {
  readonly name: ActorName;
  readonly role: "anon" | "authenticated" | "service_role";
  readonly sub: string | null;
  /** The one in whose name they act: anon and the service pose as the owner. */
  readonly self: Person;
  readonly victim: Person;
}

export function actorsOf({ owner, other }: Scene): Actor[] {
  return [
    { name: "anon", role: "anon", sub: null, self: owner, victim: other },
    { name: "owner", role: "authenticated", sub: owner.id, self: owner, victim: other },
    { name: "other", role: "authenticated", sub: other.id, self: other, victim: owner },
    { name: "service_role", role: "service_role", sub: null, self: owner, victim: other },
  ];
}

export interface Attempt {
  actor: Actor;
  /** A statement; a select's first value is answered. */
  statement: string;
  /** Run before it as superuser, in the same undone transaction. */
  before?: string;
  topic?: string;
}

export interface Outcome {
  /** SQLSTATE; null if it went through. */
  code: string | null;
  message: string;
  rows: number | null;
  value: string | null;
}

/** Answers in the attempts' order. */
export async function attempt(sql: postgres.ISql, attempts: Attempt[]): Promise<Outcome[]> {
  if (attempts.length === 0) return [];
  const list = attempts.map(({ actor, statement, before = null, topic = null }) => (
    { role: actor.role, sub: actor.sub, topic, before, statement }
  ));
  const [row] = await sql<{ outcomes: Outcome[] }[]>`
    select attack.attempts(${sql.json(list)}) as outcomes`;
  return row?.outcomes ?? [];
}

/** Refused by a missing privilege: the statement was never run. */
export function isDenied({ code, message }: Outcome): boolean {
  return code === "42501" && /^(permission denied|must be owner)/.test(message);
}

/** Refused as a function, not by what it does inside. */
export function isDeniedCall({ code, message }: Outcome, schema: string, name: string): boolean {
  return code === "42501" &&
    [`function ${name}`, `procedure ${name}`, `aggregate ${name}`, `schema ${schema}`]
      .some((object) => message === `permission denied for ${object}`);
}

/** Refused by row level security, row by row. */
export function isForbiddenRow({ code, message }: Outcome): boolean {
  return code === "42501" && /row-level security/.test(message);
}
