// Users who keep the stack busy, and keep what was promised to them: which key was answered with which job.

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { newUser } from "../flow/users.ts";
import { type Random, seeded } from "../simulation/random.ts";
import type { Address } from "./subject.ts";

export interface Promised {
  userId: string;
  key: string;
  jobId: string;
}

export interface People {
  readonly promised: Promised[];
  /** Requests that got no answer, or one of a stack that is down. */
  readonly unanswered: number;
  /** Answers that no crash explains. */
  readonly faults: string[];
  /** Ends what is under way: a tap that nobody answered is repeated until somebody does. */
  stop(): Promise<void>;
}

export interface PeopleOptions {
  seed: number;
  count: number;
  address: () => Address;
  say: (line: string) => void;
}

interface Person {
  userId: string;
  token: string;
}

const pauseMs = 700;
const retryMs = 250;
const answerMs = 20_000;
/** A stack that stays down must not keep its users for ever. */
const patienceMs = 30_000;
/** What the functions answer while something that they need is down, and what the platform answers for them. */
const passing = new Set([500, 502, 503, 504, 546]);

export async function invitePeople(options: PeopleOptions): Promise<People> {
  const { seed, count, address, say } = options;
  const leaving = new AbortController();
  const gone = new AbortController();
  const promised: Promised[] = [];
  const faults: string[] = [];
  let unanswered = 0;

  /** Null while there is no answer. */
  const call = async (person: Person, name: string, body: unknown, key?: string) => {
    const { url, publishableKey } = address();
    try {
      const response = await fetch(`${url}/functions/v1/${name}`, {
        method: "POST",
        headers: {
          apikey: publishableKey,
          authorization: `Bearer ${person.token}`,
          ...(key === undefined ? {} : { "idempotency-key": key }),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(answerMs),
      });
      const answer: unknown = await response.json();
      if (!passing.has(response.status)) return { status: response.status, jobId: jobIdOf(answer), answer };
    } catch {
      // Nobody there, cut off, or too slow: the app asks again, as it would.
    }
    unanswered++;
    return null;
  };

  /** One tap: the same key until it is answered, sometimes twice at once. */
  const tap = async (person: Person, random: Random) => {
    const key = randomUUID();
    const body = {
      modelId: "flux-schnell",
      prompt: "a red fox in the snow",
      aspectRatio: "1:1",
      numImages: random.pick([1, 1, 1, 2]),
    };
    const isDouble = random.chance(0.2);
    while (!gone.signal.aborted) {
      const answers = await Promise.all(
        Array.from({ length: isDouble ? 2 : 1 }, () => call(person, "start-generation", body, key)),
      );
      const ids = new Set(answers.flatMap((answer) => answer?.jobId ?? []));
      for (const answer of answers) {
        if (answer === null || answer.status === 200 || answer.status === 202) continue;
        faults.push(`start answered ${answer.status} ${JSON.stringify(answer.answer)}`);
        return null;
      }
      for (const jobId of ids) promised.push({ userId: person.userId, key, jobId });
      const [jobId] = ids;
      if (jobId !== undefined) return jobId;
      await delay(retryMs);
    }
    return null;
  };

  const live = async (person: Person, random: Random) => {
    while (!leaving.signal.aborted) {
      const jobId = await tap(person, random);
      if (jobId !== null && random.chance(0.15)) {
        const answer = await call(person, "cancel", { jobId });
        if (answer !== null && answer.status !== 200) faults.push(`cancel answered ${answer.status}`);
      }
      await delay(random.around(pauseMs, 0.6), undefined, { signal: leaving.signal }).catch(() => {});
    }
  };

  const persons = await Promise.all(Array.from({ length: count }, () => signUp(address())));
  say(`${count} users have signed up`);
  const lives = persons.map((person, at) => live(person, seeded(seed * 1000 + at)));
  return {
    promised,
    faults,
    get unanswered() {
      return unanswered;
    },
    async stop() {
      leaving.abort();
      const patience = setTimeout(() => gone.abort(), patienceMs);
      await Promise.all(lives);
      clearTimeout(patience);
    },
  };
}

/** The token is good for an hour, and the key that signed it is kept with the stack's data. */
async function signUp(address: Address): Promise<Person> {
  const client = await newUser({ ...address, external: false });
  const { data: { session } } = await client.auth.getSession();
  await client.auth.stopAutoRefresh();
  if (session === null) throw new Error("no session");
  return { userId: session.user.id, token: session.access_token };
}

function jobIdOf(answer: unknown): string | null {
  const job = typeof answer === "object" && answer !== null && "job" in answer ? answer.job : null;
  return typeof job === "object" && job !== null && "id" in job && typeof job.id === "string" ? job.id : null;
}
