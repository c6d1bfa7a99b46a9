// A draft as a form edits it.

import { useCallback } from "react";
import type { GenerationJob } from "../../contract/mod.ts";
import type { Draft, DraftWords } from "../drafts.ts";
import { clientError } from "../error.ts";
import { useService } from "./provider.ts";
import { useLive } from "./values.ts";

export interface UsedDraft {
  /** Null until something was edited, or where there is no such draft. */
  draft: Draft | null;
  /** Keeps these words beside the others. Answers the draft, whose id is the new one's where there was none. */
  edit(words: DraftWords): Draft;
  /** Sends it: the same tap until it is edited or its job has ended. `again`: another picture of the same words. */
  start(options?: { again?: boolean; signal?: AbortSignal }): Promise<GenerationJob>;
  remove(): void;
}

/** `id` null: the one that was saved last, or a new one with the first edit. */
export function useDraft(id: string | null = null): UsedDraft {
  const service = useService();
  const all = useLive(service.drafts.all);
  const draft = (id === null ? all[0] : all.find((each) => each.id === id)) ?? null;
  const own = id ?? draft?.id;
  const edit = useCallback((words: DraftWords) => {
    const known = own === undefined ? null : service.drafts.get(own);
    return service.drafts.save({ ...known?.words, ...words }, own);
  }, [service, own]);
  const start = useCallback(async (options?: { again?: boolean; signal?: AbortSignal }) => {
    const saved = own === undefined ? null : service.drafts.get(own);
    if (!saved) throw clientError("no_such_draft");
    return await service.startGeneration(saved, options);
  }, [service, own]);
  const remove = useCallback(() => {
    if (own !== undefined) service.drafts.remove(own);
  }, [service, own]);
  return { draft, edit, start, remove };
}
