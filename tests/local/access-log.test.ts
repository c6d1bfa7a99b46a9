// What the gateway's access log shows of a request.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openAccessLog, shownPath } from "../../supabase/local/gateway/access-log.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const id = "51a7c0de-0d6b-4b4e-8a3c-6d1f6a2b7c01";

test.each([
  ["/functions/v1/wavespeed-webhook?attempt=a&token=b", "/functions/v1/wavespeed-webhook"],
  ["/functions/v1/echo/a%20lighthouse", "/functions/v1/echo/*"],
  ["/rest/v1/generation_prompts?prompt=eq.a%20lighthouse", "/rest/v1/generation_prompts"],
  ["/rest/v1/rpc/my_account", "/rest/v1/rpc/my_account"],
  ["/rest/v1/A%20Lighthouse", "/rest/v1/*"],
  ["/realtime/v1/websocket?apikey=k&vsn=2.0.0", "/realtime/v1/websocket"],
  [`/storage/v1/object/generations/${id}/${id}/0-1a2b3c4d`, `/storage/v1/object/generations/${id}/${id}/*`],
  [
    `/storage/v1/object/sign/generation-inputs/${id}/me.png?token=t`,
    `/storage/v1/object/sign/generation-inputs/${id}/*`,
  ],
  [
    `/storage/v1/object/upload/sign/generation-inputs/me.png`,
    `/storage/v1/object/upload/sign/generation-inputs/*`,
  ],
  [`/storage/v1/object/generation-inputs/sign/me.png`, `/storage/v1/object/generation-inputs/*/*`],
  ["/", "/"],
  ["*", "/"],
])("of %s it shows %s", (url, path) => {
  expect(shownPath(url, true)).toBe(path);
});

test("of what does not exist it does not show the name", () => {
  expect(shownPath("/rest/v1/rpc/lighthouse", false)).toBe("/rest/v1/*/*");
  expect(shownPath("/functions/v1/lighthouse", false)).toBe("/functions/v1/*");
});

test("a request is one line with its status, its duration and its trace; one that was broken off says so", async () => {
  const folder = await temporaryFolder();
  onTestFinished(folder.remove);
  const file = join(folder.path, "access.log");
  const log = openAccessLog(file);
  const server = createServer((incoming, outgoing) => {
    log.request(incoming, outgoing);
    if (incoming.url === "/broken") outgoing.destroy();
    else outgoing.writeHead(418).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  await fetch(`${url}/rest/v1/x?y=z`, {
    method: "POST",
    headers: { traceparent, "x-secret": "s" },
    body: "b",
  });
  await expect(fetch(`${url}/broken`)).rejects.toThrow();
  server.closeAllConnections();
  server.close();
  await log.stop();
  const lines = (await readFile(file, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  expect(lines).toEqual([
    {
      at: expect.stringMatching(/^\d{4}-/),
      kind: "access",
      method: "POST",
      path: "/rest/v1/x",
      status: 418,
      duration_ms: expect.any(Number),
      trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    },
    {
      at: expect.stringMatching(/^\d{4}-/),
      kind: "access",
      method: "GET",
      path: "/broken",
      status: null,
      broken_off: true,
      duration_ms: expect.any(Number),
      trace_id: null,
    },
  ]);
});
