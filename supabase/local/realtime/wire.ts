/**
 * The two wire formats of hosted Realtime: version 1.0.0 (JSON objects) and 2.0.0 (JSON arrays, and binary frames
 * for broadcasts). Nothing here knows a socket.
 *
 * Binary kinds: 3 is a client's broadcast, 4 a broadcast to a client. After the kind byte come one-byte lengths
 * (UTF-8 bytes), then the fields in the same order, then the body.
 */

export type Version = "1.0.0" | "2.0.0";

export const versions: readonly Version[] = ["1.0.0", "2.0.0"];

/** What a client sent. `user` bodies come from kind 3; everything else is a JSON payload. */
export interface Incoming {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
  body: { form: "json"; payload: unknown } | ({ form: "user" } & UserBroadcast);
}

export interface UserBroadcast {
  event: string;
  encoding: "json" | "binary";
  /** UTF-8 JSON text, or the raw bytes. */
  bytes: Buffer;
}

/** A reply or a push to one channel. */
export interface Outgoing {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
  payload: unknown;
}

/** A broadcast on its way to every subscriber of a topic. */
export type Delivery =
  | ({ form: "user"; meta: Record<string, unknown> | null } & UserBroadcast)
  | { form: "json"; event: string; payload: unknown };

const KIND_USER_PUSH = 3;
const KIND_USER_BROADCAST = 4;
const ENCODING_JSON = 1;
const MAX_FIELD_BYTES = 255;
const PUSH_HEADER_BYTES = 7;

/** Null for what cannot be read; hosted ignores such a frame and keeps the socket. */
export function decode(version: Version, data: Buffer, isBinary: boolean): Incoming | null {
  if (isBinary) return version === "2.0.0" ? decodeUserPush(data) : null;
  let value: unknown;
  try {
    value = JSON.parse(data.toString("utf8"));
  } catch {
    return null; // malformed JSON: the caller logs it
  }
  if (version === "2.0.0") {
    if (!Array.isArray(value) || value.length !== 5) return null;
    return textFrame(value[0], value[1], value[2], value[3], value[4]);
  }
  if (typeof value !== "object" || value === null) return null;
  const frame = value as Record<string, unknown>;
  return textFrame(frame["join_ref"], frame["ref"], frame["topic"], frame["event"], frame["payload"]);
}

function textFrame(
  joinRef: unknown,
  ref: unknown,
  topic: unknown,
  event: unknown,
  payload: unknown,
): Incoming | null {
  if (typeof topic !== "string" || typeof event !== "string") return null;
  return { joinRef: reference(joinRef), ref: reference(ref), topic, event, body: { form: "json", payload } };
}

function reference(value: unknown): string | null {
  return value === null || value === undefined || value === "" ? null : String(value);
}

function decodeUserPush(data: Buffer): Incoming | null {
  if (data.length < PUSH_HEADER_BYTES || data[0] !== KIND_USER_PUSH) return null;
  const lengths = data.subarray(1, 6);
  let offset = PUSH_HEADER_BYTES;
  const fields: string[] = [];
  for (const length of lengths) {
    if (offset + length > data.length) return null;
    fields.push(data.toString("utf8", offset, offset + length));
    offset += length;
  }
  const [joinRef = "", ref = "", topic = "", event = ""] = fields;
  const encoding = data[6] === ENCODING_JSON ? "json" : "binary";
  const bytes = data.subarray(offset);
  if (encoding === "json" && !isJson(bytes)) return null;
  return {
    joinRef: reference(joinRef),
    ref: reference(ref),
    topic,
    event: "broadcast",
    body: { form: "user", event, encoding, bytes },
  };
}

export function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString("utf8"));
    return true;
  } catch {
    return false; // the answer itself
  }
}

export function encode(version: Version, frame: Outgoing): string {
  const { joinRef, ref, topic, event, payload } = frame;
  return version === "2.0.0"
    ? JSON.stringify([joinRef, ref, topic, event, payload])
    : JSON.stringify({ topic, event, payload, ref, join_ref: joinRef });
}

/** Null where the version or the one-byte lengths cannot carry it (raw bytes on 1.0.0; a field over 255 bytes). */
export function encodeDelivery(version: Version, topic: string, delivery: Delivery): string | Buffer | null {
  if (delivery.form === "json") {
    const { event, payload } = delivery;
    return encode(version, { joinRef: null, ref: null, topic, event, payload });
  }
  return version === "2.0.0" ? userBroadcast(topic, delivery) : userBroadcastText(topic, delivery);
}

type UserDelivery = Extract<Delivery, { form: "user" }>;

function userBroadcast(topic: string, delivery: UserDelivery): Buffer | null {
  const fields = [topic, delivery.event, delivery.meta === null ? "" : JSON.stringify(delivery.meta)]
    .map((field) => Buffer.from(field, "utf8"));
  if (fields.some((field) => field.length > MAX_FIELD_BYTES)) return null;
  const encoding = delivery.encoding === "json" ? ENCODING_JSON : 0;
  const header = Buffer.from([KIND_USER_BROADCAST, ...fields.map((field) => field.length), encoding]);
  return Buffer.concat([header, ...fields, delivery.bytes]);
}

// The body is valid JSON already (jsonb, or checked on arrival), so it is put in as text: parsing and printing it
// again would round numbers beyond 2^53.
function userBroadcastText(topic: string, delivery: UserDelivery): string | null {
  if (delivery.encoding === "binary") return null;
  const meta = delivery.meta === null ? "" : `,"meta":${JSON.stringify(delivery.meta)}`;
  const payload = `{"type":"broadcast","event":${JSON.stringify(delivery.event)},` +
    `"payload":${delivery.bytes.toString("utf8")}${meta}}`;
  return `{"topic":${
    JSON.stringify(topic)
  },"event":"broadcast","payload":${payload},"ref":null,"join_ref":null}`;
}
