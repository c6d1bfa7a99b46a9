// One delivery to the webhook, drawn from a seed and its number alone: the same two give the same delivery, but for the
// ids and the time of the stack that it is meant for.

import { type Random, seeded } from "../simulation/random.ts";
import { drawBody, type Named } from "./bodies.ts";
import { drawBreakage } from "./breakage.ts";
import { drawHeaders, drawQuery, type Target } from "./headers.ts";
import { drawSignature } from "./signatures.ts";

export interface Delivery {
  readonly index: number;
  /** What was drawn, for the table of a run. */
  readonly what: { body: string; signature: string; query: string; headers: string; breakage: string };
  readonly method: string;
  readonly path: string;
  /** In the order of the wire, without those that frame the body. */
  readonly headers: [name: string, value: string][];
  readonly body: Buffer;
  /** Not HTTP any more, or cut off. */
  readonly isBroken: boolean;
  /** All that is sent. */
  readonly wire: Buffer;
  readonly atSeconds: number;
}

export interface Aim {
  /** Attempts with and without a task; `taskId` of the latter is one that no attempt has. */
  targets: readonly Target[];
  webhookSecret: string;
  callbackSecret: string;
  outputsUrl: string;
  host: string;
  atSeconds: number;
}

const path = "/functions/v1/wavespeed-webhook";
/** Signed as the provider does it. The others must change nothing. */
const signedShare = 0.25;
/** Of the signed ones: each that ends a task costs the run a job. */
const signedEndingShare = 0.06;
const otherMethods = ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"];

export function drawDelivery(seed: number, index: number, aim: Aim): Delivery {
  // Not seed + index: seeds that are neighbours would share their deliveries.
  const random = seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  const target = random.pick(aim.targets);
  const isMeantSigned = random.chance(signedShare);
  const body = drawBody(random, namedBy(aim, target), isMeantSigned ? signedEndingShare : 0.8);
  const other = random.pick(aim.targets);
  const signature = drawSignature(random, body.bytes, aim, isMeantSigned, [target.taskId, other.taskId]);
  const query = drawQuery(random, target, other, aim.callbackSecret);
  const more = drawHeaders(random, signature.body);
  const method = random.chance(0.985) ? "POST" : random.pick(otherMethods);
  const headers: [string, string][] = [["host", aim.host], ...more.headers, ...signature.headers];
  const request = { method, path: `${path}${query.query}`, headers, body: more.body };
  // A body that is sent in pieces is as good as a whole one.
  const wire = assemble(random, request);
  const breakage = isMeantSigned || random.chance(0.93) ? null : drawBreakage(random, request, wire);
  return {
    index,
    what: {
      body: body.how,
      signature: signature.how,
      query: query.how,
      headers: more.how,
      breakage: breakage?.how ?? "none",
    },
    ...request,
    isBroken: breakage !== null,
    wire: breakage?.wire ?? wire,
    atSeconds: aim.atSeconds,
  };
}

function namedBy({ targets, outputsUrl }: Aim, { taskId }: Target): Named {
  return { taskId, otherTaskIds: targets.map((each) => each.taskId), outputsUrl };
}

export interface Request {
  method: string;
  path: string;
  headers: [name: string, value: string][];
  body: Buffer;
}

function assemble(random: Random, { method, path, headers, body }: Request): Buffer {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `${method} ${path} HTTP/1.1\r\n${lines}`;
  if (body.length === 0 || random.chance(0.9)) {
    return Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`, "latin1"), body]);
  }
  const pieces: Buffer[] = [Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`, "latin1")];
  const size = Math.max(1, random.integer(Math.ceil(body.length / 20), body.length));
  for (let from = 0; from < body.length; from += size) {
    const piece = body.subarray(from, from + size);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  pieces.push(Buffer.from("0\r\n\r\n"));
  return Buffer.concat(pieces);
}
