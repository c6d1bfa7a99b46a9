// The text that the idempotency hash is taken of: equal requests give one text, different ones never the same.

import { expect, test } from "vitest";
import { canonicalJson, hashRequest } from "../../shared/contract/mod.ts";

test.each([
  [{ b: 1, a: 2 }, '{"a":2,"b":1}'],
  [{ z: { d: [1, { y: 2, x: 3 }], c: null } }, '{"z":{"c":null,"d":[1,{"x":3,"y":2}]}}'],
  [{ a: undefined, b: 1 }, '{"b":1}'],
  [{ a: null }, '{"a":null}'],
  [{}, "{}"],
  [[], "[]"],
  [[3, 1, 2], "[3,1,2]"],
  ['a"b\\c\n', '"a\\"b\\\\c\\n"'],
  [1e21, "1e+21"],
  [-0, "0"],
  [true, "true"],
])("%o is written as %s", (value, text) => {
  expect(canonicalJson(value)).toBe(text);
});

test("names are ordered by their UTF-16 code units, whatever the language", () => {
  expect(canonicalJson({ é: 1, z: 2, Z: 3, "10": 4, "9": 5, "😀": 6, "ｚ": 7 }))
    .toBe('{"10":4,"9":5,"Z":3,"z":2,"é":1,"😀":6,"ｚ":7}');
});

test("text is kept as it is: what looks alike is not the same", () => {
  expect(canonicalJson("é")).not.toBe(canonicalJson("e\u0301"));
  expect(canonicalJson("日本語 😀")).toBe('"日本語 😀"');
});

test("the text is JSON again, of the same value", () => {
  const value = { prompt: "a \u2028 line", list: [{ b: [], a: {} }], seed: 0 };
  expect(JSON.parse(canonicalJson(value))).toEqual(value);
});

test("the hash is the SHA-256 of the text", async () => {
  // printf %s '{"aspectRatio":"1:1","modelId":"flux-schnell","prompt":"ein Fuchs im Schnee 🦊"}' | sha256sum
  const hash = "ddfb8ded82b13764796cbf29511fb689b3a0346ecfe80e729fd1ca394a4f65df";
  const prompt = "ein Fuchs im Schnee 🦊";
  expect(await hashRequest({ modelId: "flux-schnell", prompt, aspectRatio: "1:1" })).toBe(hash);
  expect(await hashRequest({ aspectRatio: "1:1", seed: undefined, prompt, modelId: "flux-schnell" })).toBe(
    hash,
  );
});

test("a field that was sent counts, also with the value that its absence would mean", async () => {
  const request = { modelId: "flux-schnell", prompt: "a fox", aspectRatio: "1:1" };
  const hashes = await Promise.all([
    request,
    { ...request, numImages: 1 },
    { ...request, seed: 0 },
    { ...request, seed: null },
    { ...request, inputPaths: [] },
    { ...request, prompt: "a fox " },
  ].map(hashRequest));
  expect(new Set(hashes).size).toBe(hashes.length);
});
