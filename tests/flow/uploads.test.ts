// Reference images through the client SDK on a real stack: from the app to Storage to the provider.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";
import { openDevice } from "./device.ts";
import { photo } from "./photo.ts";
import { request } from "./request.ts";

let stack: ControlledStack;
beforeAll(async () => {
  stack = await startControlledStack();
});
afterAll(() => stack?.stop());

test("pictures of 1 and 13 MiB reach Storage whole, and a job takes them", async () => {
  const phone = openDevice(stack);
  try {
    const { service, userId } = await phone.launch();
    const photos = await Promise.all([photo(1), photo(13)]);
    const told: number[][] = [[], []];
    const paths = await Promise.all(photos.map((bytes, place) =>
      service.uploadInput(bytes, {
        onProgress: (sent, total) => told[place]!.push(sent / total),
      })
    ));
    for (const path of paths) expect(path.startsWith(`${userId}/`)).toBe(true);
    // Node tells nothing of a piece until it is through.
    expect(told[1]!.length).toBeGreaterThanOrEqual(2);
    const stored = await Promise.all(paths.map(async (path) => {
      const [row] = await stack.sql`select metadata->>'size' as size, metadata->>'mimetype' as type
        from storage.objects where bucket_id = 'generation-inputs' and name = ${path}`;
      return row;
    }));
    expect(stored).toEqual(photos.map(({ length }) => ({ size: String(length), type: "image/png" })));
    const job = await service.startGeneration({
      ...request,
      modelId: "nano-banana-edit",
      inputPaths: paths,
    });
    const statuses: string[] = [];
    for await (const record of service.observe(job.id)) statuses.push(record.job!.status);
    expect(statuses.at(-1)).toBe("completed");
  } finally {
    await phone.stop();
  }
});
