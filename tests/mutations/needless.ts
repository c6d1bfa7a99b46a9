// Statements that guard against nothing that can be, and stay because a landed migration is not edited.

import type { Mutant } from "./mutants.ts";

const needless: { file: string; what: RegExp; because: string }[] = [];

export function needlessBecause(mutant: Mutant): string | null {
  return needless.find(({ file, what }) => mutant.file === file && what.test(mutant.what))?.because ?? null;
}
