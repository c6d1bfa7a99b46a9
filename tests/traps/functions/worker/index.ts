// Each path does what a hosted worker does not let it do, or not for long.

import { connect } from "node:net";
import process from "node:process";

declare const EdgeRuntime: { waitUntil<T>(promise: T): T };
declare const Deno: {
  pid: number;
  connect(to: { hostname: string; port: number }): Promise<unknown>;
};

let count = 0;
let thenableBegun = false;
/** Held, so that nothing can be collected. */
const held: unknown[] = [];

addEventListener("beforeunload", (event) => {
  console.log("unloading:", (event as CustomEvent<{ reason: string }>).detail.reason);
});

const here = (more: object = {}) => Response.json({ pid: Deno.pid, count: ++count, ...more });
const asked = (request: Request, name: string) => new URL(request.url).searchParams.get(name) ?? "";
const callBack = (request: Request, step = "") => fetch(asked(request, "then") + step, { method: "POST" });
const never = new Promise<never>(() => {});
const refusalOf = (error: unknown) => error instanceof Error ? error.name : String(error);

function burn(milliseconds: number): void {
  const cpuMs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const begun = cpuMs();
  while (cpuMs() - begun < milliseconds) Math.sqrt(count);
}

const paths: Record<string, (request: Request) => Response | Promise<Response>> = {
  "/worker": () => here(),
  "/worker/never": () => never,
  "/worker/wait": async (request) => {
    await callBack(request);
    return here();
  },
  "/worker/sleep": async (request) => {
    await new Promise((resolve) => setTimeout(resolve, Number(asked(request, "ms"))));
    return here();
  },

  "/worker/forgotten-call": (request) => {
    void callBack(request, "/1").then(() => callBack(request, "/2"));
    return here();
  },
  "/worker/forgotten-timer": (request) => {
    setTimeout(() => void callBack(request, "/1"), 2000);
    return here();
  },
  "/worker/registered": (request) => {
    EdgeRuntime.waitUntil(callBack(request, "/1").then(() => callBack(request, "/2")));
    return here();
  },
  "/worker/thenable": () => {
    const thenable = { then: () => void (thenableBegun = true) };
    return here({ sameBack: EdgeRuntime.waitUntil(thenable) === thenable });
  },
  "/worker/thenable-begun": () => here({ thenableBegun }),
  "/worker/rejected": (request) => {
    EdgeRuntime.waitUntil(callBack(request).then(() => Promise.reject(new Error("nobody catches this"))));
    return here();
  },

  "/worker/burn": (request) => {
    burn(Number(asked(request, "ms")));
    return here();
  },
  "/worker/burn-after": (request) => {
    EdgeRuntime.waitUntil(callBack(request).then(() => burn(Infinity)));
    return here();
  },
  "/worker/objects": () => {
    for (;;) held.push({ count: held.length, words: ["a", "b"] });
  },
  "/worker/buffers": async (request) => {
    for (let megabytes = Number(asked(request, "mb")); megabytes > 0; megabytes--) {
      held.push(new Uint8Array(2 ** 20).fill(1));
    }
    return await never;
  },

  "/worker/ports": async () => {
    const tried: string[] = [];
    for (const port of [25, 587]) {
      for (const hostname of ["127.0.0.1", "localhost", "198.51.100.1"]) {
        tried.push(await Deno.connect({ hostname, port }).then(() => "open", refusalOf));
      }
      tried.push(
        await new Promise((resolve) =>
          connect(port, "127.0.0.1").on("error", (error) => resolve(refusalOf(error)))
        ),
      );
    }
    return here({ tried });
  },
  "/worker/web-worker": () => here({ worker: typeof Worker }),
  "/worker/page": (request) =>
    new Response("<p>hello</p>", {
      headers: { "content-type": asked(request, "type") },
    }),
  "/worker/unread": () => here(),
  "/worker/read": async (request) => {
    for await (const _chunk of request.body ?? []) { /* to its end */ }
    return here();
  },
  "/worker/throw": () => {
    throw new Error("thrown on purpose");
  },
  "/worker/status": (request) => new Response(null, { status: Number(asked(request, "is")) }),
};

export default {
  fetch: (request: Request) => paths[new URL(request.url).pathname]?.(request) ?? here(),
};
