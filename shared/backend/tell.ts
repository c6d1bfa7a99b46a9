// Tells the provider that nobody wants these tasks any more, where the setting says so. The provider has no cancel: the
// old form of its delete may stop a running task, or not. So its "yes" ends nothing; what it then says of the task does.

import { errorFields, type Line } from "./log.ts";
import type { Backend } from "./ports.ts";
import { settle } from "./settle.ts";

/** Whether the provider took our word for any of them. Best effort: it never throws. */
export async function tellProvider(
  backend: Backend,
  taskIds: readonly string[],
  line: Line,
): Promise<boolean> {
  const told = await Promise.all(taskIds.map((taskId) => tellOfTask(backend, taskId, line)));
  return told.includes(true);
}

async function tellOfTask(backend: Backend, taskId: string, line: Line): Promise<boolean> {
  const answer = await backend.provider.delete(taskId);
  if (answer.kind !== "ok") return false;
  const result = await backend.provider.result(taskId);
  // Anything else proves nothing, a 404 included: the polls go on, and the hold stays open until they know.
  if (result.kind !== "prediction") return true;
  try {
    await settle(backend, result.prediction, null, line);
  } catch (error) {
    // The next poll asks the same.
    line.add(errorFields(error));
  }
  return true;
}
