// Where a generation stands among the others: by the time of its tap, then by its id, as the backend orders them.

import type { GenerationJob, SearchCursor } from "../../contract/mod.ts";

export type Place = SearchCursor;

export function placeOf({ createdAt, id }: GenerationJob): Place {
  return { createdAt, id };
}

/** Below 0: the first is the older one. */
export function compareAge(one: Place, other: Place): number {
  return compareText(timeOf(one), timeOf(other)) || compareText(one.id, other.id);
}

/** The place just before `place` in that order: a search after it begins with what stands there. */
export function before({ createdAt }: Place, sort: "newest" | "oldest"): Place {
  return {
    createdAt,
    id: sort === "newest" ? "ffffffff-ffff-ffff-ffff-ffffffffffff" : "00000000-0000-0000-0000-000000000000",
  };
}

/** Microseconds, which a Date would round away. All are in UTC; where zeros are left out at the end, order is kept. */
function timeOf({ createdAt }: Place): string {
  const [, seconds = "", fraction = ""] = /^([^.Z+]*)(?:\.(\d+))?/.exec(createdAt) ?? [];
  return `${seconds}.${fraction}`;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
