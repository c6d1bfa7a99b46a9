// One generation: observed for as long as it is shown, so that its end needs no notification.

import { useEffect, useState } from "react";
import type { GenerationRecord } from "../record.ts";
import { useService } from "./provider.ts";

/** Of a job's id or a tap's key; null until it was read, and where there is none. */
export function useGeneration(id: string | null): GenerationRecord | null {
  const service = useService();
  const [shown, setShown] = useState<{ id: string; record: GenerationRecord } | null>(null);
  useEffect(() => {
    if (id === null) return;
    const leaving = new AbortController();
    void (async () => {
      try {
        for await (const record of service.observe(id, { signal: leaving.signal })) {
          setShown({ id, record });
        }
      } catch {
        // Left, signed out, discarded or not there: nothing to show.
        if (!leaving.signal.aborted) setShown(null);
      }
    })();
    return () => leaving.abort();
  }, [service, id]);
  return shown?.id === id ? shown.record : null;
}
