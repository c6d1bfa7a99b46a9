// The client SDK where React Native's engine leaves gaps.

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { sharedStack } from "./app.ts";

test("it uploads, generates, observes and shows without what React Native has not got", async () => {
  const { url, publishableKey } = sharedStack();
  const app = join(import.meta.dirname, "native-app.ts");
  const email = `native-${randomUUID()}@example.com`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    app,
    url,
    publishableKey,
    email,
    randomUUID(),
  ]);
  expect(JSON.parse(stdout)).toEqual({ left: [], last: "completed", bytes: true });
});
