// Brings a job's reference images to where the provider can read them.

import type { Backend } from "./ports.ts";

export const inputsBucket = "generation-inputs";
/** Longer than a task may wait in the provider's own queue. */
const signedSeconds = 3 * 60 * 60;

/** One URL a path, in order. Throws if one cannot be delivered; nothing has been submitted by then. */
export function deliverInputs({ store, provider, config }: Backend, paths: string[]): Promise<string[]> {
  return Promise.all(paths.map(async (path) => {
    if (config.inputDelivery === "signed_url") return await store.sign(inputsBucket, path, signedSeconds);
    const uploaded = await provider.upload(
      await store.download(inputsBucket, path),
      path.split("/").at(-1) ?? "input",
    );
    if (uploaded.kind !== "ok") throw new Error(`the provider did not take the upload: ${uploaded.kind}`);
    return uploaded.value.url;
  }));
}
