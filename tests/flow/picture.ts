// One picture with the client SDK: the same lines run in Node, Deno and a browser.

import { createClient } from "@supabase/supabase-js";
import { createGenerationService, GenerationError } from "../../shared/client/mod.ts";

export async function makePicture(url: string, key: string, say: (line: string) => void): Promise<Blob> {
  const supabase = createClient(url, key);
  const email = `${crypto.randomUUID()}@example.com`;
  const { error: refused } = await supabase.auth.signUp({ email, password: crypto.randomUUID() });
  if (refused) throw refused;
  const service = createGenerationService({ supabase });
  try {
    await service.refresh();
    const [model] = await service.models();
    const draft = service.drafts.save({
      modelId: model!.id,
      aspectRatio: model!.aspectRatios[0]!,
      prompt: "a red fox in the snow",
    });
    const job = await service.startGeneration(draft);
    let path = "";
    for await (const { job: now, images, queue } of service.observe(job.id)) {
      say(`${now?.status}${queue ? `, ${queue.etaSeconds} s` : ""}`);
      path = images[0]?.path ?? "";
    }
    const { data, error } = await supabase.storage.from("generations").download(path);
    if (error) throw error;
    await service.refresh();
    say(`${data.type}, ${service.account.get()?.balance} credits left`);
    return data;
  } catch (error) {
    if (error instanceof GenerationError) say(`${error.code}: ${error.facts.detail}`);
    throw error;
  } finally {
    await service.close();
    await supabase.removeAllChannels();
    await supabase.auth.stopAutoRefresh();
  }
}
