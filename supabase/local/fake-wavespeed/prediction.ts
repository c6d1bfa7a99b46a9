// A task as the API tells it: in the submit's answer, in results and callbacks, and in the list.

import type { Settings } from "./settings.ts";
import type { Output, Task } from "./task.ts";

/** Observed: a result's created_at has nanoseconds and lies a few milliseconds after the submit answer's. */
const storedAfterMs = 2;

/** The bare prediction, as results and callbacks carry it. */
export function predictionOf(task: Task, origin: string, settings: Settings): Record<string, unknown> {
  const done = task.status === "completed";
  const form = settings.resultUrl === "long" ? "/result" : "";
  const durationMs = task.endedAtMs === null ? null : task.endedAtMs - (task.startedAtMs ?? task.endedAtMs);
  const hasError = task.error !== "" || settings.emptyError === "text";
  return {
    id: task.id,
    model: task.model.id,
    ...(settings.inputInResults ? { input: task.input } : {}),
    outputs: done ? task.outputs.map((output) => tellOutput(task, output, origin, settings)) : [],
    urls: { get: `${origin}/api/v3/predictions/${task.id}${form}` },
    ...(settings.omitFlags || !done
      ? {}
      : { has_nsfw_contents: task.outputs.map(() => settings.flagOutputs) }),
    status: task.status,
    created_at: withNanoseconds(task),
    ...(hasError ? { error: task.error } : {}),
    ...(task.code === null ? {} : { code: task.code }),
    ...(durationMs !== null && settings.timing !== "timings" ? { executionTime: durationMs } : {}),
    ...(durationMs !== null && settings.timing !== "executionTime"
      ? { timings: { inference: durationMs } }
      : {}),
  };
}

/** The answer to a submit: with the input, in the first status unless the task has been waited for. */
export function submitAnswerOf(task: Task, origin: string, settings: Settings): Record<string, unknown> {
  return {
    ...predictionOf(task, origin, settings),
    input: task.input,
    created_at: new Date(task.createdAtMs).toISOString(),
  };
}

/** An entry of the list. */
export function listedOf(task: Task, origin: string, settings: Settings): Record<string, unknown> {
  const { input: _, ...prediction } = predictionOf(task, origin, settings);
  return settings.echoInputs ? { ...prediction, [settings.listInput]: task.input } : prediction;
}

export function tellOutput(task: Task, output: Output, origin: string, { outputForm }: Settings): unknown {
  if (task.input["enable_base64_output"] === true) return Buffer.from(output.bytes).toString("base64");
  const url = origin + output.path;
  return outputForm === "object" ? { url } : url;
}

/** When the provider's database says that it was made. */
export function storedAtMs(task: Task): number {
  return task.createdAtMs + storedAfterMs;
}

function withNanoseconds(task: Task): string {
  const nanoseconds = String(Number.parseInt(task.id.slice(0, 5), 16) % 1_000_000).padStart(6, "0");
  return new Date(storedAtMs(task)).toISOString().replace("Z", `${nanoseconds}Z`);
}
