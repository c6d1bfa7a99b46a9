// The first module of a function's process (Deno): gives it EdgeRuntime, serves its default export, ends it well.
// Node never runs this file.
//
// A module of its own and not `deno serve --preload`, which Deno 2.9 accepts and does not run.
// Listening is left to DENO_SERVE_ADDRESS, so functions that call Deno.serve themselves work too.

declare const Deno: {
  args: string[];
  serve(handler: (request: Request) => Response | Promise<Response>): unknown;
  addSignalListener(signal: "SIGTERM" | "SIGINT", listener: () => void): void;
  exit(code: number): never;
  stdin: { readable: ReadableStream<Uint8Array> };
};

const pending = new Set<Promise<unknown>>();

const EdgeRuntime = {
  /** Keeps the process until `promise` settles. As on hosted, it changes no limit and hides no rejection. */
  waitUntil<T>(promise: Promise<T>): Promise<T> {
    const settled = promise.then(
      () => {},
      (error: unknown) => console.error("waitUntil rejected:", error instanceof Error ? error.stack : error),
    ).finally(() => pending.delete(settled));
    pending.add(settled);
    return promise;
  },
};
Object.defineProperty(globalThis, "EdgeRuntime", { value: EdgeRuntime });

async function drain(): Promise<never> {
  while (pending.size > 0) await Promise.all(pending);
  Deno.exit(0);
}

// The host holds the other end of stdin. When it is gone, by kill -9 too, this process has nobody to work for.
async function watchHost(): Promise<never> {
  await Deno.stdin.readable.pipeTo(new WritableStream()).catch(
    () => {/* a broken pipe says the same as an end */},
  );
  Deno.exit(0);
}

Deno.addSignalListener("SIGTERM", () => void drain());
void watchHost();

const [entry] = Deno.args;
if (entry === undefined) throw new Error("boot.ts needs the function's module as its argument");
const module = await import(entry) as {
  default?: { fetch?: (request: Request) => Response | Promise<Response> };
};
const handler = module.default;
if (handler?.fetch) Deno.serve((request) => handler.fetch!(request));
