// Attempts that know whose is whose: one line of the table each, a word for each actor.

import type postgres from "postgres";
import { type Actor, type Attempt, attempt, type Outcome } from "./actors.ts";

export interface Line {
  readonly what: string;
  /** A word for each actor. */
  readonly cells: string[];
}

export interface Probe {
  what: string;
  of(actor: Actor): Omit<Attempt, "actor">;
  read(outcome: Outcome): string;
}

export async function probe(sql: postgres.ISql, actors: Actor[], probes: Probe[]): Promise<Line[]> {
  const plan = probes.flatMap((each) => actors.map((actor) => ({ actor, ...each.of(actor) })));
  const outcomes = await attempt(sql, plan);
  return probes.map(({ what, read }, index) => ({
    what,
    cells: actors.map((_, at) => read(outcomes[index * actors.length + at]!)),
  }));
}

export const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
export const went = ({ code, rows }: Outcome) => code === null && Number(rows) > 0 ? "yes" : "–";

/** What a signed-in user may call, with ids that are not theirs; the answer or the refusal. */
export function callProbes(): Probe[] {
  const calls: Record<string, (actor: Actor) => string> = {
    "search_generations for all there is": () => `public.search_generations('{"words": ""}')`,
    "queue_position of another's job": ({ victim }) => `public.queue_position('${victim.jobId}')`,
    "set_favorite on another's picture": ({ victim }) => `public.set_favorite('${victim.imageId}', true)`,
    "delete_images with another's picture": ({ victim }) => `public.delete_images('{${victim.imageId}}')`,
    "set_favorite on an own picture": ({ self }) => `public.set_favorite('${self.imageId}', true)`,
    "delete_images with an own picture": ({ self }) => `public.delete_images('{${self.imageId}}')`,
  };
  return Object.entries(calls).map(([what, call]) => ({
    what,
    of: (actor) => ({ statement: `select ${call(actor)}` }),
    read: ({ code, value }) => code === null ? `answers ${shape(value)}` : code === "42501" ? "–" : code,
  }));
}

/** A short answer as it is; of a long one the names, since its values differ from run to run. */
function shape(value: string | null): string {
  const answer: unknown = JSON.parse(value ?? "null");
  const whole = JSON.stringify(answer);
  return answer === null || typeof answer !== "object" || whole.length < 40
    ? whole
    : Object.keys(answer).join(", ");
}
