// Brings a job's reference images to where the provider can read them.

import type { Backend } from "./ports.ts";

export const inputsBucket = "generation-inputs";
/** Longer than a task may wait in the provider's own queue. */
const signedSeconds = 3 * 60 * 60;

/**
 * One URL a path, in order; null if one of them is not there any more. Throws if one cannot be delivered now; nothing
 * has been submitted by then. One after the other: an upload goes through memory.
 */
export async function deliverInputs(backend: Backend, paths: string[]): Promise<string[] | null> {
  const urls: string[] = [];
  for (const path of paths) {
    const url = await deliver(backend, path);
    if (url === null) return null;
    urls.push(url);
  }
  return urls;
}

async function deliver({ store, provider, config }: Backend, path: string): Promise<string | null> {
  if (config.inputDelivery === "signed_url") return await store.sign(inputsBucket, path, signedSeconds);
  const file = await store.download(inputsBucket, path);
  if (file === null) return null;
  const uploaded = await provider.upload(file, path.split("/").at(-1) ?? "input");
  if (uploaded.kind !== "ok") throw new Error(`the provider did not take the upload: ${uploaded.kind}`);
  return uploaded.value.url;
}
