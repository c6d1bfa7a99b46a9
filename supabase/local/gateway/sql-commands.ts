// What a function's body does, read from its words: the rows it changes, with or without WHERE, and the functions it
// calls. The npm build of Postgres' parser cannot read PL/pgSQL; for these questions the words are enough, in SQL and
// in PL/pgSQL alike. What stands in a string, as with EXECUTE, is not seen.

export interface Name {
  schema: string | null;
  name: string;
}

export type Event = "insert" | "update" | "delete" | "truncate";

export interface Command {
  table: Name;
  events: Event[];
  /** An UPDATE or DELETE that says nothing about which rows. */
  unfiltered: boolean;
}

interface Word {
  text: string;
  /** A quoted identifier is never a keyword. */
  quoted: boolean;
}

const space = /--[^\n]*|\/\*[\s\S]*?\*\/|\s+/;
const string = /e'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$/;
const word = /"(?:[^"]|"")*"|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/;
const piece = new RegExp(
  `(?:${space.source})|(?:${string.source})|(?<word>${word.source})|(?<mark>[^])`,
  "giu",
);

/** What stands before the word `update` where it is no command: a lock, an upsert, a privilege, a trigger's event. */
const notACommandAfter = new Set([
  "for",
  "key",
  "do",
  "or",
  "before",
  "after",
  "grant",
  "revoke",
  "of",
  ".",
  ",",
]);

/** What stands behind the word `update` where it is no command. */
const notACommandBefore = new Set(["set", "of", "on", "nowait", "skip", "or", "=", ",", ")", ";", ":", "."]);

export function readCommands(body: string): { commands: Command[]; calls: Name[] } {
  const words = wordsOf(body);
  const commands: Command[] = [];
  const calls: Name[] = [];
  for (let at = 0; at < words.length; at++) {
    const command = commandAt(words, at);
    if (command) commands.push(command);
    const called = nameAt(words, at);
    if (called && words[at - 1]?.text !== "." && keyword(words, called.next) === "(") calls.push(called.name);
  }
  return { commands, calls };
}

function wordsOf(body: string): Word[] {
  return [...body.matchAll(piece)].flatMap(({ groups }): Word[] => {
    const text = groups?.["word"] ?? groups?.["mark"];
    if (text === undefined) return [];
    if (!text.startsWith('"')) return [{ text: text.toLowerCase(), quoted: false }];
    return [{ text: text.slice(1, -1).replaceAll('""', '"'), quoted: true }];
  });
}

function keyword(words: Word[], at: number): string | null {
  const found = words[at];
  return found && !found.quoted ? found.text : null;
}

function commandAt(words: Word[], at: number): Command | null {
  const [first, second] = [keyword(words, at), keyword(words, at + 1)];
  if (first === "truncate") {
    return commandOn(words, second === "table" ? at + 2 : at + 1, ["truncate"], false);
  }
  if (first === "insert" && second === "into") {
    const events: Event[] = hasAtItsLevel(words, at, ["do", "update"]) ? ["insert", "update"] : ["insert"];
    return commandOn(words, at + 2, events, false);
  }
  if (first === "merge" && second === "into") {
    return commandOn(words, at + 2, ["insert", "update", "delete"], false);
  }
  const unfiltered = () => !hasAtItsLevel(words, at, ["where"]);
  if (first === "delete" && second === "from") return commandOn(words, at + 2, ["delete"], unfiltered());
  const isUpdate = first === "update" && !notACommandAfter.has(keyword(words, at - 1) ?? "") &&
    !notACommandBefore.has(second ?? "");
  return isUpdate ? commandOn(words, at + 1, ["update"], unfiltered()) : null;
}

function commandOn(words: Word[], at: number, events: Event[], unfiltered: boolean): Command | null {
  const found = nameAt(words, keyword(words, at) === "only" ? at + 1 : at);
  return found && { table: found.name, events, unfiltered };
}

/** Do these words follow each other in the command that begins here, outside of its parentheses? */
function hasAtItsLevel(words: Word[], start: number, wanted: string[]): boolean {
  let depth = 0;
  for (let at = start; at < words.length; at++) {
    const text = keyword(words, at);
    if (text === "(") depth++;
    else if (text === ")" && --depth < 0) return false;
    else if (depth > 0) continue;
    else if (text === ";" || text === "loop") return false;
    else if (wanted.every((each, offset) => keyword(words, at + offset) === each)) return true;
  }
  return false;
}

function nameAt(words: Word[], at: number): { name: Name; next: number } | null {
  const first = words[at];
  if (!first || !isIdentifier(first)) return null;
  const second = words[at + 2];
  if (keyword(words, at + 1) !== "." || !second || !isIdentifier(second)) {
    return { name: { schema: null, name: first.text }, next: at + 1 };
  }
  return { name: { schema: first.text, name: second.text }, next: at + 3 };
}

function isIdentifier({ text, quoted }: Word): boolean {
  return quoted || /^[a-z_\u0080-\uffff]/.test(text);
}
