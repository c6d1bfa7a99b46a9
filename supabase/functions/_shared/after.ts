// Work that goes on after the answer. The platform keeps an isolate alive for it only if it is registered, and does
// not catch what it throws. Whatever is lost with the isolate is the sweep's to find.

import type {} from "@supabase/functions-js/edge-runtime.d.ts";

/** `work` is a step of the log, so that its line says what failed. */
export function afterAnswer(work: Promise<unknown>): void {
  EdgeRuntime.waitUntil(work.catch(() => {
    // Told by the step's line.
  }));
}
