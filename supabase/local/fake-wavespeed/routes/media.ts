// The three ways to hand in a file, and where such files and the outputs are fetched from.

import * as z from "zod";
import type { World } from "../world.ts";
import { ticketMs } from "../uploads.ts";
import { retentionMs } from "../settings.ts";
import { data, readBody, refuse } from "./reply.ts";

const mebibyte = 1024 * 1024;
/** By the first half of the media type; of the old endpoint only. */
const oldLimits: Readonly<Record<string, number>> = {
  image: 20 * mebibyte,
  video: 100 * mebibyte,
  audio: 50 * mebibyte,
};
const Ticket = z.object({
  filename: z.string().min(1),
  size: z.number().int().nonnegative(),
  content_type: z.string().optional(),
});

export async function uploadBinary(world: World, request: Request): Promise<Response> {
  const file = await readFile(request);
  if (file === null) return refuse(world.settings, 400, "file is required");
  if (file.size > world.settings.maxUploadBytes) return tooLarge(world);
  const { name: filename, size } = file;
  return data({ type: kindOf(file.type), download_url: await keep(world, file), filename, size });
}

export async function oldUpload(world: World, request: Request): Promise<Response> {
  const file = await readFile(request);
  if (file === null) return refuse(world.settings, 400, "file is required");
  const limit = Math.min(world.settings.maxUploadBytes, oldLimits[kindOf(file.type)] ?? Infinity);
  if (file.size > limit) return tooLarge(world);
  return data({ url: await keep(world, file) });
}

/** The first of two steps; the second is a PUT of the file, to `upload.url`. */
export async function announce(world: World, request: Request): Promise<Response> {
  const asked = await readBody(request, Ticket);
  if (asked === null) return refuse(world.settings, 400, "filename and size are required");
  const { filename, size, content_type: contentType = "application/octet-stream" } = asked;
  if (size > world.settings.maxUploadBytes) return tooLarge(world);
  const createdAtMs = world.clock.nowMs();
  const url = `${world.origin}/upload/${world.uploads.add({ bytes: null, contentType, size, createdAtMs })}`;
  const headers = { "content-type": contentType };
  const expiresAt = new Date(createdAtMs + ticketMs).toISOString();
  return data({
    type: kindOf(contentType),
    download_url: url,
    filename,
    size,
    upload: { method: "PUT", url, headers, expires_at: expiresAt },
  });
}

/** Takes what was announced, once. Like a signed URL of a store, it is refused with any other authority. */
export async function putUpload(world: World, request: Request, name: string): Promise<Response> {
  const upload = world.uploads.ticket(name, world.clock.nowMs());
  if (upload === null) return new Response("Not found", { status: 404 });
  if (request.headers.has("authorization")) {
    return new Response("Only one authorization is allowed", { status: 400 });
  }
  if (request.headers.get("content-type") !== upload.contentType) {
    return new Response("The headers are not those that were signed", { status: 403 });
  }
  const bytes = new Uint8Array(await request.arrayBuffer());
  if (bytes.byteLength !== upload.size) return new Response("Another size was announced", { status: 400 });
  upload.bytes = bytes;
  return new Response(null, { status: 200 });
}

export function serveUpload(world: World, name: string): Response {
  const found = world.uploads.file(name, world.clock.nowMs());
  if (found === "expired") return expired(world);
  return found === null ? new Response("Not found", { status: 404 }) : serve(found);
}

/** Anonymously, for 7 days from the task's making. */
export function serveOutput(world: World, path: string): Response {
  const task = world.tasks.get(/^\/output\/([0-9a-f]{32})-/.exec(path)?.[1] ?? "");
  const output = task?.outputs.find((one) => one.path === path);
  if (task === undefined || output === undefined) return new Response("Not found", { status: 404 });
  return world.clock.nowMs() - task.createdAtMs >= retentionMs ? expired(world) : serve(output);
}

function expired({ settings }: World): Response {
  const status = Number(settings.expiredOutput);
  return new Response(status === 403 ? "<Error><Code>AccessDenied</Code></Error>" : "Not found", { status });
}

function serve({ bytes, contentType }: { bytes: Uint8Array; contentType: string }): Response {
  return new Response(new Uint8Array(bytes), {
    headers: { "content-type": contentType, "content-length": String(bytes.byteLength) },
  });
}

async function readFile(request: Request): Promise<File | null> {
  const file = await request.formData().then((form) => form.get("file"), () => null);
  return file instanceof File ? file : null;
}

async function keep(world: World, file: File): Promise<string> {
  const name = world.uploads.add({
    bytes: new Uint8Array(await file.arrayBuffer()),
    contentType: file.type,
    size: file.size,
    createdAtMs: world.clock.nowMs(),
  });
  return `${world.origin}/upload/${name}`;
}

function tooLarge({ settings }: World): Response {
  return refuse(settings, 413, "The file is too large");
}

function kindOf(contentType: string): string {
  return contentType.split("/")[0] ?? "";
}
