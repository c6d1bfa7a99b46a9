// Storage as an upload meets it: what it keeps, and the ways in which a request can end badly.

import type { Bytes, Incoming, Outgoing, Send } from "../../shared/client/uploads/send.ts";

export type Fate =
  /** Heard and answered. */
  | "well"
  /** Never heard. */
  | "unheard"
  /** Heard; nobody hears the answer. */
  | "unanswered"
  /** Half of the body came through. */
  | "cut"
  | "busy"
  | "down"
  /** Uploads that have not ended are thrown away before it is heard. */
  | "forgotten";
export const fates: readonly Fate[] = ["well", "unheard", "unanswered", "cut", "busy", "down", "forgotten"];

export interface StorageModel {
  send: Send;
  /** Name → bytes. */
  objects: Map<string, Uint8Array>;
  requests: Outgoing[];
  /** Uploads that have begun and not ended. */
  open(): number;
}

const base = "https://project.example/storage/v1";

/** `fate` decides request by request. */
export function modelStorage(fate: (outgoing: Outgoing) => Fate): StorageModel {
  const objects = new Map<string, Uint8Array>();
  const uploads = new Map<string, { name: string; total: number; bytes: Uint8Array }>();
  const requests: Outgoing[] = [];
  let made = 0;

  async function take(outgoing: Outgoing, isCut: boolean): Promise<Incoming> {
    const { method, url, headers } = outgoing;
    const body = await bytesOf(outgoing.body);
    const part = isCut ? body.slice(0, Math.floor(body.length / 2)) : body;
    if (method === "POST" && url.startsWith(`${base}/object/`)) {
      const name = url.slice(`${base}/object/generation-inputs/`.length);
      if (objects.has(name)) return answer(400, {}, `{"statusCode":"409","error":"Duplicate"}`);
      if (!isCut) objects.set(name, body);
      return answer(200);
    }
    if (method === "POST") {
      const metadata = new Map(
        headers["upload-metadata"]!.split(",").map((pair) => {
          const [key = "", value = ""] = pair.split(" ");
          return [key, atob(value)];
        }),
      );
      const name = metadata.get("objectName")!;
      if (objects.has(name)) return answer(409);
      const location = `${base}/upload/resumable/${++made}`;
      uploads.set(location, { name, total: Number(headers["upload-length"]), bytes: new Uint8Array() });
      return answer(201, { location });
    }
    const upload = uploads.get(url);
    if (!upload) return answer(404);
    if (method === "DELETE") return uploads.delete(url), answer(204);
    if (method === "PATCH") {
      if (Number(headers["upload-offset"]) !== upload.bytes.length) return answer(409);
      upload.bytes = Buffer.concat([upload.bytes, part]);
      if (upload.bytes.length === upload.total) {
        objects.set(upload.name, upload.bytes);
        uploads.delete(url);
      }
    }
    return answer(method === "PATCH" ? 204 : 200, { "upload-offset": `${upload.bytes.length}` });
  }

  return {
    objects,
    requests,
    open: () => uploads.size,
    async send(outgoing, { signal, onSent }) {
      signal.throwIfAborted();
      requests.push(outgoing);
      const how = fate(outgoing);
      const lost = new TypeError("no answer came");
      if (how === "forgotten") uploads.clear();
      if (how === "unheard") throw lost;
      if (how === "busy") return answer(423);
      if (how === "down") return answer(503);
      const answered = await take(outgoing, how === "cut");
      onSent((await bytesOf(outgoing.body)).length);
      if (how === "unanswered" || how === "cut") throw lost;
      return answered;
    },
  };
}

function answer(status: number, headers: Record<string, string> = {}, body = ""): Incoming {
  return { status, header: (name) => headers[name] ?? null, body };
}

async function bytesOf(body: Bytes | undefined): Promise<Uint8Array> {
  return new Uint8Array(body instanceof Blob ? await body.arrayBuffer() : body ?? new ArrayBuffer());
}
