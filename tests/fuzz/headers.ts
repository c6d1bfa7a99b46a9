// What else comes with a body: a query with a token, and headers that say something of the body or of nothing.

import { createHmac } from "node:crypto";
import { deflateSync, gzipSync } from "node:zlib";
import type { Random } from "../simulation/random.ts";

export interface Target {
  attemptId: string;
  /** Of a task that is this attempt's, or that could become it. */
  taskId: string;
}

export function drawQuery(
  random: Random,
  { attemptId }: Target,
  other: Target,
  callbackSecret: string,
): { how: string; query: string } {
  const tokenOf = (attempt: string) => createHmac("sha256", callbackSecret).update(attempt).digest("hex");
  const token = tokenOf(attemptId);
  const ghost = random.uuid();
  const queries: Record<string, string[]> = {
    "none": ["", "?", "?attempt", "?token=", "?&&&=&", "?attempt=&token="],
    "own token": [
      `?attempt=${attemptId}&token=${token}`,
      `?token=${token}&attempt=${attemptId}`,
      `?attempt=${attemptId}&token=${token}&attempt=${other.attemptId}&x=${"y".repeat(2000)}`,
      `?%61ttempt=${attemptId.replaceAll("-", "%2D")}&%74oken=${token}`,
    ],
    "another's token": [
      `?attempt=${other.attemptId}&token=${tokenOf(other.attemptId)}`,
      `?attempt=${other.attemptId}&token=${token}`,
      `?attempt=${ghost}&token=${tokenOf(ghost)}`,
    ],
    "bad token": [
      `?attempt=${attemptId}&token=${token.toUpperCase()}x`,
      `?attempt=${attemptId.toUpperCase()}&token=${token}`,
      `?attempt=${attemptId}&token=${token.slice(1)}`,
      `?attempt=${attemptId}&token=${token}%00`,
      `?attempt=${attemptId}%20&token=${token}`,
      `?attempt=%ff%fe&token=%c0%af`,
      `?attempt[]=${attemptId}&token[]=${token}`,
      `?attempt=${attemptId};token=${token}`,
      `?attempt=' or 1=1 --&token=${token}`.replaceAll(" ", "+"),
      `?attempt=${"a".repeat(6000)}&token=${token}`,
      `?attempt=%F0%9F%A6%8A&token=${"%".repeat(64)}`,
    ],
    "odd bytes": [
      `?attempt=${attemptId}&token=${token}&{}|\\^\`"<>`,
      `?x=${attemptId}#&token=${token}`,
    ],
  };
  const draw = random.unit();
  const how = draw < 0.4
    ? "none"
    : draw < 0.46
    ? "own token"
    : draw < 0.5
    ? "another's token"
    : draw < 0.98
    ? "bad token"
    : "odd bytes";
  return { how, query: random.pick(queries[how]!) };
}

const contentTypes = [
  "application/json",
  "application/json; charset=utf-16",
  "text/plain; charset=iso-8859-1",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  'application/json; charset="\xff"',
  ";;;",
  "",
];

type More = (random: Random, body: Buffer) => { headers: [string, string][]; body?: Buffer };

/** The body that is sent is the one that counts, whatever is said of it. */
const kinds: Readonly<Record<string, More>> = {
  "plain": () => ({ headers: [["content-type", "application/json"]] }),
  "content type": (random) => ({ headers: [["content-type", random.pick(contentTypes)]] }),
  "says compressed": (random) => ({
    headers: [["content-encoding", random.pick(["gzip", "br", "deflate", "zstd", "x", "gzip, gzip"])]],
  }),
  "repeated": (random) => ({
    headers: Array.from(
      { length: random.pick([2, 60]) },
      (): [string, string] => ["content-type", "text/html"],
    ),
  }),
  "many": (random) => ({
    headers: Array.from(
      { length: random.pick([20, 90]) },
      (_, at): [string, string] => [`x-${at}-${random.hex(6)}`, random.hex(20)],
    ),
  }),
  // With the longest address and signature still below 16 KiB, Node's limit; more is among what breaks HTTP.
  "long": (random) => ({ headers: [["x-long", "y".repeat(random.pick([2000, 5000]))]] }),
  "odd bytes": (random) => ({
    headers: [[
      "x-odd",
      Buffer.from(Array.from({ length: 40 }, () => random.integer(0x80, 0xff))).toString("latin1"),
    ]],
  }),
  "somebody's": (random) => ({
    headers: [
      [
        "authorization",
        random.pick(["Bearer x.y.z", "Bearer ", "Basic eDp5", "Bearer eyJhbGciOiJub25lIn0.e30."]),
      ],
      ["apikey", random.pick(["sb_secret_x", "", "\xff"])],
      ["x-trace-id", random.pick([random.uuid(), "../../x", "a".repeat(300)])],
      ["traceparent", random.pick([`00-${random.hex(32)}-${random.hex(16)}-01`, "00-0-0-00", "\xe9"])],
      ["origin", "null"],
      ["cookie", "a=b; ".repeat(50)],
    ],
  }),
  "proxies": (random) => ({
    headers: [
      ["x-forwarded-for", "127.0.0.1, ::1"],
      ["x-forwarded-host", "nobody.invalid"],
      ["x-original-url", "/functions/v1/sweep"],
      ["x-http-method-override", random.pick(["GET", "DELETE"])],
      ["te", "trailers"],
      ["expect", "100-continue"],
    ],
  }),
};
const kindNames = Object.keys(kinds);

export function drawHeaders(
  random: Random,
  body: Buffer,
): { how: string; headers: [string, string][]; body: Buffer } {
  // Compressed after it was signed: the signature is over what arrives, so it is not valid for this.
  if (random.chance(0.02)) {
    const packed = random.chance(0.5) ? gzipSync(body) : deflateSync(body);
    return {
      how: "compressed",
      headers: [["content-encoding", random.pick(["gzip", "deflate"])]],
      body: packed,
    };
  }
  const how = random.chance(0.5) ? "plain" : random.pick(kindNames);
  return { how, body, ...kinds[how]!(random, body) };
}
