// Whether "nothing was sent" is read correctly from the error texts of the runtimes that this code runs on.
// A retry rests on it, so each text is provoked on the real runtime, not written down from memory.

import { execFile } from "node:child_process";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";
import { deafUrl, type RawServer, reply, startRawServer } from "./raw-server.ts";
import { accepted } from "./submitting.ts";

const project = resolve(import.meta.dirname, "../..");
const probe = join(import.meta.dirname, "submit-probe.ts");
const run = promisify(execFile);

const runtimes = [
  { runtime: "Node", command: process.execPath, args: [probe] },
  {
    runtime: "Deno",
    command: join(project, "node_modules/.bin/deno"),
    args: ["run", "--quiet", "--allow-net", "--allow-env", "--allow-read", probe],
  },
];

let resetting: RawServer;
let closing: RawServer;
let withoutTls: RawServer;
beforeAll(async () => {
  resetting = await startRawServer((socket) => socket.resetAndDestroy());
  closing = await startRawServer((socket) => socket.end());
  withoutTls = await startRawServer(() => {}, (socket) => socket.destroy());
});
afterAll(async () => {
  await resetting.close();
  await closing.close();
  await withoutTls.close();
});

describe.each(runtimes)("under $runtime", ({ runtime, command, args }) => {
  async function outcome(baseUrl: string): Promise<string> {
    return (await outcomes(baseUrl)).join();
  }

  /** Of one submit to each URL in turn, in one process. */
  async function outcomes(...baseUrls: string[]): Promise<string[]> {
    const { stdout } = await run(command, [...args, ...baseUrls], { cwd: project });
    return stdout.trim().split("\n");
  }

  test("a refused connection was not sent", async () => {
    expect(await outcome(await deafUrl())).toBe("rejected not_sent");
  });

  test("a refused connection to every address of a name was not sent", async () => {
    expect(await outcome((await deafUrl()).replace("127.0.0.1", "localhost"))).toBe("rejected not_sent");
  });

  test("a name that does not resolve was not sent", async () => {
    // A label of 64 letters cannot exist, so no resolver and no network is asked.
    expect(await outcome(`http://${"a".repeat(64)}.invalid`)).toBe("rejected not_sent");
  });

  // Without any resolver Node says EAI_AGAIN, which is not listed.
  if (runtime === "Deno") {
    test("a name that a resolver does not know was not sent", async () => {
      expect(await outcome("http://nonexistent.invalid")).toBe("rejected not_sent");
    });
  }

  test("a reset after the request is unknown", async () => {
    const before = resetting.requests.length;
    expect(await outcome(resetting.url)).toBe("unknown network");
    expect(resetting.requests.length - before).toBe(1);
  });

  test("a connection that is closed after the request, without an answer, is unknown", async () => {
    const before = closing.requests.length;
    expect(await outcome(closing.url)).toBe("unknown network");
    expect(closing.requests.length - before).toBe(1);
  });

  test("a kept connection that is cut under the second POST is unknown, and the POST is not sent again", async () => {
    const answers = ["keep", "cut", "keep"];
    const server = await startRawServer((socket) => {
      if (answers.shift() === "cut") socket.resetAndDestroy();
      else socket.write(reply(200, accepted(), { Connection: "keep-alive" }));
    });
    onTestFinished(() => server.close());
    expect(await outcomes(server.url, server.url, server.url)).toEqual([
      "accepted",
      "unknown network",
      "accepted",
    ]);
    expect(server.requests).toHaveLength(3);
  });

  test("a failed TLS handshake is unknown: no text of it is pinned", async () => {
    expect(await outcome(withoutTls.url.replace("http:", "https:"))).toBe("unknown network");
  });
});

// Two loopback addresses that both refuse: on other systems only the first of them exists.
test.runIf(process.platform === "linux")(
  "under Node, several addresses that all refuse were not sent",
  async () => {
    const { port } = new URL(await deafUrl());
    const connecting = connect({
      host: "several.invalid",
      port: Number(port),
      autoSelectFamily: true,
      lookup: (_name, _options, found) =>
        found(null, [{ address: "127.0.0.1", family: 4 }, { address: "127.0.0.2", family: 4 }]),
    });
    const cause = await new Promise<Error>((resolve) => connecting.once("error", resolve));
    expect(cause).toBeInstanceOf(AggregateError);
    const wavespeed = createWavespeed({
      baseUrl: "http://several.invalid",
      apiKey: "key",
      // As fetch wraps it.
      fetch: () => Promise.reject(new TypeError("fetch failed", { cause })),
    });
    const request = { modelId: "wavespeed-ai/flux-dev", input: { prompt: "a fox" }, deadlineMs: 1000 };
    expect(await wavespeed.submit(request)).toMatchObject({ kind: "rejected", class: "not_sent" });
    if (cause instanceof AggregateError) cause.errors.push(new Error("and one that was reset"));
    expect(await wavespeed.submit(request)).toMatchObject({ kind: "unknown", cause: "network" });
  },
);
