// One prediction of the stand-in: its life from created to its end, and its pictures.

import { createHash, randomBytes, randomInt } from "node:crypto";
import { type FakeModel, readSize, type ResolvedInput, sizeOfRatio } from "./catalogue.ts";
import type { Settings } from "./control.ts";
import { drawPicture, isPicture, type PictureFormat } from "./picture.ts";

const inputDeadlineMs = 10_000;
const maxInputBytes = 20 * 1024 * 1024;

export type TaskStatus = "created" | "processing" | "completed" | "failed" | "deleted";

export interface Output {
  /** Path below the server's origin. */
  path: string;
  bytes: Uint8Array;
  contentType: string;
  sha256: string;
}

export interface Task {
  id: string;
  model: FakeModel;
  input: ResolvedInput;
  webhookUrl: string | null;
  createdAtMs: number;
  endedAtMs: number | null;
  status: TaskStatus;
  outputs: Output[];
  error: string;
  code: number | null;
  callbacks: { sent: number; dropped: number };
}

export function createTask(
  model: FakeModel,
  input: ResolvedInput,
  webhookUrl: string | null,
  nowMs: number,
): Task {
  return {
    id: randomBytes(16).toString("hex"),
    model,
    input,
    webhookUrl,
    createdAtMs: nowMs,
    endedAtMs: null,
    status: "created",
    outputs: [],
    error: "",
    code: null,
    callbacks: { sent: 0, dropped: 0 },
  };
}

export function isOpen(task: Task): boolean {
  return task.status === "created" || task.status === "processing";
}

export function fail(task: Task, code: number, message: string): void {
  task.status = "failed";
  task.code = code;
  task.error = message;
}

/** Draws the pictures and completes the task; fails it where an input cannot be read or a word is moderated. */
export async function complete(task: Task, settings: Settings, signal: AbortSignal): Promise<void> {
  const { input } = task;
  const deleted = () => task.status === "deleted";
  if (settings.moderateWords.some((word) => input.prompt.toLowerCase().includes(word.toLowerCase()))) {
    return fail(task, 1200, "The content was flagged by moderation.");
  }
  let inputs: Uint8Array[];
  try {
    inputs = await Promise.all(inputUrls(input).map((url) => readInput(url, signal)));
  } catch {
    // Nobody there, too slow, too large, or no picture: the provider has one code for all of them.
    if (deleted()) return;
    return fail(task, 1402, "A media URL could not be reached.");
  }
  const [widthPixels, heightPixels] = sizeOf(input);
  const format = formatOf(input);
  const seed = typeof input["seed"] === "number" && input["seed"] >= 0 ? input["seed"] : randomInt(2 ** 31);
  const count = typeof input["num_images"] === "number" ? input["num_images"] : 1;
  for (let index = 0; index < count; index++) {
    const picture = await drawPicture({
      prompt: input.prompt,
      seed,
      index,
      widthPixels,
      heightPixels,
      format,
      inputs,
    });
    task.outputs.push({
      path: `/output/${task.id}-${index}.${format}`,
      bytes: picture.bytes,
      contentType: picture.contentType,
      sha256: createHash("sha256").update(picture.bytes).digest("hex"),
    });
  }
  if (!deleted()) task.status = "completed";
}

function inputUrls(input: ResolvedInput): string[] {
  const given = input["images"] ?? (input["image"] === undefined ? [] : [input["image"]]);
  return Array.isArray(given) ? given.map(String) : [];
}

async function readInput(url: string, signal: AbortSignal): Promise<Uint8Array> {
  const response = await fetch(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(inputDeadlineMs)]),
  });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > maxInputBytes) throw new Error("too large");
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (!await isPicture(bytes)) throw new Error("no picture");
  return bytes;
}

function sizeOf(input: ResolvedInput): [number, number] {
  if (typeof input["size"] === "string") return readSize(input["size"]) ?? [1024, 1024];
  return sizeOfRatio(typeof input["aspect_ratio"] === "string" ? input["aspect_ratio"] : "1:1");
}

function formatOf(input: ResolvedInput): PictureFormat {
  const asked = input["output_format"];
  return asked === "png" || asked === "webp" ? asked : "jpeg";
}

/** The bare prediction, as results and callbacks carry it. Only the submit's answer and the list echo the input. */
export function predictionOf(task: Task, origin: string, settings: Settings): Record<string, unknown> {
  const done = task.status === "completed";
  // The provider's results have nanoseconds.
  const createdAt = new Date(task.createdAtMs).toISOString().replace("Z", "000000Z");
  return {
    id: task.id,
    model: task.model.id,
    outputs: done ? task.outputs.map(({ path }) => origin + path) : [],
    urls: { get: `${origin}/api/v3/predictions/${task.id}/result` },
    ...(settings.omitFlags || !done
      ? {}
      : { has_nsfw_contents: task.outputs.map(() => settings.flagOutputs) }),
    status: task.status,
    created_at: createdAt,
    error: task.error,
    ...(task.code === null ? {} : { code: task.code }),
    ...(task.endedAtMs === null ? {} : { timings: { inference: task.endedAtMs - task.createdAtMs } }),
  };
}
