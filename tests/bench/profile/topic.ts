// `npm run bench -- profile`: how long a picture takes from its callback to the user's eyes.

import type { Part } from "../part.ts";
import { measureArrival } from "./arrival.ts";

export const profile: readonly Part[] = [
  { name: "arrival", measure: (_, { profile }) => measureArrival(profile) },
];
