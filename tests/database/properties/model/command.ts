// What a command is: something that can be asked of the kernel, done to the kernel and to the model. Both must answer
// alike and be alike afterwards.

import fc from "fast-check";
import type { Persist } from "../../../../shared/backend/kernel.ts";
import type { TestDatabase } from "../../database.ts";
import { expectAlike } from "./compare.ts";
import type { Model, User } from "./state.ts";

/** The kernel's side. Leases are kept here, for their tokens are the kernel's. */
export interface Real {
  db: TestDatabase;
  leases: Persist[];
}
type Act<Choice> = (model: Model, real: Real, choice: Choice) => Promise<unknown>;
export type Command = fc.AsyncCommand<Model, Real>;

export function command<Choice>(
  name: string,
  choices: fc.Arbitrary<Choice>,
  act: Act<Choice>,
): fc.Arbitrary<Command> {
  return choices.map((choice) => ({
    check: () => true,
    async run(model, real) {
      await act(model, real, choice);
      await expectAlike(model, real.db);
    },
    toString: () => `${name} ${JSON.stringify(choice)}`,
  }));
}

export const pick = fc.nat({ max: 12 });
/** Counted from the newest. */
export const at = <Item>(items: Iterable<Item>, pick: number): Item | undefined => {
  const all = [...items];
  return all[all.length - 1 - pick % all.length];
};
export const userAt = (model: Model, pick: number): User => at(model.users.values(), pick)!;
