// A reference image reaches Storage whole, whatever happens on the way, or its upload ends with a word to the user.

import fc from "fast-check";
import { expect, test } from "vitest";
import { uploadInput, type UploadOptions } from "../../shared/client/uploads/mod.ts";
import type { Lifecycle } from "../../shared/client/lifecycle.ts";
import type { Send } from "../../shared/client/uploads/send.ts";
import { createHandClock } from "./hand-clock.ts";
import { type Fate, fates, modelStorage } from "./storage-model.ts";

const mebi = 1024 * 1024;
const userId = "7b1b4b52-7a2b-4a3e-9d0a-0a3a1ad1c1f5";
const jpeg = (bytes: number) => {
  const data = new Uint8Array(bytes);
  for (let place = 0; place < bytes; place += 997) data[place] = place;
  data.set([0xff, 0xd8, 0xff]);
  return data;
};

/** An app in the foreground, until it is told to leave. */
function createApp(send: Send) {
  const clock = createHandClock();
  const leaving = new Set<() => void>();
  const returning = new Set<() => void>();
  const on = (listeners: Set<() => void>) => (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const lifecycle: Lifecycle = { onLeave: on(leaving), onReturn: on(returning) };
  return {
    clock,
    listening: () => leaving.size + returning.size,
    leave: () => leaving.forEach((listener) => listener()),
    comeBack: () => returning.forEach((listener) => listener()),
    upload: (data: Blob | ArrayBuffer | Uint8Array, options?: UploadOptions) =>
      uploadInput(
        {
          supabase: { storage: { from: () => ({ getPublicUrl }) } },
          userId,
          session: { ensure: () => Promise.resolve({ userId, token: "token" }), onUser: () => () => {} },
          clock,
          random: () => 1,
          lifecycle,
          send,
        },
        data,
        options,
      ),
  };
}
const getPublicUrl = (name: string) => ({
  data: { publicUrl: `https://project.example/storage/v1/object/public/generation-inputs/${name}` },
});

/** Lets time pass until it is settled. */
async function settled<Value>(
  { clock }: { clock: { pass(seconds: number): void } },
  promise: Promise<Value>,
) {
  let isSettled = false;
  const ended = promise.then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ value: undefined, error }),
  ).finally(() => isSettled = true);
  while (!isSettled) {
    await new Promise(setImmediate);
    clock.pass(16);
  }
  return await ended;
}

test("up to 6 MiB it is one request, above that pieces of 6 MiB", async () => {
  for (
    const [bytes, methods] of [
      [1, ["POST"]],
      [6 * mebi, ["POST"]],
      [6 * mebi + 1, ["POST", "PATCH", "PATCH"]],
      [20 * mebi, ["POST", "PATCH", "PATCH", "PATCH", "PATCH"]],
    ] as const
  ) {
    const storage = modelStorage(() => "well");
    const path = await createApp(storage.send).upload(jpeg(bytes + 2).slice(0, bytes), {
      contentType: "image/jpeg",
    });
    expect(path).toMatch(new RegExp(`^${userId}/[0-9a-f-]{36}$`));
    // HEAD is asked only once something was cut.
    expect(storage.requests.map(({ method }) => method)).toEqual(methods);
    expect(storage.objects.get(path)).toHaveLength(bytes);
  }
});

test("whatever goes wrong for a while, the picture is stored once and whole", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(3, 5 * mebi, 7 * mebi, 13 * mebi),
      // What goes wrong, and how much goes well before: five times are endured, the sixth would end it.
      fc.array(fc.tuple(fc.nat(3), fc.constantFrom(...fates)), { maxLength: 5, size: "max" }),
      async (bytes, faults) => {
        const plan = faults.flatMap(([well, fate]): Fate[] => [...Array<Fate>(well).fill("well"), fate]);
        const storage = modelStorage(() => plan.shift() ?? "well");
        const data = jpeg(bytes);
        const { value: path, error } = await settled(...started(storage.send, data));
        if (error) throw error;
        expect([...storage.objects.keys()]).toEqual([path]);
        expect(Buffer.compare(storage.objects.get(path!)!, data)).toBe(0);
      },
    ),
    { numRuns: 100 },
  );
});

function started(send: Send, data: Uint8Array, options?: UploadOptions) {
  const app = createApp(send);
  return [app, app.upload(data, options)] as const;
}

test("a picture whose answer was lost is there: it is not sent a third time", async () => {
  const plan: Fate[] = ["unanswered"];
  const storage = modelStorage(() => plan.shift() ?? "well");
  const { value: path } = await settled(...started(storage.send, jpeg(10)));
  expect([...storage.objects.keys()]).toEqual([path]);
  expect(storage.requests).toHaveLength(2);
});

test("six tries without a byte more end it as offline", async () => {
  const storage = modelStorage(() => "unheard");
  const { error } = await settled(...started(storage.send, jpeg(10)));
  expect(error).toMatchObject({ code: "offline" });
  expect(storage.requests).toHaveLength(6);
});

test("after a cut it goes on from what Storage has got", async () => {
  const plan: Fate[] = ["well", "well", "cut"];
  const storage = modelStorage(() => plan.shift() ?? "well");
  const progress: number[] = [];
  const { error } = await settled(
    ...started(storage.send, jpeg(13 * mebi), { onProgress: (sent) => progress.push(sent / mebi) }),
  );
  expect(error).toBeUndefined();
  expect(
    storage.requests.filter(({ method }) => method === "PATCH").map(({ headers }) =>
      Number(headers["upload-offset"]) / mebi
    ),
  ).toEqual([0, 6, 9]);
  expect(progress).toEqual([0, 6, 6, 12, 9, 13]);
});

test("in the background it waits for the app's return, however long", async () => {
  const plan: Fate[] = ["unheard"];
  const storage = modelStorage(() => plan.shift() ?? "well");
  const app = createApp(storage.send);
  const uploading = app.upload(jpeg(10));
  app.leave();
  await new Promise(setImmediate);
  app.clock.pass(3600);
  await new Promise(setImmediate);
  expect(storage.requests).toHaveLength(1);
  app.comeBack();
  await uploading;
  expect(storage.requests).toHaveLength(2);
  expect([app.listening(), app.clock.waiting()]).toEqual([0, 0]);
});

test("a request that stands still is given up: after two minutes, or soon after the app's return", async () => {
  for (const [seconds, hasReturned] of [[120, false], [15, true]] as const) {
    const sent: AbortSignal[] = [];
    const storage = modelStorage(() => "well");
    const app = createApp((outgoing, options) => {
      sent.push(options.signal);
      if (sent.length > 1) return storage.send(outgoing, options);
      return new Promise((_, reject) =>
        options.signal.addEventListener("abort", () => reject(new TypeError()))
      );
    });
    const uploading = app.upload(jpeg(10));
    await new Promise(setImmediate);
    if (hasReturned) app.comeBack();
    app.clock.pass(seconds - 1);
    expect(sent[0]!.aborted).toBe(false);
    app.clock.pass(1);
    expect(sent[0]!.aborted).toBe(true);
    expect((await settled(app, uploading)).error).toBeUndefined();
  }
});

test("a request whose bytes move is left alone, however slow", async () => {
  const storage = modelStorage(() => "well");
  let sent = (_: number) => {};
  let answer = () => {};
  const app = createApp(async (outgoing, options) => {
    sent = options.onSent;
    await new Promise<void>((resolve, reject) => {
      answer = resolve;
      options.signal.addEventListener("abort", () => reject(new TypeError()));
    });
    return await storage.send(outgoing, options);
  });
  const uploading = app.upload(jpeg(10));
  await new Promise(setImmediate);
  for (let bytes = 1; bytes < 5; bytes++) {
    app.clock.pass(119);
    sent(bytes);
  }
  answer();
  await uploading;
  expect(storage.requests).toHaveLength(1);
});

test("aborted, it rejects with the signal's reason and takes back what was sent", async () => {
  const storage = modelStorage(() => "well");
  const aborting = new AbortController();
  const reason = new Error("closed the screen");
  const [app, uploading] = started(storage.send, jpeg(13 * mebi), {
    signal: aborting.signal,
    onProgress: (sent) => sent > 6 * mebi && aborting.abort(reason),
  });
  expect(await settled(app, uploading)).toEqual({ value: undefined, error: reason });
  await new Promise(setImmediate);
  expect([storage.open(), storage.objects.size]).toEqual([0, 0]);
  expect(app.clock.waiting()).toBe(0);
});

test.each([
  ["nothing", new Uint8Array()],
  ["text", new TextEncoder().encode("not a picture")],
  ["a Blob without a type", new Blob([jpeg(10)])],
  ["a GIF", new Blob([jpeg(10)], { type: "image/gif" })],
  ["more than 20 MiB", jpeg(20 * mebi + 1)],
])("%s is refused without asking", async (_, data) => {
  const storage = modelStorage(() => "well");
  await expect(createApp(storage.send).upload(data)).rejects.toMatchObject({ code: "unusable_input" });
  expect(storage.requests).toEqual([]);
});

test("the type is told by the first bytes, or by a Blob", async () => {
  const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  const webp = new TextEncoder().encode("RIFF\u0001\u0002\u0003\u0004WEBP");
  for (
    const [data, type] of [
      [jpeg(10), "image/jpeg"],
      [png.buffer, "image/png"],
      [webp, "image/webp"],
      [new Blob([jpeg(10)], { type: "image/webp" }), "image/webp"],
    ] as const
  ) {
    const storage = modelStorage(() => "well");
    await createApp(storage.send).upload(data);
    expect(storage.requests[0]!.headers).toMatchObject({
      "content-type": type,
      authorization: "Bearer token",
    });
  }
});
