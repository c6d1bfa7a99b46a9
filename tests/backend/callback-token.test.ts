// The token in a callback's address.

import { expect, test } from "vitest";
import {
  callbackToken,
  callbackTokenHash,
  callbackUrl,
  isCallbackToken,
} from "../../shared/backend/callback-token.ts";
import { attemptId, otherAttemptId } from "./fake-backend.ts";

test("a token is the HMAC-SHA256 of its attempt's id", async () => {
  // printf %s <attempt id> | openssl dgst -sha256 -hmac "callback secret"
  expect(await callbackToken("callback secret", attemptId)).toBe(
    "e5d3823e6e96caf8ff842bd011e6f79b5077aae48865011a53e911984fbc5d29",
  );
});

test("what the database keeps is the SHA-256 of the token", async () => {
  expect(await callbackTokenHash("abc")).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("a token opens its own attempt under its own secret, and nothing else", async () => {
  const token = await callbackToken("secret", attemptId);
  expect(await isCallbackToken("secret", attemptId, token)).toBe(true);
  expect(await isCallbackToken("secret", otherAttemptId, token)).toBe(false);
  expect(await isCallbackToken("other", attemptId, token)).toBe(false);
  expect(await isCallbackToken("secret", attemptId, "")).toBe(false);
  for (let at = 0; at < token.length; at++) {
    const changed = token.slice(0, at) + (token[at] === "0" ? "1" : "0") + token.slice(at + 1);
    expect(await isCallbackToken("secret", attemptId, changed)).toBe(false);
  }
});

test("the address keeps what the configured one has, and adds attempt and token", () => {
  expect(callbackUrl("https://p.example.com/hook?region=eu", "a b", "t&t")).toBe(
    "https://p.example.com/hook?region=eu&attempt=a+b&token=t%26t",
  );
  expect(callbackUrl(null, attemptId, "t")).toBeUndefined();
});
