// Shows a function what it was given; each path tries one thing of the host.
import { z } from "zod";
import { greeting } from "./greeting.ts";

declare const EdgeRuntime: { waitUntil<T>(promise: Promise<T>): Promise<T> };
declare const Deno: { pid: number; env: { get(name: string): string | undefined } };

const encoder = new TextEncoder();
const callBack = (request: Request) =>
  fetch(new URL(request.url).searchParams.get("then") ?? "", { method: "POST" });

const paths: Record<string, (request: Request) => Response | Promise<Response>> = {
  "/echo/pid": () => Response.json({ pid: Deno.pid, greeting }),
  "/echo/env": (request) =>
    Response.json(Deno.env.get(new URL(request.url).searchParams.get("name") ?? "") ?? null),
  "/echo/never": () => new Promise(() => {}),
  "/echo/throw": () => {
    throw new Error("thrown on purpose");
  },
  "/echo/upload": async (request) => Response.json({ bytes: (await request.arrayBuffer()).byteLength }),
  // Answers once the test has called back what `then` names.
  "/echo/wait": async (request) => {
    await callBack(request);
    return Response.json({ pid: Deno.pid, greeting });
  },
  "/echo/background": (request) => {
    EdgeRuntime.waitUntil(callBack(request).then(() => console.log("done in the background")));
    return new Response("accepted", { status: 202 });
  },
  "/echo/stream": () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(encoder.encode("first"));
        // The rest never comes: whoever reads the first part knows that nothing waited for the end.
      },
    });
    return new Response(body, { headers: { "x-own": "yes" } });
  },
};

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const handler = paths[pathname];
    if (handler) return await handler(request);
    const headers = Object.fromEntries(request.headers);
    const body = await request.text();
    return Response.json({
      path: pathname + search,
      method: request.method,
      headers,
      body,
      zod: typeof z.string,
    });
  },
};
