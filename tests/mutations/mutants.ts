// What can be taken out of the migrations: each grant and revoke object by object (and role by role, when asked), each
// policy, each trigger, each `enable row level security`, each `set search_path`. One mutant lacks one of them.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Node, parse } from "libpg-query";

export type MutantKind = "grant" | "revoke" | "policy" | "trigger" | "row level security" | "search_path";

export interface Mutant {
  /** Name of the migration's file. */
  readonly file: string;
  readonly line: number;
  readonly kind: MutantKind;
  /** What is taken out, on one line. */
  readonly what: string;
  /** The file without it. */
  readonly text: string;
}

interface Statement {
  readonly node: Node;
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A part of a statement to take out: what it is, and the statement that is left (empty: nothing is). */
interface Cut {
  readonly kind: MutantKind;
  readonly what: string;
  readonly left: string;
}

const searchPath = /\s+set search_path = ''/;

/** `fine`: a grant or revoke is also cut role by role. */
export async function readMutants(directory: string, options: { fine: boolean }): Promise<Mutant[]> {
  const files = (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort();
  const last = await lastDefinitions(directory, files);
  const dropped = await droppedFunctions(directory, files);
  const found = await Promise.all(files.map(async (file) => {
    const source = Buffer.from(await readFile(join(directory, file), "utf8"));
    return (await split(source)).flatMap((statement) => {
      const defined = functionName(statement.node);
      if (defined !== null && last.get(defined) !== file) return []; // a later migration replaces it
      const before = source.subarray(0, statement.start).toString();
      const after = withoutComment(source.subarray(statement.end).toString(), statement.node);
      const line = before.split("\n").length;
      const isGone = ({ what }: Cut) =>
        dropped.some((drop) =>
          drop.file > file && (what.includes(drop.signature) || defined === drop.signature.split("(", 1)[0])
        );
      return cutsOf(statement, options.fine).filter((cut) => !isGone(cut)).map((
        { kind, what, left },
      ): Mutant => (
        { file, line, kind, what: what.replace(/\s+/g, " "), text: before + left + after }
      ));
    });
  }));
  return found.flat();
}

/** The file that defines each function for good. */
async function lastDefinitions(directory: string, files: string[]): Promise<Map<string, string>> {
  const last = new Map<string, string>();
  for (const file of files) {
    for (const { node } of await split(await readFile(join(directory, file)))) {
      const name = functionName(node);
      if (name !== null) last.set(name, file);
    }
  }
  return last;
}

/** What a later migration takes away again guards nothing any more. */
async function droppedFunctions(
  directory: string,
  files: string[],
): Promise<{ file: string; signature: string }[]> {
  const found = await Promise.all(files.map(async (file) => {
    const statements = await split(await readFile(join(directory, file)));
    return statements.flatMap(({ text }) => listOf(/^drop function\s+(.+)$/s.exec(text)?.[1] ?? ""))
      .filter((signature) => signature !== "").map((signature) => ({ file, signature }));
  }));
  return found.flat();
}

function functionName(node: Node): string | null {
  if (!("CreateFunctionStmt" in node)) return null;
  return (node.CreateFunctionStmt.funcname ?? [])
    .map((part) => "String" in part ? part.String.sval : "").join(".");
}

/** A policy goes with its comment, without which the migration would only fail. */
function withoutComment(text: string, node: Node): string {
  if (!("CreatePolicyStmt" in node)) return text;
  const start = text.indexOf(`comment on policy "${node.CreatePolicyStmt.policy_name}"`);
  if (start < 0) return text;
  const end = /'\s*;/g;
  end.lastIndex = start;
  return text.slice(0, start) + text.slice((end.exec(text)?.index ?? start) + 1);
}

/** Positions count bytes, and begin where the last statement ended: before this one's own comments. */
async function split(source: Buffer): Promise<Statement[]> {
  const parsed = await parse(source.toString());
  const all: { stmt?: Node; stmt_location?: number; stmt_len?: number }[] = parsed.stmts ?? [];
  return all.flatMap(({ stmt, stmt_location: from = 0, stmt_len: length }) => {
    if (!stmt) return [];
    const end = length ? from + length : source.length;
    const raw = source.subarray(from, end).toString();
    const text = raw.replace(/^(?:\s+|--[^\n]*\n)+/, "");
    return [{ node: stmt, text, start: end - Buffer.byteLength(text), end }];
  });
}

function cutsOf({ node, text }: Statement, fine: boolean): Cut[] {
  const whole = (kind: MutantKind): Cut[] => [{ kind, what: firstLine(text), left: "" }];
  if ("GrantStmt" in node) return grantCuts(node.GrantStmt.is_grant ? "grant" : "revoke", text, fine);
  if ("CreatePolicyStmt" in node) return whole("policy");
  if ("CreateTrigStmt" in node) return whole("trigger");
  if ("AlterTableStmt" in node && /enable row level security/i.test(text)) return whole("row level security");
  if ("CreateFunctionStmt" in node && searchPath.test(text)) {
    return [{ kind: "search_path", what: firstLine(text), left: text.replace(searchPath, "") }];
  }
  return [];
}

/** The verb up to the kind of object, the objects, `to` or `from`, the roles. */
const grantForm =
  /^((?:grant|revoke)\s.+?\son\s+(?:table|sequence|function|procedure|schema))\s+(.+)\s(to|from)\s+(.+)$/s;

function grantCuts(kind: "grant" | "revoke", text: string, fine: boolean): Cut[] {
  const [, verb, objectList, preposition, roleList] = grantForm.exec(text) ?? [];
  if (!verb || !objectList || !roleList) throw new Error(`cannot take apart: ${text}`);
  const objects = listOf(objectList);
  const roles = listOf(roleList);
  const statement = (on: string[], of: string[]) =>
    on.length === 0 || of.length === 0 ? [] : [`${verb} ${on.join(", ")} ${preposition} ${of.join(", ")}`];
  const others = (object: string) => statement(objects.filter((one) => one !== object), roles);
  return objects.flatMap((object) => [
    { kind, what: statement([object], roles).join(), left: others(object).join() },
    ...(fine && roles.length > 1 ? roles : []).map((role) => ({
      kind,
      what: statement([object], [role]).join(),
      left: [...others(object), ...statement([object], roles.filter((one) => one !== role))].join("; "),
    })),
  ]);
}

/** Cut at the commas that stand in no parentheses. */
function listOf(text: string): string[] {
  return text.split(/,(?![^()]*\))/).map((one) => one.trim());
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
