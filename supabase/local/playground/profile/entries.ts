// A feed's items as a grid shows them: a picture each, and one place for whatever has none yet.

import type { GenerationRecord } from "../../../../shared/client/mod.ts";

export interface Entry {
  /** The same from the tap to the picture. */
  id: string;
  record: GenerationRecord;
  /** Of `record.images`; null where there is none yet, or none any more. */
  place: number | null;
}

export function entriesOf(items: readonly GenerationRecord[]): Entry[] {
  return items.flatMap((record): Entry[] =>
    record.images.length === 0
      ? [{ id: `${record.key}/0`, record, place: null }]
      : record.images.map(({ index }, place) => ({ id: `${record.key}/${index}`, record, place }))
  );
}
