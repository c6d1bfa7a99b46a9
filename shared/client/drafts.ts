// What the user is composing: kept with each change, with the key of the tap that has sent it.

import * as z from "zod";
import { canonicalJson, hasEnded, StartRequest } from "../contract/mod.ts";
import type { Clock } from "./clock.ts";
import { clientError } from "./error.ts";
import { createCell, type Live } from "./live.ts";
import type { Records } from "./records.ts";
import type { Shelf } from "./shelf.ts";
import { newUuid } from "./uuid.ts";

/** A request that may lack what it needs yet. */
export type DraftWords = Partial<Omit<StartRequest, "retryOf">>;

const Draft = z.object({
  id: z.uuid(),
  words: z.custom<DraftWords>((words) =>
    typeof words === "object" && words !== null && !Array.isArray(words)
  ),
  /** Of the tap that has sent these words: the same again is the same job, until it has ended. */
  key: z.uuid().nullable(),
  /** ISO 8601. */
  savedAt: z.string(),
});
export type Draft = Readonly<z.infer<typeof Draft>>;

export interface Drafts {
  /** The last saved first. */
  readonly all: Live<readonly Draft[]>;
  get(id: string): Draft | null;
  /** Keeps the words, as those of the draft `id` or as a new one; other words than before are another tap. */
  save(words: DraftWords, id?: string): Draft;
  remove(id: string): void;
}

export interface OwnDrafts extends Drafts {
  /** The key to send it under, minted and kept before anything is sent. `again`: another picture of the same words. */
  keyOf(draft: Draft, again: boolean): Promise<string>;
  close(): void;
}

const nameOf = (id: string) => `draft/${id}`;

/** Reads what was kept, and takes up what other tabs keep. */
export async function openDrafts(shelf: Shelf, records: Records, clock: Clock): Promise<OwnDrafts> {
  const drafts = new Map<string, Draft>();
  const all = createCell<readonly Draft[]>([]);

  function publish(): void {
    all.set([...drafts.values()].sort((a, b) => a.savedAt < b.savedAt ? 1 : a.savedAt > b.savedAt ? -1 : 0));
  }
  function keep(draft: Draft): Promise<void> {
    drafts.set(draft.id, draft);
    publish();
    return shelf.set(nameOf(draft.id), draft);
  }

  for (const draft of await shelf.load(nameOf(""), Draft)) drafts.set(draft.id, draft);
  publish();
  const leaves = [
    shelf.onChange(async (name) => {
      if (!name.startsWith(nameOf(""))) return;
      const draft = await shelf.get(name, Draft);
      if (draft) drafts.set(draft.id, draft);
      else drafts.delete(name.slice(nameOf("").length));
      publish();
    }),
    // The next tap wants another picture.
    records.onEnd(({ key }) => {
      for (const draft of drafts.values()) if (draft.key === key) void keep({ ...draft, key: null });
    }),
  ];

  return {
    all,
    get: (id) => drafts.get(id) ?? null,
    save(words, id = newUuid()) {
      const known = drafts.get(id);
      const isSame = known !== undefined && canonicalJson(known.words) === canonicalJson(words);
      if (isSame) return known;
      const draft = { id, words, key: null, savedAt: new Date(clock.now()).toISOString() };
      void keep(draft);
      return draft;
    },
    remove(id) {
      drafts.delete(id);
      publish();
      void shelf.remove(nameOf(id));
    },
    async keyOf({ id }, again) {
      const draft = drafts.get(id);
      if (!draft) throw clientError("no_such_draft");
      const record = draft.key === null ? null : records.get(draft.key);
      const isOver = record?.job && hasEnded(record.job);
      if (draft.key !== null && !again && !isOver) return draft.key;
      const key = newUuid();
      await keep({ ...draft, key });
      return key;
    },
    close: () => leaves.forEach((leave) => leave()),
  };
}
