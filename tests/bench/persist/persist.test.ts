// Storing as it runs in a function's process, which is Deno: its own fetch, streams and memory, real Storage behind a
// real gateway. What tests/backend holds in Node must hold here too.

import { afterAll, beforeAll, expect, test } from "vitest";
import { startTransfers, type Transfers } from "./transfers.ts";

const mebibyte = 2 ** 20;
const small = mebibyte;
const large = 45 * mebibyte;
let transfers: Transfers;

beforeAll(async () => {
  transfers = await startTransfers([small, large]);
});
afterAll(() => transfers?.stop());

test("a picture of 45 MiB adds less than 16 MB to the peak of a process that stored one of 1 MiB", async () => {
  await transfers.renew("persist");
  await transfers.transfer("persist", small);
  const before = transfers.peakBytes("persist");
  await transfers.transfer("persist", large);
  expect(transfers.peakBytes("persist") - before).toBeLessThan(16_000_000);
});

test.each([["declared", undefined], ["not declared", "undeclared"]] as const)(
  "what is recorded is what lies in the bucket, its length being %s",
  async (what, fault) => {
    const sha256 = transfers.sha256Of(large);
    const attempt = await transfers.attempt(`whole/${what.replace(" ", "-")}`, large, fault);
    expect(attempt).toMatchObject({
      recorded: { bytes: large, sha256, contentType: "image/png" },
      storedSha256: sha256,
    });
  },
);

test.each(
  [["breaks off", "cut"], ["ends without its end mark", "unended"], ["never ends", "endless"]] as const,
)(
  "a picture that %s is neither recorded nor left in the bucket",
  async (_, fault) => {
    expect(await transfers.attempt(`faulty/${fault}`, large, fault)).toEqual({
      recorded: null,
      storedSha256: null,
    });
  },
);

test("an object that is there already is neither overwritten nor recorded", async () => {
  await transfers.attempt("taken/0", small);
  expect(await transfers.attempt("taken/0", large)).toEqual({
    recorded: null,
    storedSha256: transfers.sha256Of(small),
  });
});
