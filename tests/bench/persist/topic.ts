// `npm run bench -- persist`: what storing a large picture costs the function's process.

import type { Part } from "../part.ts";
import { measureMemory } from "./memory.ts";
import { measureSpeed } from "./speed.ts";

export const persist: readonly Part[] = [
  { name: "memory", measure: (_, { persist }) => measureMemory(persist) },
  { name: "speed", measure: (_, { persist }) => measureSpeed(persist) },
];
