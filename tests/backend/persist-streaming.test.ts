// A picture on its way from the provider into Storage: whatever breaks on either side, the other side is let go of, no
// object is left that looks whole, and nothing is recorded.

import { expect, test, vi } from "vitest";
import { persistAttempt } from "../../shared/backend/persist.ts";
import type { Store } from "../../shared/backend/mod.ts";
import { persistOf } from "./claims.ts";
import { attemptId, fakeBackend } from "./fake-backend.ts";
import { memoryStore } from "./memory-store.ts";
import { png, servingAt } from "./pictures.ts";

const image = { index: 0, url: "https://cdn.example.com/0", path: "user/job/0-9c3e5a70", flagged: false };
type Pull = (
  controller: ReadableStreamDefaultController<Uint8Array>,
  signal: AbortSignal,
) => void | Promise<void>;

/** Stores one picture, whose bytes come as `pull` gives them. */
async function persisted(pull: Pull, { upload, leaseSeconds = 60 }: {
  upload?: Store["upload"];
  leaseSeconds?: number;
} = {}) {
  const store = memoryStore();
  const cancel = vi.fn();
  const fake = fakeBackend({
    kernel: { claim_persists: () => ({ claims: [persistOf({ leaseSeconds, images: [image] })] }) },
    fetch: (url, init) => {
      const signal = init?.signal ?? expect.unreachable("without a signal");
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => signal.addEventListener("abort", () => controller.error(signal.reason)),
        pull: (controller) => pull(controller, signal),
        cancel,
      }, { highWaterMark: 0 });
      return servingAt({ [image.url]: () => new Response(body) })(url, init);
    },
    store: { upload: upload ?? store.upload },
  });
  await persistAttempt(fake.backend, attemptId);
  const [completed] = fake.asked("complete_generation");
  return { ...fake, cancel, objects: store.objects, failures: completed?.["p_failures"] };
}

/** These, one a pull, then what the last does. */
function inPieces(...pieces: [...Uint8Array[], Pull]): Pull {
  const last = pieces.pop() as Pull;
  const left = [...pieces] as Uint8Array[];
  return (controller, signal) => {
    const piece = left.shift();
    if (piece === undefined) return last(controller, signal);
    controller.enqueue(piece);
  };
}
const end: Pull = (controller) => controller.close();
const broken: Pull = (controller) => controller.error(new TypeError("reset"));
const silence: Pull = (_, signal) =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve()));

test.each<[string, boolean, Pull]>([
  ["breaks off", false, inPieces(png.slice(0, 70), png.slice(70, 80), broken)],
  ["lacks its end mark", true, inPieces(png.slice(0, 70), png.slice(70, -1), end)],
  [
    "never ends",
    true,
    inPieces(png.slice(0, -12), (controller) => controller.enqueue(new Uint8Array(4_000_000))),
  ],
])("a picture that %s leaves no object and no record (permanent: %s)", async (_, permanent, pull) => {
  const { objects, asked, failures } = await persisted(pull);
  expect(objects.size).toBe(0);
  expect(asked("record_image")).toEqual([]);
  expect(failures).toEqual({ failures: [{ index: 0, permanent }] });
});

test("a picture's own fault is told and not the upload that failed with it", async () => {
  const { logged } = await persisted(inPieces(png.slice(0, 70), png.slice(70, -1), end));
  expect(logged.join()).toContain('"outcome":"unusable","reason":"not_a_whole_image"');
});

test("an upload that breaks off lets the download go and is tried again", async () => {
  const { cancel, asked, failures } = await persisted(
    inPieces(png.slice(0, 70), png.slice(70, 80), silence),
    {
      upload: async (_bucket, _path, { stream }) => {
        await stream.getReader().read();
        throw new Error("reset");
      },
    },
  );
  expect(cancel).toHaveBeenCalledOnce();
  expect(asked("record_image")).toEqual([]);
  expect(failures).toEqual({ failures: [{ index: 0, permanent: false }] });
});

test("a path that is taken is told before anything is read, and the download is let go", async () => {
  const { cancel, logged } = await persisted(inPieces(png.slice(0, 70), silence), {
    upload: () => Promise.resolve("taken"),
  });
  expect(cancel).toHaveBeenCalledOnce();
  expect(logged.join()).toContain('"reason":"path_taken"');
});

test("a download that stalls is left with the lease's time, and its upload with it", async () => {
  const { objects, failures } = await persisted(inPieces(png.slice(0, 70), silence), { leaseSeconds: 10.05 });
  expect(objects.size).toBe(0);
  expect(failures).toEqual({ failures: [{ index: 0, permanent: false }] });
});

test("an upload that stalls gets the lease's time as its signal", async () => {
  const stalled = vi.fn<Store["upload"]>((_bucket, _path, _body, signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
  );
  const { cancel, failures } = await persisted(inPieces(png.slice(0, 70), silence), {
    leaseSeconds: 10.05,
    upload: stalled,
  });
  expect(stalled).toHaveBeenCalledOnce();
  expect(cancel.mock.calls.length).toBeLessThanOrEqual(1);
  expect(failures).toEqual({ failures: [{ index: 0, permanent: false }] });
});

test("a provider that is faster than Storage waits for it", async () => {
  let sent = 0;
  const ahead: number[] = [];
  await persisted((controller) => {
    const piece = png.slice(sent, sent += 10);
    if (piece.byteLength === 0) controller.close();
    else controller.enqueue(piece);
  }, {
    upload: async (_bucket, _path, { stream }) => {
      let taken = 0;
      for await (const { byteLength } of stream) {
        taken += byteLength;
        ahead.push(sent - taken);
      }
      return "stored";
    },
  });
  expect(sent).toBeGreaterThan(png.byteLength);
  expect(Math.max(...ahead)).toBeLessThanOrEqual(20);
});
