// Work that goes on after the answer. The platform keeps an isolate alive for it only if it is registered, and does
// not catch what it throws. Whatever is lost with the isolate is the sweep's to find.

import type {} from "@supabase/functions-js/edge-runtime.d.ts";
import { errorName } from "../../../shared/backend/mod.ts";
import { log } from "./backend.ts";

export function afterAnswer(name: string, traceId: string, work: Promise<unknown>): void {
  EdgeRuntime.waitUntil(work.catch((error: unknown) => {
    log("after_answer_failed", { work: name, traceId, error: errorName(error) });
  }));
}
