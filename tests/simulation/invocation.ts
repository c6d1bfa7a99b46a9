// One invocation of a function, or the app: what it asks of the outside takes its time there and back, and it can die
// between any two of its questions, with the question made or not.

import type { Faults } from "./faults.ts";
import type { Random } from "./random.ts";
import { awake, inside, type Owner, type Time } from "./time.ts";

export interface Invocation extends Owner {
  readonly name: string;
  readonly number: number;
  /** Of its clock, against the world's. */
  readonly skewMs: number;
  /** Not a function: nothing of the platform's ends it. */
  readonly isApp: boolean;
  ended: boolean;
}

/** How a question goes: seconds there, what happens there, seconds back. */
export interface Question<Answer> {
  there: number;
  /** Happens whether or not whoever asked still lives. */
  happen: () => Promise<Answer> | Answer;
  back: number;
}

export interface Machine {
  /** Runs `work` as an invocation; resolves when it ends, is killed or fails. Its failure is the trail's. */
  run(
    name: string,
    work: (invocation: Invocation) => Promise<void>,
    more?: { isApp?: boolean },
  ): Promise<"done" | "failed" | "killed">;
  ask<Answer>(invocation: Invocation, question: Question<Answer>): Promise<Answer>;
  kill(invocation: Invocation): void;
  readonly alive: Set<Invocation>;
}

/** The platform ends a function for good after so long. */
const wallClockSeconds = 400;
/** Nobody can be killed later than this question of his. */
const maxQuestions = 30;

interface Fate {
  /** It dies at this question, before it is made or after. */
  atQuestion: number;
  after: boolean;
  isDoomed: boolean;
  finish: (how: "killed") => void;
}

export function createMachine(options: {
  time: Time;
  random: Random;
  faults: Faults;
  /** Largest skew of a worker's clock. */
  skewMs: number;
  trail: (line: string) => void;
}): Machine {
  const { time, random, faults, trail } = options;
  const alive = new Set<Invocation>();
  const dying = new WeakMap<Invocation, Fate>();
  const asked = new WeakMap<Invocation, number>();
  let count = 0;

  function kill(invocation: Invocation): void {
    if (invocation.dead || invocation.ended) return;
    invocation.dead = true;
    alive.delete(invocation);
    trail(`killed ${invocation.name}#${invocation.number}`);
    if (dying.get(invocation)?.isDoomed === true) faults.seen("function killed");
    dying.get(invocation)?.finish("killed");
  }

  return {
    alive,
    kill,
    run(name, work, { isApp = false } = {}) {
      const skewMs = isApp ? 0 : Math.round(random.between(-options.skewMs, options.skewMs));
      const invocation: Invocation = {
        name,
        number: ++count,
        dead: false,
        asleepUntil: 0,
        ended: false,
        isApp,
        skewMs,
      };
      alive.add(invocation);
      return new Promise((resolve) => {
        const isDoomed = !isApp && faults.strikes("function killed");
        dying.set(invocation, {
          atQuestion: isDoomed ? random.integer(1, maxQuestions) : Infinity,
          after: random.chance(0.5),
          isDoomed,
          finish: resolve,
        });
        if (isDoomed && random.chance(0.7)) {
          // Most ask but a few questions.
          dying.get(invocation)!.atQuestion = random.integer(1, 6);
        }
        const wall = isApp ? null : time.after(wallClockSeconds * 1000, () => kill(invocation));
        const finish = (how: "done" | "failed") => {
          invocation.ended = true;
          alive.delete(invocation);
          if (wall !== null) time.cancel(wall);
          resolve(how);
        };
        inside(time, invocation, () => work(invocation)).then(() => finish("done"), (error: unknown) => {
          trail(
            `${name}#${invocation.number} failed: ${error instanceof Error ? error.message : String(error)}`,
          );
          finish("failed");
        });
      });
    },
    ask(invocation, question) {
      const number = (asked.get(invocation) ?? 0) + 1;
      asked.set(invocation, number);
      const fate = dying.get(invocation);
      const dies = fate !== undefined && !invocation.dead && number >= fate.atQuestion;
      if (dies && !fate.after) kill(invocation);
      return new Promise((resolve, reject) => {
        // The dead ask nothing.
        if (invocation.dead) return;
        if (dies) time.after(question.there * 500, () => kill(invocation));
        if (!invocation.isApp && faults.strikes("function stalled")) {
          faults.seen("function stalled");
          invocation.asleepUntil = time.now() + random.between(20, 200) * 1000;
        }
        const answer = (say: () => void) =>
          time.after(question.back * 1000, () => awake(time, invocation, say));
        time.after(question.there * 1000, async () => {
          try {
            const value = await question.happen();
            answer(() => resolve(value));
          } catch (error) {
            answer(() => reject(error));
          }
        });
      });
    },
  };
}
