// Saves a finished picture the way an app would open it: by a signed URL that its owner makes.

import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { SupabaseClient } from "@supabase/supabase-js";
import type { GenerationImage } from "../../../shared/contract/mod.ts";

export interface SavedImage {
  sha256: string;
  width: number;
  height: number;
  bytes: number;
  contentType: string;
  /** Object name in the bucket. */
  path: string;
  /** Where it was saved, relative to the working directory. */
  file: string;
}

const bucket = "generations";
const signedSeconds = 60;
const endings: Readonly<Record<string, string>> = {
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/webp": "webp",
};

export async function saveImage(
  client: SupabaseClient,
  image: GenerationImage,
  folder: string,
): Promise<SavedImage> {
  const { data, error } = await client.storage.from(bucket).createSignedUrl(image.path, signedSeconds);
  if (error) throw new Error(`The picture could not be opened: ${error.message}`);
  const response = await fetch(data.signedUrl);
  if (!response.ok) throw new Error(`The picture could not be opened: HTTP ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== image.sha256) throw new Error("The stored picture is not the one that was recorded");
  await mkdir(folder, { recursive: true });
  const file = join(
    folder,
    `${image.jobId.slice(0, 8)}-${image.index}.${endings[image.contentType] ?? "bin"}`,
  );
  await writeFile(file, bytes);
  const { width, height, contentType, path } = image;
  return {
    sha256,
    width,
    height,
    bytes: bytes.byteLength,
    contentType,
    path,
    file: relative(process.cwd(), file),
  };
}
