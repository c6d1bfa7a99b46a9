// The three headers that say who sent a body and when: right ones in every spelling that is allowed, and wrong ones.

import { createHmac } from "node:crypto";
import type { Random } from "../simulation/random.ts";

type Headers = [name: string, value: string][];

interface Stamp {
  webhookSecret: string;
  atSeconds: number;
}

export interface Signed {
  how: string;
  headers: Headers;
  /** What is sent, which need not be what was signed. */
  body: Buffer;
}

interface Parts {
  id: string;
  timestamp: string;
  signature: string;
  body: Buffer;
}

export function drawSignature(
  random: Random,
  body: Buffer,
  { webhookSecret, atSeconds }: Stamp,
  isMeantSigned: boolean,
  taskIds: readonly string[],
): Signed {
  const key = webhookSecret.replace(/^whsec_/, "");
  const id = random.pick([
    ...taskIds,
    `msg_${random.hex(24)}`,
    "a.b.c",
    "1",
    `${random.hex(8)} ${random.hex(8)}`,
    "x".repeat(500),
  ]);
  // Well within the tolerance or well outside, so that a slow run judges as a fast one.
  const timestamp = String(atSeconds + random.integer(-200, 200));
  const parts: Parts = { id, timestamp, signature: `v3,${hmac(key, id, timestamp, body)}`, body };
  const [how, made] = isMeantSigned ? valid(random, parts) : invalid(random, parts, key, atSeconds);
  return { how, headers: headersOf(random, made), body: made.body };
}

function hmac(key: string | Buffer, id: string, timestamp: string, body: Buffer): string {
  return createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("hex");
}

function headersOf(random: Random, { id, timestamp, signature }: Parts): Headers {
  const names = random.pick([
    ["webhook-id", "webhook-timestamp", "webhook-signature"],
    ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"],
    ["WEBHOOK-ID", "WEBHOOK-TIMESTAMP", "WEBHOOK-SIGNATURE"],
  ]);
  return [[names[0]!, id], [names[1]!, timestamp], [names[2]!, signature]];
}

/** Key rotation: some entries more, of which one verifies. Not beyond the eighth. */
function valid(random: Random, parts: Parts): [string, Parts] {
  if (random.chance(0.7)) return ["valid", parts];
  const junk = () =>
    random.pick([
      `v3,${random.hex(64)}`,
      `v1,${random.hex(10)}`,
      "v3,",
      "",
      "v2",
      parts.signature.toUpperCase(),
    ]);
  const entries = [
    ...Array.from({ length: random.integer(0, 7) }, junk),
    parts.signature,
    ...Array.from({ length: random.integer(0, 12) }, junk),
  ];
  return ["valid among others", { ...parts, signature: entries.join(" ") }];
}

type Spoil = (random: Random, parts: Parts, key: string, atSeconds: number) => Partial<Parts>;

const spoils: Readonly<Record<string, Spoil>> = {
  "no headers": () => ({ id: "", timestamp: "", signature: "" }),
  "no id": () => ({ id: "" }),
  "no signature": () => ({ signature: "" }),
  "another id": (random, { id }) => ({
    id: random.pick([`${id}x`, `x${id}`, id.slice(1), `${id}\xff`, `${id}\t.`]),
  }),
  "another timestamp": (_random, { timestamp }) => ({ timestamp: String(Number(timestamp) + 1) }),
  "dot moved": (_random, { id, timestamp }) => ({ id: `${id}.${timestamp}`, timestamp }),
  "another body": (random, { id, timestamp }, key) => ({
    signature: `v3,${hmac(key, id, timestamp, Buffer.from(random.pick(["", "{}", "{"])))}`,
  }),
  "body changed": (random, { body }) => ({ body: changed(random, body) }),
  "body re-encoded": (_random, { body }) => ({ body: Buffer.from(`${body.toString("latin1")} `) }),
  "old": (random, { id, body }, key, atSeconds) =>
    at(atSeconds - random.pick([420, 3600, 86_400 * 365, atSeconds]), id, body, key),
  "future": (random, { id, body }, key, atSeconds) =>
    at(atSeconds + random.pick([420, 3600, 86_400 * 365]), id, body, key),
  "strange timestamp": (random, { id, body, timestamp }, key) => {
    const strange = random.pick([
      "NaN",
      "Infinity",
      "-Infinity",
      "-1",
      "1e9",
      `${timestamp}.0`,
      `${timestamp}000`,
      `+${timestamp}`,
      `0${timestamp}`,
      `0x${Number(timestamp).toString(16)}`,
      `${timestamp},${timestamp}`,
      `${timestamp} ${timestamp}`,
      "now",
      "９９９",
      "9".repeat(400),
      new Date(0).toUTCString(),
      `${timestamp}n`,
      `"${timestamp}"`,
    ].map((text) => text.replaceAll(/[^\x20-\x7e]/g, "?")));
    return { timestamp: strange, signature: `v3,${hmac(key, id, strange, body)}` };
  },
  "key of nobody": (random, { id, timestamp, body }) => ({
    signature: `v3,${hmac(random.hex(43), id, timestamp, body)}`,
  }),
  "key with its prefix": (_random, { id, timestamp, body }, key) => ({
    signature: `v3,${hmac(`whsec_${key}`, id, timestamp, body)}`,
  }),
  "key decoded": (_random, { id, timestamp, body }, key) => ({
    signature: `v3,${hmac(Buffer.from(key, "base64"), id, timestamp, body)}`,
  }),
  "empty key": (_random, { id, timestamp, body }) => ({ signature: `v3,${hmac("", id, timestamp, body)}` }),
  "Standard Webhooks": (_random, { id, timestamp, body }, key) => ({
    signature: `v1,${
      Buffer.from(hmac(Buffer.from(key, "base64"), id, timestamp, body), "hex").toString("base64")
    }`,
  }),
  "signature spelt otherwise": (random, { signature }) => ({ signature: respelt(random, signature) }),
  "signature behind eight": (random, { signature }) => ({
    signature: [...Array.from({ length: random.integer(8, 40) }, () => `v3,${random.hex(64)}`), signature]
      .join(" "),
  }),
  "garbage": (random) => ({
    signature: Buffer.from(
      Array.from(
        { length: random.integer(1, 200) },
        () => random.pick([random.integer(0x21, 0x7e), random.integer(0x80, 0xff)]),
      ),
    )
      .toString("latin1"),
  }),
};
const spoilNames = Object.keys(spoils);

function invalid(random: Random, parts: Parts, key: string, atSeconds: number): [string, Parts] {
  const name = random.pick(spoilNames);
  return [name, { ...parts, ...spoils[name]!(random, parts, key, atSeconds) }];
}

function at(seconds: number, id: string, body: Buffer, key: string): Partial<Parts> {
  const timestamp = String(Math.max(0, seconds));
  return { timestamp, signature: `v3,${hmac(key, id, timestamp, body)}` };
}

function changed(random: Random, body: Buffer): Buffer {
  if (body.length === 0) return Buffer.from("{}");
  const position = random.integer(0, body.length - 1);
  return random.pick<() => Buffer>([
    () =>
      Buffer.from(body.map((byte, index) => index === position ? byte ^ (1 << random.integer(0, 7)) : byte)),
    () => body.subarray(0, position),
    () => Buffer.concat([body, Buffer.from(random.pick([" ", "\n", "\0"]))]),
    () => Buffer.concat([Buffer.from("\n"), body]),
    () => Buffer.concat([body, body]),
  ])();
}

function respelt(random: Random, signature: string): string {
  const hex = signature.slice(3);
  return random.pick([
    hex,
    `v3, ${hex}`,
    `v3,${hex.toUpperCase()}A`,
    `v3=${hex}`,
    `V3,${hex}`,
    `v1,${hex}`,
    `v3,0x${hex}`,
    `v3,${hex.slice(0, 63)}`,
    `v3,${hex}${hex}`,
    `v3,${hex}0`,
    `v3,${hex},v3,${hex}`,
    `v3,${Buffer.from(hex, "hex").toString("base64")}`,
    `v3,${hex.slice(0, 32)} ${hex.slice(32)}`,
    `v3,${hex};`,
    `"v3,${hex}"`,
    `v3,${hex}\t`.concat("x"),
    `v3,${hex.replace(/./, "\xb2")}`,
    `v3,${"0".repeat(64)}`,
    `v3,`,
    ",",
  ]);
}
