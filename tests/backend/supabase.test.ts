// The ports on a real Supabase client, whose network is the test's.

import { createClient } from "@supabase/supabase-js";
import { expect, test } from "vitest";
import { KernelError, rpcOf, storeOf } from "../../shared/backend/mod.ts";

interface Sent {
  method: string;
  path: string;
  body: string;
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
  expect(sent).toEqual([{ method: "POST", path: "/rest/v1/rpc/mark_sending", body: '{"p_attempt_id":"a"}' }]);
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

const bytes = new Uint8Array([1, 2, 3]);

test("an upload overwrites nothing, and says whether the name was taken", async () => {
  const stored = clientAnswering(() => Response.json({ Id: "1", Key: "generations/a/b" }));
  expect(await storeOf(stored.client).upload("generations", "a/b", bytes, "image/png")).toBe("stored");
  expect(stored.sent[0]).toMatchObject({ method: "POST", path: "/storage/v1/object/generations/a/b" });
  // Storage says 400 in the status line and the truth in the body.
  const taken = clientAnswering(() =>
    Response.json({ statusCode: "409", error: "Duplicate", message: "exists" }, { status: 400 })
  );
  expect(await storeOf(taken.client).upload("generations", "a/b", bytes, "image/png")).toBe("taken");
});

test.each([
  [
    "upload",
    (store: ReturnType<typeof storeOf>) =>
      store.upload("generations", "user/secret-name", bytes, "image/png"),
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
