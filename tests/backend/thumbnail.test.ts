// One picture drawn small: what is handed to the decoder, where the thumbnail goes, and what is recorded of it. The real
// decoder is at work in tests/flow/thumbnails.test.ts.

import { expect, test, vi } from "vitest";
import type { Drawing, Store, Thumbnail } from "../../shared/backend/mod.ts";
import { thumbnailDue } from "../../shared/backend/mod.ts";
import { type Doubles, fakeBackend, jobId, oneAfterAnother, traceId } from "./fake-backend.ts";
import { memoryStore } from "./memory-store.ts";
import { gif, jpeg, png, turnedJpeg, webp } from "./pictures.ts";

const imageId = "6a727497-fc7e-4043-832f-45d5b5e3efac";
const path = "user/job/0-e94587dc";
const thumbPath = `${path}-thumb`;
const claim = { imageId, jobId, index: 0, traceId, path, thumbPath, maxPixels: 1_000_000 };
const thumbnail: Thumbnail = {
  bytes: new TextEncoder().encode("a small picture"),
  contentType: "image/jpeg",
  thumbhash: "HwgCBwCHlJioaVZZa3uoWqhUD9jI+yQO",
};

/** The blob that the bucket holds under the picture's path. */
function holding(bytes: Uint8Array<ArrayBuffer> | null): Pick<Store, "download"> {
  return {
    download: (bucket, wanted) => {
      expect([bucket, wanted]).toEqual(["generations", path]);
      return Promise.resolve(bytes === null ? null : new Blob([bytes]));
    },
  };
}

function drawing(bytes: Uint8Array<ArrayBuffer> | null, doubles: Doubles & { claim?: object } = {}) {
  const store = memoryStore();
  const draw = vi.fn((_: Drawing) => thumbnail);
  const fake = fakeBackend({
    ...doubles,
    kernel: {
      claim_thumbnails: oneAfterAnother({ thumbnails: [{ ...claim, ...doubles.claim }] }, { thumbnails: [] }),
      ...doubles.kernel,
    },
    store: { ...holding(bytes), upload: store.upload, ...doubles.store },
  });
  const lines = () => fake.logged.map((line) => JSON.parse(line)).filter(({ step }) => step === "thumbnail");
  return { ...fake, store, draw, lines, recorded: () => fake.asked("record_thumbnail") };
}

test("the picture is drawn at most 512 pixels large, stored under its fixed path and recorded", async () => {
  const { backend, draw, store, recorded, lines } = drawing(jpeg);
  expect(await thumbnailDue(backend, draw)).toBe(1);
  expect(draw.mock.calls).toEqual([[{ bytes: new Uint8Array(jpeg), orientation: 1, maxSidePixels: 512 }]]);
  expect([...store.objects]).toEqual([[
    `generations/${thumbPath}`,
    { bytes: thumbnail.bytes, contentType: "image/jpeg", declaredBytes: thumbnail.bytes.byteLength },
  ]]);
  expect(recorded()).toEqual([{ p_image_id: imageId, p_thumbnail: { thumbhash: thumbnail.thumbhash } }]);
  expect(lines()).toEqual([expect.objectContaining({
    outcome: "stored",
    job_id: jobId,
    trace_id: traceId,
    image_index: 0,
    image_bytes: thumbnail.bytes.byteLength,
  })]);
});

test("one picture an invocation is asked for, and where none is due nothing is touched", async () => {
  const { backend, draw, asked, store } = drawing(jpeg, {
    kernel: { claim_thumbnails: () => ({ thumbnails: [] }) },
  });
  expect(await thumbnailDue(backend, draw)).toBe(0);
  expect(asked("claim_thumbnails")).toEqual([{ p_claim_id: expect.any(String), p_limit: 1 }]);
  expect(draw).not.toHaveBeenCalled();
  expect(store.objects.size).toBe(0);
});

test.each([3, 6])("the decoder is told the orientation %i", async (orientation) => {
  const { backend, draw } = drawing(await turnedJpeg(orientation));
  await thumbnailDue(backend, draw);
  expect(draw.mock.calls[0]?.[0]).toMatchObject({ orientation });
});

test.each<[string, Uint8Array<ArrayBuffer> | null, object, string]>([
  ["has more pixels than may be decoded", png, { maxPixels: 10 }, "too_large"],
  ["is of a format that nobody decodes", gif, {}, "not_an_image"],
  ["is no picture", new TextEncoder().encode("<html>"), {}, "not_an_image"],
  ["is not there", null, {}, "picture_missing"],
])("a picture that %s is given up before it is decoded", async (_, bytes, more, failure) => {
  const { backend, draw, recorded, lines, store } = drawing(bytes, { claim: more });
  await thumbnailDue(backend, draw);
  expect(draw).not.toHaveBeenCalled();
  expect(store.objects.size).toBe(0);
  expect(recorded()).toEqual([{ p_image_id: imageId, p_thumbnail: { failure } }]);
  expect(lines()).toEqual([expect.objectContaining({ outcome: "given_up", reason: failure })]);
});

test("a picture that the decoder refuses is given up, and what it said of it is not told", async () => {
  const { backend, recorded, logged, lines } = drawing(webp);
  await thumbnailDue(backend, () => {
    throw new RangeError("sentinel: what the picture holds");
  });
  expect(recorded()).toEqual([{ p_image_id: imageId, p_thumbnail: { failure: "undecodable" } }]);
  expect(lines()).toEqual([
    expect.objectContaining({ outcome: "given_up", reason: "undecodable", error: "RangeError" }),
  ]);
  expect(logged.join()).not.toContain("sentinel");
});

test("what a lost try has stored is taken as it is, and recorded", async () => {
  const { backend, draw, recorded, lines } = drawing(jpeg, {
    store: { upload: () => Promise.resolve("taken") },
  });
  await thumbnailDue(backend, draw);
  expect(recorded()).toEqual([{ p_image_id: imageId, p_thumbnail: { thumbhash: thumbnail.thumbhash } }]);
  expect(lines()).toEqual([expect.objectContaining({ outcome: "taken" })]);
});

test.each<[string, Partial<Store>]>([
  ["read", { download: () => Promise.reject(new Error("away")) }],
  ["written", { upload: () => Promise.reject(new Error("away")) }],
])("while Storage cannot be %s nothing is recorded: the next try comes", async (_, store) => {
  const { backend, draw, recorded, lines } = drawing(jpeg, { store });
  await expect(thumbnailDue(backend, draw)).rejects.toThrow("away");
  expect(recorded()).toEqual([]);
  expect(lines()).toEqual([expect.objectContaining({ outcome: "failed" })]);
});

test("a picture that was deleted meanwhile is told as gone", async () => {
  const { backend, draw, lines } = drawing(jpeg, {
    kernel: { record_thumbnail: () => ({ recorded: false }) },
  });
  await thumbnailDue(backend, draw);
  expect(lines()).toEqual([expect.objectContaining({ outcome: "picture_gone" })]);
});
