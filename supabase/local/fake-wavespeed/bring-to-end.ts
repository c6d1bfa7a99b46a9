// How a task ends: as it was doomed to, as a fault has it, or with its pictures.

import type { Log } from "../log.ts";
import { complete } from "./complete.ts";
import { type Settings, strikes } from "./settings.ts";
import { fail, isOpen, type Task } from "./task.ts";

/** Gives the task its last status, unless it was stopped meanwhile. */
export async function bringToEnd(
  task: Task,
  settings: Settings,
  { signal, log }: { signal: AbortSignal; log: Log },
): Promise<void> {
  if (task.doom !== null) return fail(task, task.doom.code, task.doom.message);
  if (strikes(settings, "failTasks")) return fail(task, settings.failure.code, settings.failure.message);
  if (strikes(settings, "endTasks")) {
    task.status = settings.ending;
    return;
  }
  if (strikes(settings, "emptyOutputs")) {
    task.status = "completed";
    return;
  }
  await complete(task, settings, signal).catch((error: unknown) => {
    log(`fake provider: a picture could not be drawn: ${error instanceof Error ? error.message : error}`);
    if (isOpen(task)) fail(task, 5000, "Internal error.");
  });
}
