// What a TypeScript file imports, read by a parser: import and export … from, import(…) and import("…") in types.

import { parseAst } from "vitest/node";

export interface Import {
  /** Null: only known when it runs. */
  specifier: string | null;
}

const sourced = new Set([
  "ImportDeclaration",
  "ExportNamedDeclaration",
  "ExportAllDeclaration",
  "ImportExpression",
  "TSImportType",
  "TSExternalModuleReference",
]);

export function importsOf(text: string, path: string): Import[] {
  const found: Import[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== "object" || node === null) return;
    if ("type" in node && typeof node.type === "string" && sourced.has(node.type)) {
      const source: unknown = "source" in node ? node.source : "expression" in node ? node.expression : null;
      const specifier = literalOf(source);
      // An export of a local name has no source.
      if (source !== null) found.push({ specifier });
    }
    Object.values(node).forEach(visit);
  };
  visit(parseAst(text, { lang: path.endsWith("x") ? "tsx" : "ts" }));
  return found;
}

function literalOf(node: unknown): string | null {
  if (typeof node !== "object" || node === null) return null;
  if ("value" in node && typeof node.value === "string") return node.value;
  // A template without a hole is a text too.
  if ("quasis" in node && Array.isArray(node.quasis) && node.quasis.length === 1) {
    const [only] = node.quasis as { value?: { cooked?: string } }[];
    return only?.value?.cooked ?? null;
  }
  return null;
}
