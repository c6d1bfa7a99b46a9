// The first module of a function's process (Deno): gives it EdgeRuntime, serves its default export, ends it well.
// Node never runs this file.
//
// A module of its own and not `deno serve --preload`, which Deno 2.9 accepts and does not run.
// Listening is left to DENO_SERVE_ADDRESS, so functions that call Deno.serve themselves work too.
//
// The host sends lines on stdin (`beforeunload <reason>`, `end <reason>`); lines for the host begin with a mark.

import { begunCount, countBegun } from "./begun.ts";

type Handler = (request: Request, info: { completed: Promise<void> }) => Response | Promise<Response>;
type ServeOptions = Record<string, unknown> & { handler?: Handler };

declare const Deno: {
  args: string[];
  serve(first: Handler | ServeOptions, second?: Handler): unknown;
  addSignalListener(signal: "SIGTERM" | "SIGINT", listener: () => void): void;
  exit(code: number): never;
  stdin: { readable: ReadableStream<Uint8Array<ArrayBuffer>> };
  stdout: { writeSync(bytes: Uint8Array): number };
};

const [entry, policy] = Deno.args;
if (entry === undefined) throw new Error("boot.ts needs the function's module as its argument");

const encoder = new TextEncoder();
/** Control-A begins what is meant for the host, also behind something printed without a line's end. */
const say = (message: string) => void Deno.stdout.writeSync(encoder.encode(`\x01${message}\n`));

let open = 0;
let registered = 0;
let settled = () => {};

/** Says so once all is answered and all registered work is done, if anything is left that hosted may cut off. */
function lookWhetherIdle(): void {
  if (open > 0 || registered > 0) return;
  const left = begunCount();
  if (left > 0 || policy === "oneshot") say(`idle ${left}`);
}

const EdgeRuntime = {
  /**
   * Keeps the worker until `promise` settles. As on hosted it takes real promises only (a thenable is not even begun),
   * changes no limit, and catches no rejection: an uncaught one ends the worker, here also if others do catch it.
   */
  waitUntil<T>(promise: T): T {
    if (promise instanceof Promise) {
      if (registered++ === 0) say("background on");
      void promise.finally(() => {
        if (--registered > 0) return;
        say("background off");
        settled();
        lookWhetherIdle();
      });
    }
    return promise;
  },
};
Object.defineProperty(globalThis, "EdgeRuntime", { value: EdgeRuntime });
Reflect.deleteProperty(globalThis, "Worker"); // hosted has none

function counted(handler: Handler): Handler {
  return async (request, info) => {
    open++;
    const leave = () => {
      open--;
      settled();
      lookWhetherIdle();
    };
    void info.completed.then(leave, leave); // the client may have gone: then it rejects
    return await handler(request, info);
  };
}

const serve = Deno.serve;
Deno.serve = (first, second) => {
  if (typeof first === "function") return serve(counted(first));
  if (second) return serve(first, counted(second));
  return serve(first.handler ? { ...first, handler: counted(first.handler) } : first);
};

const beforeUnload = (reason: string) =>
  dispatchEvent(new CustomEvent("beforeunload", { cancelable: true, detail: { reason } }));

async function end(reason: string): Promise<never> {
  beforeUnload(reason);
  // A handler whose client has left may still be at work.
  while (registered > 0 || (open > 0 && reason === "early_drop")) {
    await new Promise<void>((resolve) => settled = resolve);
  }
  Deno.exit(0);
}

// The host holds the other end of stdin. When it is gone, by kill -9 too, this process has nobody to work for.
async function listenToHost(): Promise<never> {
  let rest = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of Deno.stdin.readable) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [command, reason = ""] = line.split(" ");
        if (command === "beforeunload") beforeUnload(reason);
        if (command === "end") void end(reason);
      }
    }
  } catch {
    // a broken pipe says the same as an end
  }
  Deno.exit(0);
}

Deno.addSignalListener("SIGTERM", () => void end("termination"));
void listenToHost();

const module = await import(entry) as {
  default?: { fetch?: (request: Request) => Response | Promise<Response> };
};
countBegun(lookWhetherIdle);
const handler = module.default;
if (handler?.fetch) Deno.serve((request) => handler.fetch!(request));
