// Bodies of callbacks: a prediction as the provider writes it, and what can become of one. What a body means is not
// known here: oracle.ts reads it again.

import type { Random } from "../simulation/random.ts";

export interface Named {
  /** The provider's id of the task that the body speaks of. */
  taskId: string;
  /** Ids of other attempts' tasks. */
  otherTaskIds: readonly string[];
  /** Where the stand-in provider serves pictures: nothing is there under the names used here. */
  outputsUrl: string;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Prediction = Record<string, Json>;

const runningWords = ["processing", "created", "pending", " PROCESSING\n", "Created"];
const endingWords = [
  "completed",
  "failed",
  "cancelled",
  "canceled",
  "timeout",
  "deleted",
  " Completed ",
  "FAILED",
  "\tdeleted",
];
/** Words that no list knows, some of them close to one. */
const unknownWords = [
  "complet\u0435d",
  "complete",
  "completed\u0000",
  "failed;",
  "success",
  "unknown_status",
  "__proto__",
  "constructor",
  "toString",
  "\ud800",
  "\u202ecompleted",
  "\ufeff",
  " ",
  "x".repeat(3000),
];

function truthful(random: Random, named: Named, endingShare: number): Prediction {
  const word = random.chance(endingShare)
    ? random.pick(endingWords)
    : random.pick(random.chance(0.6) ? runningWords : unknownWords);
  return {
    id: named.taskId,
    model: "wavespeed-ai/flux-schnell",
    status: word,
    outputs: [`${named.outputsUrl}/none-${random.hex(8)}.jpeg`],
    has_nsfw_contents: [random.chance(0.5)],
    created_at: "2026-01-31T12:34:56.123456789Z",
    error: "",
    timings: { inference: random.integer(0, 9000) },
  };
}

/** Values of any type. Not of any address: the function downloads what it believes was delivered. */
function strange(random: Random, named: Named): Json {
  const values: (() => Json)[] = [
    () => null,
    () => random.chance(0.5),
    () =>
      random.pick([
        0,
        -1,
        1.5,
        1e308,
        -0,
        2 ** 53 + 1,
        4294967296,
        1200,
        1400,
        1402,
        1406,
        5004,
        Number.MIN_VALUE,
      ]),
    () =>
      random.pick([
        "",
        " ",
        "0",
        "null",
        "\u0000",
        "\ud83d",
        "\udc00x",
        "a\u0000b",
        "\u2028",
        "ﷺ".repeat(40),
      ]),
    () => random.pick(endingWords),
    () => "x".repeat(random.pick([127, 128, 129, 1000, 20_000])),
    () => [],
    () => ({}),
    () => [[[[[]]]]],
    () => deep(random.pick([50, 500, 1500])),
    () => ({ url: `${named.outputsUrl}/none.png` }),
    () => ({ __proto__: { status: "completed" }, constructor: 1, toString: null, length: -1 }),
    () => Array.from({ length: random.pick([2, 100, 3000]) }, () => random.integer(0, 9)),
    () => Array.from({ length: random.pick([2, 9, 400]) }, (_, at) => `${named.outputsUrl}/none-${at}.png`),
    () => Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`key ${at}`, at])),
    () => named.taskId,
  ];
  return random.pick(values)();
}

function deep(levels: number): Json {
  let value: Json = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

function taskIdLike(random: Random, named: Named): Json {
  return random.pick<() => Json>([
    () => random.hex(32),
    () => named.taskId.toUpperCase(),
    () => ` ${named.taskId}`,
    () => `${named.taskId}\u0000`,
    () => `${named.taskId}\ud800`,
    () => `../${named.taskId}`,
    () => `${named.taskId}?x=1`,
    () => `' or true --`,
    () => `%00`,
    () => "x".repeat(random.pick([128, 129])),
    () => [named.taskId],
    () => ({ id: named.taskId }),
    () => random.pick([...named.otherTaskIds, named.taskId]),
  ])();
}

function outputsLike(random: Random, named: Named): Json {
  const entry = random.pick<() => Json>([
    () => "data:image/png;base64,AAAA",
    () => "http://127.0.0.1:1/none.png",
    () => "https://169.254.169.254/latest/meta-data",
    () => "https://[::1]/none.png",
    () => "file:///etc/passwd",
    () => "HTTPS://nobody.invalid/%zz\u0000\ud800.png",
    () => "https://nobody.invalid:99999/",
    () => "https://",
    () => "http://user:word@nobody.invalid/",
    () => `https://nobody.invalid/${"é".repeat(random.pick([10, 3000]))}`,
    () => "javascript:alert(1)",
    () => ({ url: `${named.outputsUrl}/none.png`, more: 1 }),
    () => ({ url: { url: "https://nobody.invalid/" } }),
    () => strange(random, named),
  ]);
  return Array.from({ length: random.pick([1, 1, 2, 5, 300]) }, entry);
}

const fields = [
  "id",
  "status",
  "outputs",
  "has_nsfw_contents",
  "error",
  "code",
  "created_at",
  "model",
  "timings",
  "input",
  "inputs",
  "executionTime",
  "__proto__",
];

/** Shapes: fields of other types, left out, added. */
function reshape(random: Random, prediction: Prediction, named: Named): Json {
  const changed: Prediction = { ...prediction };
  for (let times = random.integer(1, 3); times > 0; times--) {
    const field = random.pick(fields);
    if (random.chance(0.15)) delete changed[field];
    else if (field === "id") changed[field] = taskIdLike(random, named);
    else if (field === "outputs" && random.chance(0.7)) changed[field] = outputsLike(random, named);
    else if (field === "status" && random.chance(0.5)) changed[field] = random.pick(unknownWords);
    else {Object.defineProperty(changed, field, {
        value: strange(random, named),
        enumerable: true,
        configurable: true,
        writable: true,
      });}
  }
  return random.pick<() => Json>([
    () => changed,
    () => changed,
    () => changed,
    () => changed,
    () => changed,
    () => [changed],
    () => ({ data: changed, code: 200, message: "success" }),
    () => JSON.stringify(changed),
    () => strange(random, named),
  ])();
}

/** Texts that are no longer, or only just, JSON. */
function respell(random: Random, text: string, named: Named): string {
  const at = random.integer(0, text.length);
  return random.pick<() => string>([
    () => text.slice(0, at),
    () => text.slice(at),
    () => text + random.pick(["}", ",", "\u0000", text, "//", "\n\n"]),
    () => `${random.pick(["\ufeff", "\ufeff\ufeff", "\n\t ", "\u00a0", ")]}',\n", "\u0000"])}${text}`,
    () => text.replace("{", `{"id":"${random.hex(32)}","status":"completed",`),
    () => text.replace(/\}$/, `,"id":${JSON.stringify(random.pick(["", named.taskId, random.hex(32)]))}}`),
    () => text.replace(/\}$/, `,"status":${random.pick(['"processing"', "1", "null", '"failed"'])}}`),
    () =>
      text.replace(
        /\}$/,
        `,"code":${random.pick(["1e999", "-1e999", "9".repeat(400), "0x10", "01", "NaN", "1."])}}`,
      ),
    () => text.replaceAll('"', "'"),
    () => text.replace(":", "="),
    () => text.replace(/[a-z]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`),
    () => "[".repeat(random.pick([10, 10_000, 130_000])),
    () => `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
    () => text.replace(/\}$/, `,"error":${"[".repeat(random.pick([1000, 30_000]))}1${"]".repeat(30_000)}}`),
    () => {
      const levels = random.pick([1000, 10_000, 50_000]);
      const field = random.pick([
        "error",
        "code",
        "outputs",
        "input",
        "created_at",
        "timings",
        "has_nsfw_contents",
      ]);
      return text.replace(/\}$/, `,"${field}":${"[".repeat(levels)}1${"]".repeat(levels)}}`);
    },
    () =>
      `${text.slice(0, at)}${random.pick(["\u0000", "\u0007", "\u007f", "\\", '"', "\\u12", "\r"])}${
        text.slice(at)
      }`,
    () => "",
  ])();
}

/** Bytes: other encodings, and bytes that no encoding has. */
function encode(random: Random, text: string): Buffer {
  const utf8 = Buffer.from(text);
  const at = random.integer(0, utf8.length);
  return random.pick<() => Buffer>([
    () => Buffer.from(text, "utf16le"),
    () => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]),
    () => Buffer.from(`${text}é`, "latin1"),
    () => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), utf8]),
    () =>
      Buffer.concat([
        utf8.subarray(0, at),
        random.pick([
          Buffer.from([0xff]),
          Buffer.from([0xc0, 0xaf]),
          Buffer.from([0xed, 0xa0, 0x80]),
          Buffer.from([0xf5, 0x80, 0x80, 0x80]),
          Buffer.from([0x80]),
          Buffer.from([0xe2, 0x82]),
        ]),
        utf8.subarray(at),
      ]),
    () => Buffer.from(utf8.toString("base64")),
    () => Buffer.from(utf8.map((byte, index) => index === at ? byte ^ (1 << random.integer(0, 7)) : byte)),
    () => Buffer.from(Array.from({ length: random.integer(1, 300) }, () => random.integer(0, 255))),
  ])();
}

/** Around the limit of 256 KiB, and far above it. */
function inflate(random: Random, prediction: Prediction): Buffer {
  const size = random.pick([262_143, 262_144, 262_145, 300_000, 1_500_000]);
  const bare = JSON.stringify({ ...prediction, padding: "" });
  return Buffer.from(JSON.stringify({ ...prediction, padding: "x".repeat(size - bare.length) }));
}

/** What was done to it, and the bytes. `endingShare` of the predictions end their task. */
export function drawBody(random: Random, named: Named, endingShare: number): { how: string; bytes: Buffer } {
  const prediction = truthful(random, named, endingShare);
  const draw = random.unit();
  if (draw < 0.2) return { how: "as written", bytes: Buffer.from(JSON.stringify(prediction)) };
  if (draw < 0.6) {
    return { how: "shape", bytes: Buffer.from(JSON.stringify(reshape(random, prediction, named))) };
  }
  if (draw < 0.8) {
    return { how: "text", bytes: Buffer.from(respell(random, JSON.stringify(prediction), named)) };
  }
  if (draw < 0.99) return { how: "bytes", bytes: encode(random, JSON.stringify(prediction)) };
  return { how: "size", bytes: inflate(random, prediction) };
}
