// What search_generations refuses, whom, and that it says nothing of what was sent: its complaints are the log's lines.

import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { expect, test } from "vitest";
import { SearchRequest } from "../../shared/contract/mod.ts";
import { openDatabase } from "./database.ts";
import { createSearcher, generation } from "./searching.ts";

const db = await openDatabase();
const { sql } = db;
const searcher = createSearcher(db);

const words = "zebra-lantern";
const after = { createdAt: "2026-11-22T12:00:00.123456+00:00", id: randomUUID() };
const many = (count: number) => Array.from({ length: count }, (_, at) => `${words}-${at}`);

async function refusalOf(request: string): Promise<{ code: string; message: string; text: string }> {
  try {
    await searcher.askRaw(await db.addUser(), request);
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    const { code, message, hint, detail = "", where = "" } = error;
    return { code: `${code} ${hint}`, message, text: [message, hint, detail, where].join("\n") };
  }
  throw new Error("nothing was refused");
}

/** Each is refused by the contract and by SQL alike, which names the field. */
const refused: [field: string, request: unknown][] = [
  ["the request", null],
  ["the request", words],
  ["the request", [words]],
  ["the request", 7],
  ["an unknown field", { [words]: 1 }],
  ["an unknown field", { word: words }],
  ["words", { words: null }],
  ["words", { words: [words] }],
  ["words", { words: "z".repeat(201) }],
  ["words", { words: many(11).map((_, at) => at).join("\u3000") }],
  ["modelIds", { modelIds: words }],
  ["modelIds", { modelIds: [] }],
  ["modelIds", { modelIds: [words, null] }],
  ["modelIds", { modelIds: [""] }],
  ["modelIds", { modelIds: many(21) }],
  ["modelIds", { modelIds: ["z".repeat(101)] }],
  ["aspectRatios", { aspectRatios: [1] }],
  ["statuses", { statuses: ["completed", words] }],
  ["favorite", { favorite: "true" }],
  ["flagged", { flagged: 1 }],
  ["sort", { sort: words }],
  ["sort", { sort: null }],
  ["after", { after: null }],
  ["after", { after: {} }],
  ["after", { after: { createdAt: after.createdAt } }],
  ["after", { after: { ...after, [words]: 1 } }],
  ["after", { after: { ...after, id: words } }],
  ["after", { after: { ...after, createdAt: words } }],
  ["after", { after: { ...after, createdAt: "now" } }],
  ["after", { after: { ...after, createdAt: "2026-02-30T12:00:00+00:00" } }],
  ["after", { after: { ...after, createdAt: 1 } }],
  ["limit", { limit: 0 }],
  ["limit", { limit: 101 }],
  ["limit", { limit: 1.5 }],
  ["limit", { limit: "1" }],
];

test.each(refused)(
  "with %s wrong, %j is refused by the contract and by SQL, without a word of it",
  async (field, request) => {
    expect(SearchRequest.safeParse(request).success).toBe(false);
    const { code, message, text } = await refusalOf(JSON.stringify(request));
    expect({ code, message }).toEqual({
      code: "PT400 invalid_request",
      message: `the search is not well formed: ${field}`,
    });
    expect(text).not.toContain("zebra");
  },
);

/** What is JSON, and yet no value that the database can keep. */
test.each([
  ["a NUL", `{"words": "${words} \\u0000"}`],
  ["half a surrogate pair", `{"words": "${words} \\ud83d"}`],
  ["a surrogate pair the wrong way round", `{"words": "${words} \\ude00\\ud83d"}`],
  ["a NUL in a name", `{"${words} \\u0000": 1}`],
  ["a number out of range", `{"words": "${words}", "limit": 1e400000}`],
  ["more than 64 KiB", JSON.stringify({ words, modelIds: [words.repeat(5100)] })],
])("%s is refused in the same silence", async (_, request) => {
  const { code, message, text } = await refusalOf(request);
  expect({ code, message }).toEqual({
    code: "PT400 invalid_request",
    message: "the search is not well formed: the request",
  });
  expect(text).not.toContain("zebra");
});

test("the database does tell the words around a NUL where nothing keeps it from it", async () => {
  const careless = sql.unsafe(`select '{"words": "${words} \\u0000"}'::jsonb`);
  await expect(careless).rejects.toMatchObject({ where: expect.stringContaining("zebra") });
});

test("what the contract lets through at its widest, SQL answers", async () => {
  const widest = SearchRequest.parse({
    words: `${"\u0001".repeat(181)} a b c d e f g h i`,
    modelIds: Array.from({ length: 20 }, () => "\u0001".repeat(100)),
    aspectRatios: Array.from({ length: 20 }, () => "\u0001".repeat(10)),
    statuses: Array.from({ length: 20 }, () => "completed"),
    favorite: false,
    flagged: false,
    sort: "oldest",
    after: { createdAt: "0001-01-01T00:00:00Z", id: randomUUID() },
    limit: 100,
  });
  expect(await searcher.ask(await db.addUser(), widest)).toEqual({ items: [], next: null, seq: 0 });
});

test("a request without any field, and a database where time is told elsewhere, have a cursor that comes back", async () => {
  const userId = await db.addUser();
  await searcher.put(userId, [generation({ microseconds: 1 }), generation({ microseconds: 2 })]);
  for (const zone of ["UTC", "Asia/Kathmandu", "America/St_Johns"]) {
    const found = await db.asUser(userId, async (as) => {
      await as`select set_config('timezone', ${zone}, true)`;
      const ask = async (request: SearchRequest) => {
        const [row] = await as<
          { answer: { items: { job: { id: string } }[]; next: SearchRequest["after"] } }[]
        >`
          select public.search_generations(${
          JSON.stringify(SearchRequest.parse(request))
        }::text::json) as answer`;
        return row!.answer;
      };
      const first = await ask({ limit: 1 });
      const second = await ask({ limit: 1, after: first.next });
      return [...first.items, ...second.items].map(({ job }) => job.id);
    });
    expect(new Set(found).size).toBe(2);
  }
});

test("visitors and the server's own role may not search, nor a user's token without a user", async () => {
  for (const role of ["anon", "service_role"] as const) {
    await expect(
      db.asRole(role, { role, sub: randomUUID() }, (as) => as`select public.search_generations('{}')`),
    )
      .rejects.toMatchObject({ code: "42501" });
  }
  await expect(
    db.asRole("authenticated", { role: "authenticated" }, (as) => as`select public.search_generations('{}')`),
  ).rejects.toMatchObject({ code: "PT401", hint: "unauthorized" });
});

test("the parameter has no name: the data API would let a named one into a URL, and print it when it is malformed", async () => {
  expect(
    await sql`select proargnames as names, oid::regprocedure::text as signature from pg_proc where proname = 'search_generations'`,
  )
    .toEqual([{ names: null, signature: "search_generations(json)" }]);
});

test("the function is stable: its number and its rows are of one moment", async () => {
  expect(await sql`select provolatile as volatility from pg_proc where proname = 'search_generations'`)
    .toEqual([{ volatility: "s" }]);
});
