// Signed addresses of pictures: asked for together, kept for a while, and never when they failed.

import { expect, test } from "vitest";
import { createImages } from "../../shared/client/images.ts";
import { createHandClock } from "./hand-clock.ts";

interface Answer {
  data: { path: string; signedUrl: string; error: string | null }[] | null;
  error: Error | null;
}

function signing(answer: (paths: string[]) => Answer = signed) {
  const clock = createHandClock();
  const requests: string[][] = [];
  const createSignedUrls = (paths: string[], seconds: number) => {
    expect(seconds).toBe(3600);
    requests.push(paths);
    return Promise.resolve(answer(paths));
  };
  const images = createImages({
    supabase: { storage: { from: () => ({ createSignedUrls }) } },
    session: { ensure: () => Promise.resolve({ userId: "user", token: "token" }), onUser: () => () => {} },
    clock,
  });
  return { clock, requests, images };
}

let signatures = 0;
function signed(paths: string[]): Answer {
  return {
    data: paths.map((path) => ({ path, signedUrl: `https://signed/${path}?${++signatures}`, error: null })),
    error: null,
  };
}

test("pictures of one screen are signed together, each once, a hundred in a request", async () => {
  const { clock, requests, images } = signing();
  const paths = Array.from({ length: 120 }, (_, place) => `user/job/${place}`);
  const urls = Promise.all([...paths, ...paths].map((path) => images.url(path)));
  clock.pass(0.01);
  expect((await urls).slice(0, 120)).toEqual((await urls).slice(120));
  expect(requests.map(({ length }) => length)).toEqual([100, 20]);
  expect(clock.waiting()).toBe(0);
});

test("an address is kept until it has five minutes left", async () => {
  const { clock, requests, images } = signing();
  const first = images.url("one");
  clock.pass(0.01);
  clock.pass(3290);
  expect(await images.url("one")).toBe(await first);
  clock.pass(10);
  const next = images.url("one");
  clock.pass(0.01);
  expect(await next).not.toBe(await first);
  expect(requests).toHaveLength(2);
});

test("a picture that is gone says so alone, and what failed is asked for again", async () => {
  let isThere = true;
  const { clock, requests, images } = signing((paths) => {
    if (!isThere) return { data: null, error: new TypeError("no network") };
    const { data } = signed(paths);
    return {
      data: data!.map((each) => each.path === "gone" ? { ...each, signedUrl: "", error: "not found" } : each),
      error: null,
    };
  });
  const both = Promise.allSettled([images.url("gone"), images.url("there")]);
  clock.pass(0.01);
  expect(await both).toMatchObject([{ reason: { code: "picture_gone" } }, { status: "fulfilled" }]);
  isThere = false;
  const lost = images.url("gone");
  clock.pass(0.01);
  await expect(lost).rejects.toMatchObject({ code: "offline" });
  isThere = true;
  const again = images.url("other");
  clock.pass(0.01);
  expect(await again).toContain("other");
  expect(requests).toHaveLength(3);
});

test("who stops waiting takes nobody else's address away", async () => {
  const { clock, images } = signing();
  const leaving = new AbortController();
  const left = images.url("one", { signal: leaving.signal });
  const stayed = images.url("one");
  leaving.abort(new Error("left"));
  clock.pass(0.01);
  await expect(left).rejects.toThrow("left");
  expect(await stayed).toContain("one");
});

test("of many addresses those are forgotten that were not asked for the longest", async () => {
  const { clock, requests, images } = signing();
  for (let place = 0; place <= 2000; place++) {
    const url = images.url(`path ${place}`);
    if (place === 1000) void images.url("path 0");
    if (place % 100 === 0 || place === 2000) clock.pass(0.01);
    if (place === 2000) await url;
  }
  const before = requests.length;
  await images.url("path 0");
  expect(requests).toHaveLength(before);
  const again = images.url("path 1");
  clock.pass(0.01);
  await again;
  expect(requests).toHaveLength(before + 1);
});
