// Storing what was delivered: under the lease's own path, recorded one by one, completed with what failed.

import { expect, test, vi } from "vitest";
import { persistAttempt, persistDue } from "../../shared/backend/persist.ts";
import { sha256Hex } from "../../shared/backend/digest.ts";
import { persistOf } from "./claims.ts";
import { attemptId, type Doubles, fakeBackend, leaseToken } from "./fake-backend.ts";
import { memoryStore } from "./memory-store.ts";
import { jpeg, png, servingAt } from "./pictures.ts";

const first = { index: 0, url: "https://cdn.example.com/0", path: "user/job/0-9c3e5a70", flagged: false };
const second = { index: 1, url: "https://cdn.example.com/1", path: "user/job/1-9c3e5a70", flagged: true };
const both = { claims: [persistOf({ images: [first, second] })] };

/** Stores two pictures: a PNG and a JPEG, unless the doubles say otherwise. */
async function persisted(doubles: Doubles = {}) {
  const store = memoryStore();
  const fake = fakeBackend({
    fetch: servingAt({ [first.url]: () => new Response(png), [second.url]: () => new Response(jpeg) }),
    ...doubles,
    kernel: { claim_persists: () => both, ...doubles.kernel },
    store: { upload: store.upload, ...doubles.store },
  });
  await persistAttempt(fake.backend, attemptId);
  return { ...fake, objects: store.objects, completed: fake.asked("complete_generation") };
}

test("each picture is stored under the path that its lease was given, with the type that its bytes tell", async () => {
  const { objects } = await persisted();
  expect([...objects]).toEqual([
    [`generations/${first.path}`, { bytes: png, contentType: "image/png", declaredBytes: null }],
    [`generations/${second.path}`, { bytes: jpeg, contentType: "image/jpeg", declaredBytes: null }],
  ]);
});

test("a length that the provider declares is declared to Storage", async () => {
  const headers = { "content-length": String(png.length) };
  const { objects } = await persisted({
    fetch: servingAt({
      [first.url]: () => new Response(png, { headers }),
      [second.url]: () => new Response(jpeg),
    }),
  });
  expect([...objects.values()].map(({ declaredBytes }) => declaredBytes)).toEqual([png.length, null]);
});

test("each stored picture is recorded under the lease with its index, size, digest and flag", async () => {
  const { asked } = await persisted();
  expect(asked("record_image")).toEqual([
    {
      p_attempt_id: attemptId,
      p_lease_token: leaseToken,
      p_image: {
        index: 0,
        width: 6,
        height: 4,
        bytes: png.length,
        sha256: await sha256Hex(png),
        contentType: "image/png",
        flagged: false,
      },
    },
    {
      p_attempt_id: attemptId,
      p_lease_token: leaseToken,
      p_image: {
        index: 1,
        width: 6,
        height: 4,
        bytes: jpeg.length,
        sha256: await sha256Hex(jpeg),
        contentType: "image/jpeg",
        flagged: true,
      },
    },
  ]);
});

test("a picture is in the bucket before it is recorded, and all are recorded before the job completes", async () => {
  const order: string[] = [];
  const kept = memoryStore();
  const { calls } = await persisted({
    store: {
      upload: async (bucket, path, body, signal) => {
        const answer = await kept.upload(bucket, path, body, signal);
        order.push(path);
        return answer;
      },
    },
    kernel: {
      record_image: () => {
        order.push("recorded");
        return { recorded: true };
      },
    },
  });
  expect(order).toEqual([first.path, "recorded", second.path, "recorded"]);
  expect(calls.at(-1)).toEqual({
    name: "complete_generation",
    args: { p_attempt_id: attemptId, p_lease_token: leaseToken, p_failures: { failures: [] } },
  });
});

let kept = memoryStore();

test.each<[string, boolean, Doubles]>([
  ["an output that is gone", true, {
    fetch: servingAt({
      [first.url]: () => new Response(null, { status: 404 }),
      [second.url]: () => new Response(jpeg),
    }),
  }],
  ["an output that is no picture", true, {
    fetch: servingAt({ [first.url]: () => new Response("<html>"), [second.url]: () => new Response(jpeg) }),
  }],
  ["an output whose host has a fault", false, {
    fetch: servingAt({
      [first.url]: () => new Response(null, { status: 500 }),
      [second.url]: () => new Response(jpeg),
    }),
  }],
  ["a network that fails", false, {
    fetch: servingAt({
      [first.url]: () => {
        throw new TypeError();
      },
      [second.url]: () => new Response(jpeg),
    }),
  }],
  ["a bucket that does not answer", false, {
    store: {
      upload: (bucket, path, body, signal) =>
        path === first.path ? Promise.reject(new Error("down")) : kept.upload(bucket, path, body, signal),
    },
  }],
  ["a path that is taken", false, {
    store: {
      upload: (bucket, path, body, signal) =>
        path === first.path ? Promise.resolve("taken") : kept.upload(bucket, path, body, signal),
    },
  }],
  ["an object that is shorter than what was sent", false, {
    kernel: {
      record_image: ({ p_image }) =>
        (p_image as { index: number }).index === 0
          ? { recorded: false, reason: "upload_short" }
          : { recorded: true },
    },
  }],
  ["an upload that was answered before it was read", false, {
    store: {
      upload: (bucket, path, body, signal) =>
        path === first.path ? Promise.resolve("stored") : kept.upload(bucket, path, body, signal),
    },
  }],
  ["a record that is refused", false, {
    kernel: { record_image: ({ p_image }) => ({ recorded: (p_image as { index: number }).index !== 0 }) },
  }],
  ["a record that fails", false, {
    kernel: {
      record_image: ({ p_image }) => {
        if ((p_image as { index: number }).index === 0) throw new Error("down");
        return { recorded: true };
      },
    },
  }],
])("%s is a failure (permanent: %s) of its own picture alone", async (_, permanent, doubles) => {
  kept = memoryStore();
  const { completed } = await persisted(doubles);
  expect(completed).toHaveLength(1);
  expect(completed[0]?.["p_failures"]).toEqual({ failures: [{ index: 0, permanent }] });
});

test("an output on the provider's own origin enjoys no exception", async () => {
  const { completed, objects } = await persisted({
    kernel: {
      claim_persists: () => ({
        claims: [persistOf({ images: [{ ...first, url: "http://api.wavespeed.ai/0" }] })],
      }),
    },
  });
  expect(objects.size).toBe(0);
  expect(completed[0]?.["p_failures"]).toEqual({ failures: [{ index: 0, permanent: true }] });
});

test("an output on a stand-in's origin is stored, over plain http too", async () => {
  const url = "http://127.0.0.1:4100/outputs/0.png";
  const { completed } = await persisted({
    config: { wavespeedBaseUrl: "http://127.0.0.1:4100/" },
    fetch: servingAt({ [url]: () => new Response(png) }),
    kernel: { claim_persists: () => ({ claims: [persistOf({ images: [{ ...first, url }] })] }) },
  });
  expect(completed[0]?.["p_failures"]).toEqual({ failures: [] });
});

test("a lease that leaves no time to record stops the fetch", async () => {
  let aborted: boolean | undefined;
  await persisted({
    kernel: { claim_persists: () => ({ claims: [persistOf({ leaseSeconds: 10, images: [first] })] }) },
    fetch: async (_, init) => {
      await vi.waitFor(() => expect(init?.signal?.aborted).toBe(true));
      aborted = init?.signal?.aborted;
      throw new DOMException("aborted", "AbortError");
    },
  });
  expect(aborted).toBe(true);
});

test("one job is claimed at a time, so that no lease runs while another job is stored", async () => {
  const { backend, asked } = fakeBackend();
  expect(await persistDue(backend)).toBe(0);
  expect(asked("claim_persists")).toMatchObject([{ p_limit: 1, p_attempt_id: null }]);
});

test("nothing is fetched or completed when another worker has the lease", async () => {
  const { calls } = await persisted({ kernel: { claim_persists: () => ({ claims: [] }) } });
  expect(calls.map(({ name }) => name)).toEqual(["claim_persists"]);
});

test.each([["completed", [2]], ["persisting", []], ["failed", []]])(
  "a job that is %s by now has its pictures drawn small: %j at once",
  async (status, woken) => {
    const wakes: number[] = [];
    await persisted({
      kernel: { complete_generation: () => ({ status }) },
      wakeThumbnails: (pictures) => void wakes.push(pictures),
    });
    expect(wakes).toEqual(woken);
  },
);

test("a picture that does not come leaves the others their time: each has its share of what is left of the lease", async () => {
  const waited: number[] = [];
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    waited.push(ms);
    return waited.length === 1
      ? AbortSignal.abort(new DOMException("", "TimeoutError"))
      : new AbortController().signal;
  });
  const { asked, completed } = await persisted({
    fetch: servingAt({
      [first.url]: () => {
        throw new DOMException("", "TimeoutError");
      },
      [second.url]: () => new Response(jpeg),
    }),
  });
  timeout.mockRestore();
  const leftMs = Number(persistOf()["leaseSeconds"]) * 1000 - 10_000;
  expect(waited.slice(0, 2)).toEqual([leftMs / 2, leftMs]);
  expect(asked("record_image")).toMatchObject([{ p_image: { index: 1 } }]);
  expect(completed[0]?.["p_failures"]).toEqual({ failures: [{ index: 0, permanent: false }] });
});
