import { expect, test } from "vitest";
import { redact } from "../../shared/wavespeed/mod.ts";

const prompt = "A red fox in the snow, at dawn";

test("redact removes the key", () => {
  expect(redact("bad key sk_live_abcdefgh!", ["sk_live_abcdefgh"])).toBe("bad key [redacted]!");
});

test("redact removes the prompt also when it is quoted in part or in other case", () => {
  const clean = redact(`invalid prompt "a RED FOX in the sn…" (at dawn)`, [prompt]);
  expect(clean).toBe('invalid prompt "[redacted]…" (at dawn)');
});

test("redact removes a short prompt whole", () => {
  expect(redact("the prompt cat was refused", ["cat"])).toBe("the prompt [redacted] was refused");
});

test("redact keeps a URL's path and drops its query and fragment", () => {
  expect(redact("cannot fetch https://a.example/x.png?token=abc#frag now", [])).toBe(
    "cannot fetch https://a.example/x.png?[redacted] now",
  );
});

test("redact leaves words that the prompt merely shares", () => {
  expect(redact("size out of range for this model", [prompt])).toBe("size out of range for this model");
});

test("redact cuts to 200 characters and takes control characters out", () => {
  expect(redact(`a\u0000\nb${"x".repeat(500)}`, [])).toBe(`a b${"x".repeat(197)}`);
});

test("redact says nothing of a text whose letters change their number in lower case", () => {
  expect(redact("İ red fox in the snow", [prompt])).toBe("[redacted]");
});
