// Topics of Realtime: which are tried, and the attempts as rows, as Realtime asks its database.

import type { Actor } from "./actors.ts";
import { literal, type Probe, went } from "./doors.ts";

/** Tried by each actor. */
export const topics: Record<string, (actor: Actor) => string> = {
  "generations:<own id>": ({ self }) => `generations:${self.id}`,
  "generations:<another's id>": ({ victim }) => `generations:${victim.id}`,
  "generations:<ANOTHER'S ID>": ({ victim }) => `generations:${victim.id.toUpperCase()}`,
  "generations:<own id>:more": ({ self }) => `generations:${self.id}:more`,
  "generations:": () => "generations:",
  "generations:<own id> and a space": ({ self }) => `generations:${self.id} `,
  "<own id>": ({ self }) => self.id,
  "other:<own id>": ({ self }) => `other:${self.id}`,
  "any other": () => "any other",
};
const probeId = "11111111-1111-4111-8111-111111111111";

/** As Realtime asks: it puts a row with topic and extension there itself; who sees it may join, who may add one may send. */
export function topicProbes(): Probe[] {
  const row = (topic: string, extension: string) =>
    `insert into realtime.messages (id, topic, extension) values ('${probeId}', ${literal(topic)}, ${
      literal(extension)
    })`;
  return ["broadcast", "presence"].flatMap((extension) =>
    Object.entries(topics).flatMap(([name, of]): Probe[] => [
      {
        what: `topic ${name}, ${extension}: join`,
        of: (actor) => ({
          topic: of(actor),
          before: row(of(actor), extension),
          statement: `select id from realtime.messages where id = '${probeId}'`,
        }),
        read: went,
      },
      {
        what: `topic ${name}, ${extension}: send`,
        of: (actor) => ({ topic: of(actor), statement: row(of(actor), extension) }),
        read: went,
      },
    ])
  );
}
