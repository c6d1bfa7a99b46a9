// The way to one output: addresses, redirects, and what counts as gone.

import { expect, test, vi } from "vitest";
import { openOutput } from "../../shared/backend/output.ts";
import { jpeg, png, redirectTo, servingAt } from "./pictures.ts";

const url = "https://cdn.example.com/1.png";

function fetched(answers: Record<string, () => Response>, trustedOrigin: string | null = null) {
  const fetch = servingAt(answers);
  const output = openOutput({ url, fetch, trustedOrigin, signal: new AbortController().signal });
  return { fetch, output };
}
const answeredWith = (response: () => Response) => fetched({ [url]: response }).output;

test("a picture is opened with the facts of its header", async () => {
  expect(await answeredWith(() => new Response(png))).toMatchObject({
    kind: "image",
    picture: { facts: { contentType: "image/png", width: 6, height: 4 } },
  });
});

test("an address that is not allowed is never fetched", async () => {
  const fetch = vi.fn<typeof globalThis.fetch>();
  for (const address of ["http://cdn.example.com/1.png", "https://127.1/1.png", "no url"]) {
    const output = await openOutput({
      url: address,
      fetch,
      trustedOrigin: null,
      signal: new AbortController().signal,
    });
    expect(output).toEqual({ kind: "unusable", reason: "address_refused" });
  }
  expect(fetch).not.toHaveBeenCalled();
});

test("a fetch follows no redirect by itself, carries no credentials and listens to the signal", async () => {
  const fetch = vi.fn<typeof globalThis.fetch>(() => Promise.resolve(new Response(png)));
  const { signal } = new AbortController();
  await openOutput({ url, fetch, trustedOrigin: null, signal });
  expect(fetch.mock.calls).toEqual([[url, { redirect: "manual", signal }]]);
});

test.each([301, 302, 303, 307, 308])(
  "a redirect with status %i is followed to an allowed address",
  async (status) => {
    const { fetch, output } = fetched({
      [url]: () => redirectTo("https://other.example.com/2.png", status),
      "https://other.example.com/2.png": () => redirectTo("/3.png", status),
      "https://other.example.com/3.png": () => new Response(jpeg),
    });
    expect(await output).toMatchObject({
      kind: "image",
      picture: { facts: { contentType: "image/jpeg" } },
    });
    expect(fetch.addresses).toHaveLength(3);
  },
);

test.each([
  "http://cdn.example.com/1.png",
  "https://localhost/1.png",
  "https://169.254.169.254/latest/meta-data/",
  "//[::1]/1.png",
  "https://user@cdn.example.com/2.png",
  "https://",
  "blob:http://127.0.0.1:4100/1",
])("a redirect to %s is refused without being fetched", async (location) => {
  const { fetch, output } = fetched({ [url]: () => redirectTo(location) });
  expect(await output).toEqual({ kind: "unusable", reason: "address_refused" });
  expect(fetch.addresses).toEqual([url]);
});

test("the second hop is checked like the first", async () => {
  const { fetch, output } = fetched({
    [url]: () => redirectTo("https://cdn.example.com/2.png"),
    "https://cdn.example.com/2.png": () => redirectTo("https://10.0.0.8/3.png"),
  });
  expect(await output).toEqual({ kind: "unusable", reason: "address_refused" });
  expect(fetch.addresses).toHaveLength(2);
});

test("three redirects are followed and no fourth", async () => {
  const at = (hop: number) => `https://cdn.example.com/hop-${hop}.png`;
  const hops = (length: number) => ({
    [url]: () => redirectTo(at(1)),
    ...Object.fromEntries(Array.from({ length }, (_, i) => [at(i + 1), () => redirectTo(at(i + 2))])),
    [at(length)]: () => new Response(png),
  });
  expect(await fetched(hops(3)).output).toMatchObject({ kind: "image" });
  const { fetch, output } = fetched(hops(4));
  expect(await output).toEqual({ kind: "unusable", reason: "too_many_redirects" });
  expect(fetch.addresses).toHaveLength(4);
});

test("a redirect may lead to the stand-in's origin, and to no other one like it", async () => {
  const trusted = "http://127.0.0.1:4100";
  const picture = `${trusted}/1.png`;
  const { output } = fetched(
    { [url]: () => redirectTo(picture), [picture]: () => new Response(png) },
    trusted,
  );
  expect(await output).toMatchObject({ kind: "image" });
  expect(await fetched({ [url]: () => redirectTo("http://127.0.0.1:4101/1.png") }, trusted).output)
    .toEqual({ kind: "unusable", reason: "address_refused" });
});

test.each([401, 403, 404, 410])("HTTP %i means that it will not be there later either", async (status) => {
  expect(await answeredWith(() => new Response("gone", { status }))).toEqual({
    kind: "unusable",
    reason: `http_${status}`,
  });
});

test.each([302, 304, 400, 408, 429, 500, 503])(
  "HTTP %i without a place to go may be better later",
  async (status) => {
    expect(await answeredWith(() => new Response(null, { status }))).toEqual({
      kind: "unavailable",
      reason: `http_${status}`,
    });
  },
);

test("a network that fails may be better later, and nothing of its words is told", async () => {
  const fetch: typeof globalThis.fetch = () =>
    Promise.reject(new TypeError(`could not reach ${url}?token=secret`));
  expect(await openOutput({ url, fetch, trustedOrigin: null, signal: new AbortController().signal }))
    .toEqual({ kind: "unavailable", reason: "network" });
});

test("an answer that is not read is not left open", async () => {
  for (const status of [404, 500, 301]) {
    const cancel = vi.fn();
    const { output } = fetched({
      [url]: () =>
        new Response(new ReadableStream({ cancel }), { status, headers: { location: "http://elsewhere/" } }),
    });
    expect(await output).not.toMatchObject({ kind: "image" });
    expect(cancel).toHaveBeenCalledOnce();
  }
});
