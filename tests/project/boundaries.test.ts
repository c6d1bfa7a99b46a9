// Which room may import which. A line of code knows its room: SQL decides, the backend talks, functions speak HTTP,
// the client shows.

import { posix } from "node:path";
import { expect, test } from "vitest";
import { importsOf } from "./imports.ts";
import { readText, sourceFiles } from "./source-files.ts";

interface Edge {
  from: string;
  /** A path from the root, or a package's name. */
  to: string;
}

const codeFiles = sourceFiles().filter((path) => /^(shared|supabase|tests)\/.*\.[cm]?tsx?$/.test(path));

/** `shared/backend/submit.ts` and what it names → one edge each; null targets are imports that only running tells. */
function edgesOf(path: string, text: string): { from: string; to: string | null }[] {
  return importsOf(text, path).map(({ specifier }) => {
    if (specifier === null || !specifier.startsWith(".")) return { from: path, to: specifier };
    return { from: path, to: posix.normalize(posix.join(posix.dirname(path), specifier)) };
  });
}

const all = codeFiles.flatMap((path) => edgesOf(path, readText(path)));
const edges = all.filter((edge): edge is Edge => edge.to !== null);

/** The room of a file: `shared/contract`, `supabase/functions`, `supabase/local`, `tests`; null for a package. */
function roomOf(path: string): string | null {
  return /^(shared\/[^/]+|supabase\/[^/]+|tests)\//.exec(path)?.[1] ?? null;
}

/** Room → the rooms of ours that it may import, besides itself. */
const mayImport: Record<string, string[]> = {
  "shared/contract": [],
  "shared/wavespeed": ["shared/contract"],
  "shared/client": ["shared/contract"],
  "shared/backend": ["shared/contract", "shared/wavespeed"],
  "supabase/functions": ["shared/contract", "shared/wavespeed", "shared/backend"],
  // The stack runs the functions as processes and knows them by their folder.
  "supabase/local": ["shared/contract", "shared/wavespeed", "shared/backend", "shared/client"],
  "tests": ["shared/contract", "shared/wavespeed", "shared/backend", "shared/client", "supabase/local"],
};
/** Functions of the local stack's own tests: stand-ins, no code of ours. */
const isFixture = (path: string) => path.startsWith("tests/local/project/");

function breaches(found: Edge[]): string[] {
  return found
    .filter(({ from, to }) => {
      const [room, target] = [roomOf(from), roomOf(to)];
      if (room === null || target === null || room === target) return false;
      return !mayImport[room]?.includes(target);
    })
    .map(({ from, to }) => `${from} imports ${to}`);
}

test("the files of every room are read, with their imports", () => {
  const rooms = new Set(codeFiles.map(roomOf));
  for (
    const room of [
      "shared/contract",
      "shared/wavespeed",
      "shared/backend",
      "supabase/functions",
      "supabase/local",
      "tests",
    ]
  ) {
    expect(rooms, room).toContain(room);
  }
  expect(edges.length).toBeGreaterThan(300);
  expect(edges).toContainEqual({ from: "shared/backend/kernel.ts", to: "shared/contract/mod.ts" });
});

test("every room is known: a new one says here what it may import", () => {
  expect([...new Set(codeFiles.map(roomOf))].filter((room) => room !== null && mayImport[room] === undefined))
    .toEqual([]);
});

test("no room imports what it may not", () => {
  expect(breaches(edges)).toEqual([]);
});

test.each([
  ["shared/contract/start-request.ts", 'import { redact } from "../wavespeed/mod.ts";'],
  ["shared/client/feed.ts", 'import type { Backend } from "../backend/mod.ts";'],
  ["shared/wavespeed/client.ts", 'export * from "../backend/mod.ts";'],
  ["shared/backend/submit.ts", 'const { startStack } = await import("../../supabase/local/mod.ts");'],
  ["supabase/functions/cancel/index.ts", 'import { startStack } from "../../local/mod.ts";'],
  ["supabase/functions/cancel/index.ts", 'type Service = import("../../../shared/client/mod.ts").Service;'],
  ["supabase/local/stack.ts", "await import(`../functions/cancel/index.ts`);"],
  ["tests/flow/cancel.test.ts", 'import "../../supabase/functions/cancel/index.ts";'],
])("in %s `%s` would be found", (path, text) => {
  expect(breaches(edgesOf(path, text).filter((edge): edge is Edge => edge.to !== null))).toHaveLength(1);
});

test("a function imports no other function, only what lies in _shared", () => {
  const others = edges.filter(({ from, to }) => {
    const mine = /^supabase\/functions\/([^/]+)\//.exec(from)?.[1];
    const theirs = /^supabase\/functions\/([^/]+)\//.exec(to)?.[1];
    return mine !== undefined && theirs !== undefined && theirs !== mine && theirs !== "_shared";
  });
  expect(others).toEqual([]);
});

test("each folder of shared has one way in, and outsiders use it", () => {
  const folders = new Set(
    codeFiles.filter((path) => path.startsWith("shared/")).map((path) => path.split("/")[1]),
  );
  for (const folder of folders) expect(codeFiles, `shared/${folder}`).toContain(`shared/${folder}/mod.ts`);
  const sideways = edges.filter(({ from, to }) => {
    const target = roomOf(to);
    // Tests look inside what they test.
    if (
      target === null || !target.startsWith("shared/") || roomOf(from) === target || roomOf(from) === "tests"
    ) return false;
    return to !== `${target}/mod.ts` && !/^shared\/client\/react\//.test(to);
  });
  expect(sideways).toEqual([]);
});

test("what shared code and functions import is known before it runs", () => {
  const unknown = all.filter(({ from, to }) => to === null && /^(shared|supabase\/functions)\//.test(from));
  expect(unknown).toEqual([]);
});

test("relative imports name their file with its ending, and the file is there", () => {
  const missing = edges
    .filter(({ from, to }) => roomOf(to) !== null && !isFixture(from) && !sourceFilesSet.has(to))
    .map(({ from, to }) => `${from} imports ${to}`);
  expect(missing).toEqual([]);
});
const sourceFilesSet = new Set(sourceFiles());

test("shared code and functions import the packages of the import map, never a URL or Node", () => {
  const allowed =
    /^(@supabase\/(server|supabase-js|functions-js)(\/[\w.-]+)*|zod|image-size|react|react-native)$/;
  // The decoder stays where an isolate may be lost to it.
  const isDecoder = ({ from, to }: Edge) =>
    from === "supabase/functions/thumbnail/draw.ts" && ["@cf-wasm/photon/node", "thumbhash"].includes(to);
  // Web Crypto has no digest in pieces, and every runtime that the functions run on has this one.
  const isDigest = ({ from, to }: Edge) => from === "shared/backend/digest.ts" && to === "node:crypto";
  const other = edges
    .filter((edge) =>
      /^(shared|supabase\/functions)\//.test(edge.from) && roomOf(edge.to) === null &&
      !allowed.test(edge.to) &&
      !isDecoder(edge) && !isDigest(edge)
    )
    .map(({ from, to }) => `${from} imports ${to}`);
  expect(other).toEqual([]);
});
