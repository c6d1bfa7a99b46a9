// Completes a task: reads its media, draws its pictures; fails it where an input cannot be read or a word is moderated.

import { createHash, randomInt } from "node:crypto";
import { pictureCount } from "./catalogue.ts";
import { readSize, type ResolvedInput, sizeOfRatio } from "./input.ts";
import { drawPicture, isPicture, type PictureFormat } from "./picture.ts";
import type { Settings } from "./settings.ts";
import { fail, isOpen, type Task } from "./task.ts";

const mediaDeadlineMs = 10_000;
const maxMediaBytes = 20 * 1024 * 1024;

export async function complete(task: Task, settings: Settings, signal: AbortSignal): Promise<void> {
  const { input } = task;
  if (settings.moderateWords.some((word) => input.prompt.toLowerCase().includes(word.toLowerCase()))) {
    return fail(task, 1200, "The content was flagged by moderation.");
  }
  let media: Uint8Array[];
  try {
    media = await Promise.all(mediaUrls(input).map((url) => readMedia(url, settings, signal)));
  } catch {
    // Nobody there, too slow, too large, or no picture: the provider has one code for all of them.
    if (!isOpen(task)) return;
    return fail(task, 1402, "A media URL could not be reached.");
  }
  await draw(task, media);
  if (isOpen(task)) task.status = "completed";
}

async function draw(task: Task, media: Uint8Array[]): Promise<void> {
  const { input } = task;
  const [widthPixels, heightPixels] = sizeOf(input);
  const format = formatOf(input);
  const seed = typeof input["seed"] === "number" && input["seed"] >= 0 ? input["seed"] : randomInt(2 ** 31);
  for (let index = 0; index < pictureCount(input); index++) {
    const picture = await drawPicture({
      prompt: input.prompt,
      seed,
      index,
      widthPixels,
      heightPixels,
      format,
      inputs: media,
    });
    task.outputs.push({
      path: `/output/${task.id}-${index}.${format}`,
      bytes: picture.bytes,
      contentType: picture.contentType,
      sha256: createHash("sha256").update(picture.bytes).digest("hex"),
    });
  }
}

function mediaUrls(input: ResolvedInput): string[] {
  const given = input["images"] ?? (input["image"] === undefined ? [] : [input["image"]]);
  return Array.isArray(given) ? given.map(String) : [];
}

async function readMedia(url: string, settings: Settings, signal: AbortSignal): Promise<Uint8Array> {
  if (url.startsWith("data:") && !settings.inlineMedia) throw new Error("not a URL to reach");
  const response = await fetch(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(mediaDeadlineMs)]),
  });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > maxMediaBytes) throw new Error("too large");
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
