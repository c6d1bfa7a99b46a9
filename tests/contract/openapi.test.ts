// shared/contract/openapi.json is the contract as it is now, and in words that generators for other languages know.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { default as formats } from "ajv-formats";
import { expect, test } from "vitest";
import { problems } from "../../shared/contract/mod.ts";
import { document } from "../../shared/contract/openapi/document.ts";

const file = resolve(import.meta.dirname, "../../shared/contract/openapi.json");
const written = JSON.parse(readFileSync(file, "utf8"));
interface Call {
  operationId: string;
  responses: Record<string, { description: string; content: Record<string, { schema: object }> }>;
}
const paths: Record<string, Record<string, Call>> = written.paths;
const methods = Object.entries(paths).flatMap(([path, calls]) =>
  Object.entries(calls).map(([method, call]) => ({ path, method, call }))
);

/** Every object in it, with its place. */
function* within(value: unknown, place = "#"): Generator<[string, Record<string, unknown>]> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield [place, value as Record<string, unknown>];
  for (const [name, each] of Object.entries(value)) yield* within(each, join(place, name));
}

test("it is as `npm run openapi` writes it", () => {
  expect(written).toEqual(JSON.parse(JSON.stringify(document)));
});

test("every schema is one, and every reference leads somewhere", () => {
  const ajv = new Ajv2020({ strict: false });
  formats.default(ajv);
  ajv.addSchema({ ...written, $id: "genflow" });
  const names = Object.keys(written.components.schemas);
  expect(names).toContain("StartRequest");
  for (const name of names) {
    const schema = written.components.schemas[name];
    expect(ajv.validateSchema(schema), `${name}: ${ajv.errorsText()}`).toBe(true);
    // Compiling follows the references.
    expect(() => ajv.compile({ $ref: `genflow#/components/schemas/${name}` }), name).not.toThrow();
  }
  const references = [...within(written)].flatMap(([, { $ref }]) => typeof $ref === "string" ? [$ref] : []);
  expect(references.length).toBeGreaterThan(30);
  const missing = references.filter((to) => !names.includes(to.replace("#/components/schemas/", "")));
  expect(missing).toEqual([]);
});

test("it says nothing that a generator stumbles over", () => {
  const exotic = [
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "const",
    "enum",
    "pattern",
    "patternProperties",
    "additionalProperties",
    "prefixItems",
    "$defs",
    "nullable",
  ];
  for (const [place, value] of within(written)) {
    // Names of fields are anybody's.
    if (place.endsWith("/properties")) continue;
    expect(Object.keys(value).filter((name) => exotic.includes(name)), place).toEqual([]);
    if (!Array.isArray(value["type"])) continue;
    expect(value["type"], place).toHaveLength(2);
    expect(value["type"][1], place).toBe("null");
  }
});

test("every call has a name of its own, and says what it answers", () => {
  const names = methods.map(({ call }) => call.operationId);
  expect(new Set(names).size).toBe(names.length);
  for (const { path, call } of methods) {
    expect(call.operationId, path).toMatch(/^[a-z][A-Za-z]+$/);
    for (const [status, { description, content }] of Object.entries(call.responses)) {
      expect(description, `${path} ${status}`).toMatch(/\w/);
      expect(Object.values(content)[0]?.schema, `${path} ${status}`).toBeDefined();
    }
  }
});

test("every problem of the catalogue stands with its status at the functions", () => {
  for (const { path, call } of methods.filter((each) => each.path.startsWith("/functions/"))) {
    for (const [code, { status }] of Object.entries(problems)) {
      expect(call.responses[status]?.description, `${path} ${code}`).toContain(`\`${code}\``);
    }
  }
});
