// Every answer that a flow test hears from a documented path is held against shared/contract/openapi.json: a status or a
// body that is not in it fails the call, and with it the test.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { default as formats } from "ajv-formats";

interface Call {
  responses: Record<string, { content: Record<string, unknown> }>;
}
const file = resolve(import.meta.dirname, "../../shared/contract/openapi.json");
const openapi: { paths: Record<string, Record<string, Call>> } = JSON.parse(readFileSync(file, "utf8"));
const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema({ ...openapi, $id: "genflow" });
const known = new Map<string, ValidateFunction>();

function schemaAt(...steps: string[]): ValidateFunction {
  const pointer = steps.map((step) => `/${step.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  const found = known.get(pointer) ?? ajv.compile({ $ref: `genflow#${pointer}` });
  known.set(pointer, found);
  return found;
}

/** What is wrong with the answer; null where nothing is, or where nothing is said of it. */
export async function undocumented(
  { pathname, searchParams }: URL,
  method: string,
  answer: Response,
): Promise<string | null> {
  const calls = openapi.paths[pathname];
  const isFunction = pathname.startsWith("/functions/");
  // Of a function that is not there any more the gateway speaks, in its own words.
  const isOwn = isFunction ? answer.headers.has("x-trace-id") : calls?.[method] !== undefined;
  if (!calls || !isOwn || method === "options") return null;
  // One row is asked for as itself, and some columns are not a row.
  if (answer.headers.get("content-type")?.startsWith("application/vnd.pgrst.")) return null;
  if ((searchParams.get("select") ?? "*") !== "*") return null;
  const name = method in calls ? method : "post";
  const { responses } = calls[name]!;
  const status = String(answer.status) in responses ? String(answer.status) : "default";
  const type = answer.headers.get("content-type")?.split(";")[0] ?? "";
  if (responses[status]?.content[type] === undefined) {
    return `${method} ${pathname} answers ${answer.status} as ${type}, which is not documented`;
  }
  const holds = schemaAt("paths", pathname, name, "responses", status, "content", type, "schema");
  if (holds(await answer.clone().json())) return null;
  return `${method} ${pathname} ${answer.status} is not as documented: ${ajv.errorsText(holds.errors)}`;
}

const plainFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const answer = await plainFetch(input, init);
  const request = input instanceof Request ? input : null;
  const method = (init?.method ?? request?.method ?? "GET").toLowerCase();
  const wrong = await undocumented(new URL(request?.url ?? String(input)), method, answer);
  if (wrong !== null) throw new Error(wrong);
  return answer;
};
