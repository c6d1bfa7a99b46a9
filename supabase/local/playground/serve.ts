// The profile screen at `/`: built with the first request for it, kept in memory, and told at run time where it is.

export interface Playground {
  handle(request: Request): Promise<Response>;
}

export interface PlaygroundOptions {
  url: string;
  publishableKey: string;
  /** The stand-in provider, whose faults the page can switch on; null with a real one. */
  wavespeedUrl: string | null;
}

interface File {
  body: string | Uint8Array<ArrayBuffer>;
  type: string;
}

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
};

/** Answers `/`, `/assets/…`, `/playground.json` and `/playground/provider`. */
export function createPlayground({ url, publishableKey, wavespeedUrl }: PlaygroundOptions): Playground {
  let building: Promise<Map<string, File>> | null = null;
  return {
    async handle(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/playground.json") {
        const hasProvider = wavespeedUrl !== null;
        return Response.json({ url, publishableKey, hasProvider }, {
          headers: { "cache-control": "no-store" },
        });
      }
      if (pathname === "/playground/provider") return await control(request, wavespeedUrl);
      building ??= build();
      const file = (await building).get(pathname === "/" ? "index.html" : pathname.slice(1));
      if (!file) return Response.json({ message: "no Route matched with those values" }, { status: 404 });
      // Whatever is under /assets has its content's hash in its name.
      const caching = pathname === "/" ? "no-store" : "public, max-age=31536000, immutable";
      return new Response(file.body, { headers: { "content-type": file.type, "cache-control": caching } });
    },
  };
}

async function build(): Promise<Map<string, File>> {
  // Loaded by whoever opens the page, and by no other stack.
  const { build } = await import("vite");
  const built = await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: "error",
    // Also where a test's NODE_ENV would have it otherwise.
    oxc: { jsx: { runtime: "automatic", development: false } },
    build: { write: false, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
    define: { "process.env.NODE_ENV": '"production"' },
  });
  if (!("output" in built)) throw new TypeError("a page has one build");
  return new Map(built.output.map((part) => [part.fileName, {
    body: part.type === "chunk" ? part.code : copied(part.source),
    type: types[part.fileName.slice(part.fileName.lastIndexOf(".") + 1)] ?? "application/octet-stream",
  }]));
}

function copied(source: string | Uint8Array): File["body"] {
  return typeof source === "string" ? source : new Uint8Array(source);
}

const local = /^http:\/\/(127\.0\.0\.1|localhost)(:\d+)?$/;

/** To the stand-in's own control, for pages of this machine: any other may send requests to it too. */
async function control(request: Request, wavespeedUrl: string | null): Promise<Response> {
  const origin = request.headers.get("origin");
  if (wavespeedUrl === null || (origin !== null && !local.test(origin))) {
    return Response.json({ message: "there is no stand-in to control" }, { status: 404 });
  }
  const answer = await fetch(`${wavespeedUrl}/control`, {
    method: request.method,
    ...(request.method === "POST" &&
      { body: await request.text(), headers: { "content-type": "application/json" } }),
  });
  if (!answer.ok) return new Response(await answer.text(), { status: answer.status });
  const { settings } = await answer.json() as { settings: unknown };
  return Response.json({ settings });
}
