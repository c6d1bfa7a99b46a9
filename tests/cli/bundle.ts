// What a function's upload must hold, worked out from its source alone, and how far the real upload is from it. The
// hosted runtime has neither our node_modules nor the rest of the tree: what is not uploaded and not an exact npm
// version of the import map is not there.

import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import * as z from "zod";
import { importsOf } from "../project/imports.ts";
import type { Upload } from "./fake-management-api.ts";

const ImportMap = z.object({ imports: z.record(z.string(), z.string()) });
const exactNpm = /^npm:((?:@[^/@]+\/)?[^/@]+)@(\d+\.\d+\.\d+)(?:\/|$)/;
/** The runtime has these of its own. */
const brought: ReadonlySet<string> = new Set(["node:crypto"]);
/** Such a file is neither followed nor uploaded. */
const fileByUrl = /new URL\(\s*["'`]\.{1,2}\//;

interface Graph {
  files: Set<string>;
  faults: string[];
}

/** Everything that is wrong with the upload, in words; empty if it is what it should be. Paths are from `root`. */
export function bundleFaults(root: string, upload: Upload, versions: Record<string, string>): string[] {
  const { entrypoint_path: entry, import_map_path: importMap } = upload.metadata;
  const { imports } = ImportMap.parse(JSON.parse(upload.files.get(importMap) ?? '{"imports":{}}'));
  const graph = moduleGraph(root, entry, new Set(Object.keys(imports)));
  const needed = new Set([importMap, ...graph.files]);
  const content = (path: string) => readFileSync(join(root, path), "utf8");
  return [
    ...graph.faults,
    ...[...needed].filter((path) => !upload.files.has(path)).map((path) => `not uploaded: ${path}`),
    ...[...upload.files].flatMap(([path, text]) =>
      !needed.has(path)
        ? [`uploaded and not needed: ${path}`]
        : text === content(path)
        ? []
        : [`altered: ${path}`]
    ),
    ...Object.values(imports).flatMap((address) => {
      const [, name = "", version] = exactNpm.exec(address) ?? [];
      return version !== undefined && version === versions[name]
        ? []
        : [`not the version of package.json: ${address}`];
    }),
  ];
}

function moduleGraph(root: string, entry: string, mapped: ReadonlySet<string>): Graph {
  const graph: Graph = { files: new Set(), faults: [] };
  const visit = (path: string, importer: string) => {
    if (graph.files.has(path)) return;
    if (!existsSync(join(root, path))) {
      graph.faults.push(`${importer} imports ${path}, which is not there`);
      return;
    }
    graph.files.add(path);
    const text = readFileSync(join(root, path), "utf8");
    if (fileByUrl.test(text)) graph.faults.push(`${path} names a file by new URL`);
    for (const { specifier } of importsOf(text, path)) {
      if (specifier === null) graph.faults.push(`${path} imports what only running tells`);
      else if (specifier.startsWith(".")) visit(posix.join(posix.dirname(path), specifier), path);
      else if (!mapped.has(specifier) && !brought.has(specifier)) {
        graph.faults.push(`${path} imports ${specifier}, which is not in the import map`);
      }
    }
  };
  visit(entry, "nobody");
  return graph;
}
