// The ports on a real Supabase client, whose network is the test's.

import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { expect, test } from "vitest";
import { KernelError, rpcOf, storeOf, type UploadBody } from "../../shared/backend/mod.ts";
import { streamed } from "./pictures.ts";

interface Sent {
  method: string;
  path: string;
  body: string;
  headers: Record<string, string>;
}

function clientAnswering(answer: () => Response | Promise<Response>) {
  const sent: Sent[] = [];
  const client = createClient("https://project.example.com", "sb_secret_test", {
    auth: { persistSession: false, autoRefreshToken: false },
    global: {
      fetch: async (input, init) => {
        const request = new Request(input, init);
        sent.push({
          method: request.method,
          path: new URL(request.url).pathname,
          body: await request.text(),
          headers: Object.fromEntries(request.headers),
        });
        return await answer();
      },
    },
  });
  return { client, sent };
}

test("a kernel call is a POST with its arguments in the body", async () => {
  const { client, sent } = clientAnswering(() => Response.json({ go: true }));
  expect(await rpcOf(client)("mark_sending", { p_attempt_id: "a" })).toEqual({ go: true });
  expect(sent).toMatchObject([{
    method: "POST",
    path: "/rest/v1/rpc/mark_sending",
    body: '{"p_attempt_id":"a"}',
  }]);
});

test.each([
  [400, { code: "22P02", message: 'invalid input: "a prompt"' }, "22P02", false],
  [403, { code: "42501", message: "permission denied" }, "42501", false],
  [500, { code: "57014", message: "canceling statement" }, "57014", false],
  [503, { code: "PGRST002", message: "no connection" }, "PGRST002", true],
  [504, { code: "PGRST003", message: "no connection" }, "PGRST003", true],
])(
  "HTTP %i with %o is told as %s, lost on the way: %s",
  async (status, body, code, isTransport) => {
    const { client } = clientAnswering(() => Response.json(body, { status }));
    const error = await rpcOf(client)("settle_generation", {}).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code, isTransport, message: `settle_generation failed with ${code}` });
  },
);

test("a gateway's page and a network that fails count as lost on the way", async () => {
  for (
    const answer of [
      () => new Response("<html>", { status: 502 }),
      () => new Response("error code: 522", { status: 522 }),
      () => Promise.reject(new TypeError("reset")),
    ]
  ) {
    const { client } = clientAnswering(answer);
    await expect(rpcOf(client)("settle_generation", {})).rejects.toMatchObject({ isTransport: true });
  }
});

const { signal } = new AbortController();
const bodyOf = (...chunks: number[][]): UploadBody => ({
  stream: new Blob(chunks.map((chunk) => new Uint8Array(chunk))).stream(),
  bytes: chunks.flat().length,
  contentType: "image/png",
});
const upload = (client: SupabaseClient, body = bodyOf([1, 2], [3])) =>
  storeOf(client).upload("generations", "a/b", body, signal);

test("an upload is one POST of the stream, overwrites nothing and carries the client's key", async () => {
  const { client, sent } = clientAnswering(() => Response.json({ Id: "1", Key: "generations/a/b" }));
  expect(await upload(client)).toBe("stored");
  expect(sent).toMatchObject([{
    method: "POST",
    path: "/storage/v1/object/generations/a/b",
    body: "\x01\x02\x03",
    headers: {
      "content-type": "image/png",
      "content-length": "3",
      "cache-control": "max-age=3600",
      "x-upsert": "false",
      apikey: "sb_secret_test",
    },
  }]);
  await upload(client, { ...bodyOf([1]), bytes: null });
  expect(sent[1]?.headers).not.toHaveProperty("content-length");
});

test("an upload is sent as it would be by supabase-js", async () => {
  const { client, sent } = clientAnswering(() => Response.json({ Id: "1", Key: "generations/a/b" }));
  await upload(client, { ...bodyOf([1]), bytes: null });
  await client.storage.from("generations").upload("a/b", bodyOf([1]).stream, { contentType: "image/png" });
  expect(sent[0]).toEqual(sent[1]);
});

test("a name that is taken is told", async () => {
  // Storage says 400 in the status line and the truth in the body.
  const { client } = clientAnswering(() =>
    Response.json({ statusCode: "409", error: "Duplicate", message: "exists" }, { status: 400 })
  );
  expect(await upload(client)).toBe("taken");
});

test.each<[string, () => Response | Promise<Response>, string]>([
  ["a full project", () => Response.json({ statusCode: "413" }, { status: 400 }), "storage_413"],
  ["a fault of Storage", () => Response.json({ statusCode: "500" }, { status: 500 }), "storage_500"],
  ["a gateway's page", () => new Response("<html>", { status: 502 }), "http_502"],
  ["a page in place of an answer", () => new Response("<html>"), ""],
  ["an answer without a word of the object", () => Response.json({}), ""],
  ["an answer that breaks off", () => streamed(failing()), "network"],
  ["a network that fails", () => Promise.reject(new TypeError("reset")), "network"],
])("%s is no upload", async (_, answer, code) => {
  await expect(upload(clientAnswering(answer).client)).rejects.toMatchObject({ name: "StoreError", code });
});

function* failing(): Generator<Uint8Array<ArrayBuffer>> {
  yield new TextEncoder().encode('{"Key":');
  throw new Error("reset");
}

test("an upload and a look end with their signal", async () => {
  const asked: (AbortSignal | null | undefined)[] = [];
  const client = createClient("https://project.example.com", "sb_secret_test", {
    auth: { persistSession: false, autoRefreshToken: false },
    global: {
      fetch: (_, init) => {
        asked.push(init?.signal);
        return Promise.reject(new DOMException("aborted", "AbortError"));
      },
    },
  });
  const over = AbortSignal.abort();
  await expect(storeOf(client).upload("generations", "a/b", bodyOf([1]), over)).rejects.toMatchObject({
    code: "timeout",
  });
  expect(asked).toEqual([over]);
});

test.each([
  [
    "upload",
    (store: ReturnType<typeof storeOf>) =>
      store.upload("generations", "user/secret-name", bodyOf([1]), signal),
  ],
  ["download", (store: ReturnType<typeof storeOf>) => store.download("generations", "user/secret-name")],
  ["signing", (store: ReturnType<typeof storeOf>) => store.sign("generations", "user/secret-name", 60)],
  ["removal", (store: ReturnType<typeof storeOf>) => store.remove("generations", ["user/secret-name"])],
])("a failed %s throws without naming the object or quoting Storage", async (verb, call) => {
  const { client } = clientAnswering(() =>
    Response.json({ statusCode: "413", error: "secret-name", message: "secret-name" }, { status: 400 })
  );
  const error = await call(storeOf(client)).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toContain(verb);
  expect(String(error)).not.toContain("secret-name");
});

test("an object that is not there is null to who would read or sign it", async () => {
  const missing = () =>
    clientAnswering(() =>
      Response.json({ statusCode: "404", error: "not_found", message: "x" }, { status: 400 })
    );
  expect(await storeOf(missing().client).sign("generations", "a", 60)).toBeNull();
  expect(await storeOf(missing().client).download("generations", "a")).toBeNull();
});

test("a signed URL is absolute, and removal of a missing object is no error", async () => {
  const signing = clientAnswering(() => Response.json({ signedURL: "/object/sign/generations/a?token=t" }));
  expect(await storeOf(signing.client).sign("generations", "a", 60)).toBe(
    "https://project.example.com/storage/v1/object/sign/generations/a?token=t",
  );
  const removing = clientAnswering(() => Response.json([]));
  await storeOf(removing.client).remove("generations", ["a"]);
  expect(removing.sent[0]).toMatchObject({ method: "DELETE", path: "/storage/v1/object/generations" });
});
