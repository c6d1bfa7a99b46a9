/**
 * Broadcasts over HTTP: `POST …/api/broadcast` with `{messages: [{topic, event, payload, private}]}`, which skips what
 * may not be sent and answers 202 all the same, and `POST …/api/broadcast/<topic>/events/<event>?private=true`, which
 * answers 403. Topics are bare names.
 */

import { askWriteRight } from "./authorization.ts";
import { object } from "./join.ts";
import { maxBroadcastBytes } from "./limits.ts";
import { Refusal, type RefusalCode } from "./refusal.ts";
import type { Service } from "./service.ts";
import { isApiKey, type JwtClaims } from "./token.ts";
import { type Delivery, isJson } from "./wire.ts";

/** What the single form answers where the database could not be asked. */
const databaseRefusals = new Map<RefusalCode, number>([
  ["MissingPartition", 422],
  ["UnableToConnectToProject", 422],
  ["UnableToSetPolicies", 500],
]);
const PATH = "/realtime/v1/api/broadcast";
const MAX_MESSAGES = 1000;

export async function handleBroadcastRequest(service: Service, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const single = /^\/([^/]+)\/events\/([^/]+)$/.exec(url.pathname.slice(PATH.length));
  if (!url.pathname.startsWith(PATH) || (single === null && url.pathname !== PATH)) {
    return Response.json({ message: "not found" }, { status: 404 });
  }
  if (request.method !== "POST") return Response.json({ message: "use POST" }, { status: 405 });
  try {
    const claims = await service.tokens.read(tokenOf(request.headers));
    if (single === null) return await sendBatch(service, claims, request);
    const [, topic = "", event = ""] = single;
    const isPrivate = url.searchParams.get("private") === "true";
    const target = { topic: decodeURIComponent(topic), event: decodeURIComponent(event), isPrivate };
    return await sendOne(service, claims, request, target);
  } catch (error) {
    if (error instanceof Refusal) {
      const status = databaseRefusals.get(error.code) ?? 401;
      return Response.json({ message: error.message }, { status });
    }
    service.log(`realtime: broadcast request failed: ${error}`);
    return Response.json({ message: "Something went wrong" }, { status: 500 });
  }
}

// A bearer that is an API key stands for the same role as the apikey header.
function tokenOf(headers: Headers): string {
  const bearer = /^Bearer\s+(.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  const apiKey = headers.get("apikey") ?? headers.get("x-api-key");
  const token = bearer !== undefined && !(isApiKey(bearer) && apiKey) ? bearer : apiKey;
  if (!token) throw new Refusal("MalformedJWT", "Missing API key");
  return token;
}

interface Message {
  topic: string;
  event: string;
  payload: Record<string, unknown>;
  isPrivate: boolean;
}

async function sendBatch(service: Service, claims: JwtClaims, request: Request): Promise<Response> {
  const messages = readMessages(await request.text(), maxBroadcastBytes(service.limits));
  if (messages === null) {
    return Response.json({ errors: { messages: ["must be a list of {topic, event, payload, private}"] } }, {
      status: 422,
    });
  }
  const { messages: rate } = service;
  if (rate.perSecond > rate.limit) return tooMany("You have exceeded your rate limit");
  if (rate.perSecond + messages.length > rate.limit) {
    return tooMany("Too many messages to broadcast, please reduce the batch size");
  }
  const rights = new Map<string, boolean>();
  for (const { topic, event, payload, isPrivate } of messages) {
    if (isPrivate) {
      // Who cannot be asked about is skipped like who may not.
      const known = rights.get(topic) ??
        await mayWrite(service, topic, claims, request).catch((error) => {
          service.log(`realtime: a private broadcast was skipped: ${error}`);
          return false;
        });
      rights.set(topic, known);
      if (!known) continue;
    }
    const delivery: Delivery = {
      form: "json",
      event: "broadcast",
      payload: { type: "broadcast", event, payload },
    };
    service.topics.publish(topic, isPrivate, { delivery, id: null, kind: "broadcast" });
  }
  return new Response(null, { status: 202 });
}

/** Null for a body that is not a batch, or holds a message that is too large. */
function readMessages(body: string, maxBytes: number): Message[] | null {
  let list: unknown;
  try {
    list = object(JSON.parse(body))["messages"];
  } catch {
    return null; // not JSON
  }
  if (!Array.isArray(list) || list.length > MAX_MESSAGES) return null;
  const messages: Message[] = [];
  for (const { topic, event, payload, private: isPrivate } of list.map(object)) {
    if (typeof topic !== "string" || topic === "" || typeof event !== "string" || event === "") return null;
    if (typeof payload !== "object" || payload === null) return null;
    if (Buffer.byteLength(JSON.stringify(payload)) > maxBytes) return null;
    messages.push({ topic, event, payload: object(payload), isPrivate: isPrivate === true });
  }
  return messages;
}

async function sendOne(
  service: Service,
  claims: JwtClaims,
  request: Request,
  target: { topic: string; event: string; isPrivate: boolean },
): Promise<Response> {
  const { topic, event, isPrivate } = target;
  const bytes = Buffer.from(await request.arrayBuffer());
  const isBinary = request.headers.get("content-type")?.startsWith("application/octet-stream") ?? false;
  if (bytes.length > maxBroadcastBytes(service.limits) || (!isBinary && !isJson(bytes))) {
    return Response.json({ message: "Payload is not JSON or too large" }, { status: 422 });
  }
  if (service.messages.exceeded) return tooMany("You have exceeded your rate limit");
  if (isPrivate && !await mayWrite(service, topic, claims, request)) {
    return Response.json({ message: "Unauthorized" }, { status: 403 });
  }
  const encoding = isBinary ? "binary" : "json";
  const delivery: Delivery = { form: "user", event, encoding, bytes, meta: null };
  service.topics.publish(topic, isPrivate, { delivery, id: null, kind: "broadcast" });
  return new Response(null, { status: 202 });
}

function tooMany(message: string): Response {
  return Response.json({ message }, { status: 429 });
}

async function mayWrite(
  service: Service,
  topic: string,
  claims: JwtClaims,
  request: Request,
): Promise<boolean> {
  const headers = Object.fromEntries([...request.headers].filter(([name]) => name.startsWith("x-")));
  await service.wake();
  return await askWriteRight(service.sql, { topic, claims, headers }, "broadcast");
}
