// A button's work: at most once at a time, its errors told.

import { useCallback, useRef, useState } from "react";
import { useNotice } from "./notice.tsx";

/** `isBusy` while it runs; a second tap meanwhile does nothing. */
export function useAct(work: () => Promise<unknown>): { act: () => void; isBusy: boolean } {
  const { fail } = useNotice();
  const [isBusy, setBusy] = useState(false);
  const running = useRef(false);
  const latest = useRef(work);
  latest.current = work;
  const act = useCallback(() => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    latest.current().catch(fail).finally(() => {
      running.current = false;
      setBusy(false);
    });
  }, [fail]);
  return { act, isBusy };
}
