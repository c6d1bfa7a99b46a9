// Requests that are no HTTP any more, or that end in the middle: what no HTTP client would send.

import type { Random } from "../simulation/random.ts";
import type { Request } from "./delivery.ts";

type Break = (random: Random, wire: Buffer, request: Request) => Buffer;

/** In the head; latin1 has a character for each byte. */
function inHead(change: (head: string) => string): Break {
  return (_random, wire) => {
    const end = wire.indexOf("\r\n\r\n");
    return Buffer.concat([
      Buffer.from(change(wire.toString("latin1", 0, end)), "latin1"),
      wire.subarray(end),
    ]);
  };
}

const breaks: Readonly<Record<string, Break>> = {
  "cut off": (random, wire) => wire.subarray(0, random.integer(1, wire.length - 1)),
  "longer than said": (_random, wire) => Buffer.concat([wire, Buffer.from("GET / HTTP/1.1\r\n")]),
  "NUL in a header": inHead((head) => `${head}\r\nwebhook-id: a\0b`),
  "control in a header": inHead((head) => `${head}\r\nx-odd: \x01\x7f`),
  "bare line feeds": inHead((head) => head.replaceAll("\r\n", "\n")),
  "space before the colon": inHead((head) => head.replace("webhook-id:", "webhook-id :")),
  "folded header": inHead((head) => `${head}\r\nx-folded: a\r\n b`),
  "no host": inHead((head) => head.replace(/\r\nhost: [^\r]*/, "")),
  "two lengths": inHead((head) => `${head}\r\ncontent-length: 1`),
  "length and chunks": inHead((head) => `${head}\r\ntransfer-encoding: chunked`),
  "strange length": (random, wire, request) =>
    inHead((head) =>
      `${head.replace(/\r\n(content-length|transfer-encoding): [^\r]*/g, "")}\r\ncontent-length: ${
        random.pick(["-1", "1e3", "0x10", "9".repeat(30), "", "1,1"])
      }`
    )(random, wire, request),
  "strange chunks": (random, _wire, { path, headers }) =>
    Buffer.from(
      `POST ${path} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}` +
        `transfer-encoding: chunked\r\n\r\n${
          random.pick([
            "zz\r\n{}\r\n",
            "-1\r\n\r\n",
            "fffffffff\r\n{",
            "2\r\n{}",
            "5\r\n{}\r\n0\r\n\r\n",
            "2;\0\r\n{}\r\n0\r\n\r\n",
          ])
        }`,
      "latin1",
    ),
  "old protocol": inHead((head) => head.replace("HTTP/1.1", "HTTP/1.0")),
  "strange protocol": (random, wire, request) =>
    inHead((head) =>
      head.replace("HTTP/1.1", random.pick(["HTTP/9.9", "HTTP/0.9", "http/1.1", "X", "HTTP/2.0"]))
    )(random, wire, request),
  "strange method": (random, wire, request) =>
    inHead((head) =>
      head.replace(/^\w+/, random.pick(["post", "P\0ST", "PROPFIND", "CONNECT", "TRACE", "", "HEAD"]))
    )(random, wire, request),
  "whole address": inHead((head) => head.replace(/^(\w+) /, "$1 http://nobody.invalid")),
  "no slash": inHead((head) => head.replace(/^(\w+) \//, "$1 ")),
  "head too large": inHead((head) => `${head}\r\nx-large: ${"y".repeat(20_000)}`),
  "too many headers": inHead((head) => head + "\r\nx: y".repeat(3000)),
  "address too long": inHead((head) => head.replace(/^(\w+ [^ ]*)/, `$1?${"z".repeat(30_000)}`)),
  "odd bytes in the address": inHead((head) => head.replace(" HTTP/1", "&x=\xff\xfe HTTP/1")),
  "TLS": () => Buffer.from("160301020001000001fc0303", "hex"),
  "noise": (random) =>
    Buffer.from(Array.from({ length: random.integer(1, 400) }, () => random.integer(0, 255))),
  "upgrade": inHead((head) => `${head}\r\nconnection: upgrade\r\nupgrade: websocket`),
};
const names = Object.keys(breaks);

export function drawBreakage(random: Random, request: Request, wire: Buffer): { how: string; wire: Buffer } {
  const how = random.pick(names);
  return { how, wire: breaks[how]!(random, wire, request) };
}
