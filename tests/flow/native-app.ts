// An app as React Native runs it, in a process of its own: without the globals that its engine has not got. Says what it
// has seen, as JSON.

import { createClient } from "@supabase/supabase-js";
import { createGenerationService, memoryStorage, nativeLifecycle } from "../../shared/client/mod.ts";
import { photo } from "./photo.ts";
import { request } from "./request.ts";

const [url = "", key = "", email = "", password = ""] = process.argv.slice(2);
const picture = await photo(7);
// What Node's own fetch and WebSocket need of them it takes when it is first used.
await (await fetch(`${url}/_status`)).text();
new WebSocket(url.replace("http", "ws")).onerror = () => {};

const own = globalThis.crypto;
Object.defineProperty(globalThis, "crypto", {
  // As react-native-get-random-values brings it.
  value: { getRandomValues: (array: Uint8Array<ArrayBuffer>) => own.getRandomValues(array) },
});
const missing: [object, string[]][] = [
  [globalThis, [
    ...["WritableStream", "TransformStream", "TextDecoderStream", "CompressionStream"],
    ...[
      "BroadcastChannel",
      "MessageChannel",
      "structuredClone",
      "localStorage",
      "sessionStorage",
      "EventSource",
    ],
  ]],
  [AbortSignal, ["any", "timeout", "abort"]],
  [AbortSignal.prototype, ["throwIfAborted"]],
  [Promise, ["withResolvers", "try"]],
  [Array, ["fromAsync"]],
  [Array.prototype, ["toSorted", "toReversed", "toSpliced", "with"]],
  [Set.prototype, ["union", "intersection", "difference", "isSubsetOf"]],
  [Object, ["groupBy"]],
  [Map, ["groupBy"]],
];
for (const [of, names] of missing) for (const name of names) Reflect.deleteProperty(of, name);
// Node's fetch looks for this one with each answer, and finds it.
const { ReadableStream } = globalThis;
Object.defineProperty(globalThis, "ReadableStream", {
  get: () => /^.*\n.*\n.*node:internal/.test(new Error().stack!) ? ReadableStream : undefined,
});
if (globalThis.ReadableStream) throw new Error("it should not be there");
const left = missing.flatMap(([of, names]) => names.filter((name) => name in of));

const supabase = createClient(url, key);
const { error } = await supabase.auth.signUp({ email, password });
if (error) throw error;
const service = createGenerationService({
  supabase,
  storage: memoryStorage(),
  lifecycle: nativeLifecycle({ addEventListener: () => ({ remove() {} }) }),
});
try {
  await service.refresh();
  const feed = service.feed();
  const draft = service.drafts.save({
    ...request,
    modelId: "nano-banana-edit",
    inputPaths: [await service.uploadInput(picture)],
  });
  const job = await service.startGeneration(draft);
  let last = "";
  for await (const record of service.observe(job.id)) last = record.job!.status;
  const [image] = feed.state.get().items[0]?.images ?? [];
  const answer = await fetch(await service.images.url(image!.path));
  console.log(
    JSON.stringify({ left, last, bytes: (await answer.arrayBuffer()).byteLength === image!.bytes }),
  );
} finally {
  await service.close();
  await supabase.removeAllChannels();
  await supabase.auth.stopAutoRefresh();
}
