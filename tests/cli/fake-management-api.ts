// As much of the platform's Management API as `functions deploy --use-api` asks of it: each function comes as one
// multipart upload, and at the end all of them are announced together.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import * as z from "zod";

const Metadata = z.object({
  name: z.string(),
  entrypoint_path: z.string(),
  import_map_path: z.string(),
  static_patterns: z.array(z.string()),
  verify_jwt: z.boolean(),
});
export type Metadata = z.infer<typeof Metadata>;
const Announced = z.array(z.object({ slug: z.string(), verify_jwt: z.boolean() }));

export interface Upload {
  metadata: Metadata;
  /** Path as sent → content. */
  files: Map<string, string>;
}

export interface FakeManagementApi {
  readonly url: string;
  /** By function. */
  readonly uploads: Map<string, Upload>;
  /** The last announcement. */
  readonly announced: { slug: string; verify_jwt: boolean }[];
  /** Requests that no answer is known for. */
  readonly unknown: string[];
  close(): Promise<void>;
}

interface Answer {
  status: number;
  body: unknown;
}

export async function startFakeManagementApi(options: { token: string }): Promise<FakeManagementApi> {
  const uploads = new Map<string, Upload>();
  const announced: { slug: string; verify_jwt: boolean }[] = [];
  const unknown: string[] = [];

  const answer = async (request: Request): Promise<Answer> => {
    if (request.headers.get("authorization") !== `Bearer ${options.token}`) {
      return { status: 401, body: { message: "Unauthorized" } };
    }
    const { pathname, searchParams } = new URL(request.url);
    const [, ref, rest] = /^\/v1\/projects\/([^/]+)(.*)$/.exec(pathname) ?? [];
    switch (`${request.method} ${rest}`) {
      case "POST /functions/deploy": {
        const slug = searchParams.get("slug") ?? "";
        const upload = await readUpload(request);
        uploads.set(slug, upload);
        return { status: 201, body: describe(slug, upload.metadata) };
      }
      case "PUT /functions":
        announced.splice(0, Infinity, ...Announced.parse(await request.json()));
        return { status: 200, body: { functions: [] } };
      case "GET ": // asked for nothing but the project's name
        return { status: 200, body: { id: ref, ref, name: "Scratch" } };
    }
    unknown.push(`${request.method} ${pathname}`);
    return { status: 404, body: { message: "Not found" } };
  };

  const server = createServer((request, response) => {
    void respond(request, response, answer);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("No port on 127.0.0.1.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    uploads,
    announced,
    unknown,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function respond(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  answer: (request: Request) => Promise<Answer>,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const request = new Request(new URL(incoming.url ?? "/", "http://127.0.0.1"), {
    method: incoming.method ?? "GET",
    headers: Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
  });
  const { status, body } = await answer(request).catch((error: Error) => ({
    status: 400,
    body: { message: error.message },
  }));
  outgoing.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function readUpload(request: Request): Promise<Upload> {
  const files = new Map<string, string>();
  let metadata: Metadata | undefined;
  for (const [part, value] of await request.formData()) {
    if (part === "file" && typeof value !== "string") files.set(value.name, await value.text());
    else if (part === "metadata" && typeof value === "string") metadata = Metadata.parse(JSON.parse(value));
    else throw new Error(`no such part: ${part}`);
  }
  if (metadata === undefined) throw new Error("no metadata");
  return { metadata, files };
}

function describe(slug: string, metadata: Metadata): Record<string, unknown> {
  const { name, verify_jwt, entrypoint_path, import_map_path } = metadata;
  const made = { id: `id-${slug}`, version: 1, status: "ACTIVE", created_at: 1, updated_at: 1 };
  return { ...made, slug, name, verify_jwt, entrypoint_path, import_map_path, import_map: true };
}
