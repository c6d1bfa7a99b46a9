// The stamp on the database's knock: good for a minute, under one secret, in one form.

import { expect, test } from "vitest";
import { isSweepStamp, sweepStamp } from "../../shared/backend/mod.ts";

const nowSeconds = 1_795_348_800;
const stamp = await sweepStamp("secret", nowSeconds);
const mac = stamp.split(".")[1] ?? "";

test("a stamp is the time and its HMAC-SHA256", () => {
  // printf %s 1795348800 | openssl dgst -sha256 -hmac secret
  expect(stamp).toBe("1795348800.e80b8e5995129aed1f07cba9fa01fd469295b139615589a6ff9571ac8d06a38e");
});

test.each([
  [0, true],
  [60, true],
  [60.1, false],
  [3600, false],
  [-60, true],
  [-60.1, false],
  [Number.NaN, false],
  [Number.POSITIVE_INFINITY, false],
])("%d s after it was made its validity is %s", async (ageSeconds, valid) => {
  expect(await isSweepStamp(stamp, "secret", nowSeconds + ageSeconds)).toBe(valid);
});

test("a fraction of a second is cut off before it is signed", async () => {
  expect(await sweepStamp("secret", nowSeconds + 0.9)).toBe(stamp);
});

test.each([
  ["nothing", null],
  ["an empty text", ""],
  ["no time", `.${mac}`],
  ["no HMAC", "1795348800."],
  ["another's HMAC", `1795348801.${mac}`],
  ["an HMAC cut short", stamp.slice(0, -1)],
  ["a tail", `${stamp}0`],
  ["a second stamp", `${stamp}, ${stamp}`],
  ["a line behind it", `${stamp}\n`],
  ["upper case", stamp.toUpperCase()],
  ["a sign", `+${stamp}`],
  ["a leading zero", `0${stamp}`],
  ["a fraction", stamp.replace(".", ".0.")],
  ["an exponent", `1e9.${mac}`],
  ["milliseconds", `${nowSeconds}000.${mac}`],
])("%s is no stamp", async (_, text) => {
  expect(await isSweepStamp(text, "secret", nowSeconds)).toBe(false);
});

test("another secret refuses", async () => {
  expect(await isSweepStamp(stamp, "Secret", nowSeconds)).toBe(false);
});

test("an empty secret accepts nothing: whoever can guess it could sign", async () => {
  // Web Crypto refuses an empty key in some runtimes, so the forged stamp is made by hand:
  // printf %s 1795348800 | openssl dgst -sha256 -hmac ""
  expect(
    await isSweepStamp(
      "1795348800.fb9ff20c2a8fc9c9a14caa7b38a57e2ac877f756a963e1dfb34cc09bf4657ecf",
      "",
      nowSeconds,
    ),
  ).toBe(false);
});
