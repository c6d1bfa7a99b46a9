// The same table, held against what the real gateway and Realtime do: rows over the Data API, objects over Storage,
// topics over sockets.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SupabaseClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Stack, startStack } from "../../supabase/local/mod.ts";
import { type TemporaryFolder, temporaryFolder } from "../temporary-folder.ts";
import { cellsOf, linesOf, readAllowed } from "./allowed.ts";
import { type Attacker, gatherAttackers } from "./attackers.ts";
import { type ObjectAttempt, objectAttempts } from "./buckets.ts";
import { topics } from "./topics.ts";

const allowed = await readAllowed();
const picture = new Blob([new Uint8Array([0xff, 0xd8, 0xff, 0xd9])], { type: "image/jpeg" });
const refusedBySql = "42501";
const noSuchFunction = "PGRST202";
const notExposed = "PGRST106";

let folder: TemporaryFolder;
let stack: Stack;
let attackers: Attacker[];
let service: SupabaseClient;

beforeAll(async () => {
  folder = await temporaryFolder();
  // The sweep would work on the scene.
  stack = await startStack({ dataDirectory: folder.path, port: 0, cron: false });
  ({ attackers } = await gatherAttackers(stack));
  service = attackers.find(({ name }) => name === "service_role")!.client;
});
afterAll(async () => {
  await stack.stop();
  await folder.remove();
});

/** What each actor gets at each line, beside what the table says. */
async function compare(
  whats: string[],
  ask: (what: string, attacker: Attacker) => Promise<string>,
  expected: (what: string) => string[],
): Promise<void> {
  expect(whats).not.toEqual([]);
  const [found, wanted]: Record<string, string[]>[] = [{}, {}];
  for (const what of whats) {
    wanted![what] = expected(what);
    found![what] = await Promise.all(attackers.map((attacker) => ask(what, attacker)));
  }
  expect(found).toEqual(wanted);
}
const yes = (went: boolean) => went ? "yes" : "–";

test("the Data API lets out the rows that the table names, and changes none", async () => {
  const relations = linesOf(allowed, "Tables and views").filter((line) => line.startsWith("public."));
  await compare(
    relations,
    async (relation, { client, self }) => {
      const from = () => client.from(relation.slice("public.".length));
      const column = cellsOf(allowed, relation)[0]!.split(", ").at(-1)!;
      const writes = await Promise.all([
        from().insert({ [column]: null }),
        from().update({ [column]: null }).not(column, "is", null),
        from().delete().not(column, "is", null),
      ]);
      const done = ["insert", "update", "delete"].filter((_, at) => writes[at]!.error?.code !== refusedBySql);
      const { data, error } = await from().select("*");
      const rows: { user_id?: string }[] = data ?? [];
      const read = error?.code === refusedBySql
        ? []
        : rows.length === 0
        ? ["select nothing"]
        : [rows.every((row) => row.user_id === self.id) ? "select own" : "select more"];
      return [...read, ...done].join("; ") || "–";
    },
    (relation) =>
      cellsOf(allowed, relation).slice(1).map((cell) => cell.replace(/select (all|some)/, "select more")),
  );
});

test("what is closed is closed to the Data API too", async () => {
  const relations = linesOf(allowed, "Tables and views").filter((line) => line.startsWith("genflow."));
  await compare(relations, async (relation, { client }) => {
    const { error } = await client.schema("genflow").from(relation.slice("genflow.".length)).select("*");
    return error?.code ?? "open";
  }, () => attackers.map(() => notExposed));
});

test("config.toml opens no more schemas to a hosted project's Data API", async () => {
  const config = await readFile(join(import.meta.dirname, "../../supabase/config.toml"), "utf8");
  expect(/^schemas = (.*)$/m.exec(config)?.[1]).toBe('["public", "graphql_public"]');
});

test("the Data API runs the functions that the table names", async () => {
  const signatures = linesOf(allowed, "Functions and procedures").filter((line) =>
    line.startsWith("public.")
  );
  await compare(signatures, async (signature, { name, client }) => {
    const [, routine = "", list = ""] = /^public\.(\w+)\((.*)\)$/.exec(signature) ?? [];
    const names = list.split(", ").map((argument) => argument.split(" ")[0]!).filter(Boolean);
    const { error } = await client.rpc(
      routine,
      Object.fromEntries(names.map((argument) => [argument, null])),
    );
    if (error?.code === noSuchFunction) throw new Error(`${signature} was not called: ${error.message}`);
    return error?.code === refusedBySql ? "–" : name;
  }, (signature) => {
    const runs = cellsOf(allowed, signature)[0]!.split(", ");
    return attackers.map(({ name }) => runs.includes(name) ? name : "–");
  });
});

test("Storage gives, takes, changes and removes the objects that the table names", async () => {
  const attempts = objectAttempts(["generation-inputs", "generations"]).filter(({ fitsAddress }) =>
    fitsAddress
  );
  for (const attempt of attempts) {
    const { what } = attempt;
    const found: string[] = [];
    for (const attacker of attackers) {
      const key = attempt.key(attacker);
      if (attempt.verb !== "insert") {
        await service.storage.from(attempt.bucket).upload(key, picture, { upsert: true });
      }
      found.push(yes(await tryObject(attempt, key, attacker)));
    }
    expect.soft([what, ...found]).toEqual([what, ...cellsOf(allowed, what)]);
  }
});

async function tryObject(
  { verb, bucket }: ObjectAttempt,
  key: string,
  { client }: Attacker,
): Promise<boolean> {
  const objects = client.storage.from(bucket);
  switch (verb) {
    case "select":
      return (await objects.download(key)).error === null;
    case "insert":
      return (await objects.upload(key, picture)).error === null;
    case "update":
      return (await objects.update(key, picture)).error === null;
    case "delete":
      return ((await objects.remove([key])).data ?? []).length > 0;
  }
}

test("Realtime lets into and lets speak on the topics that the table names", async () => {
  const attempts = Object.entries(topics).flatMap(([name, topic]) =>
    attackers.map((attacker) => ({ name, attacker, topic: topic(attacker) }))
  );
  // All at once and each on a socket of its own: a refusal takes Realtime five seconds.
  const found = await Promise.all(attempts.map(async ({ name, attacker, topic }) => {
    const client = attacker.again();
    const channel = client.channel(topic, { config: { private: true } });
    const spoke = await channel.httpSend("attack", {}).then(({ success }) => success, () => false);
    const joined = await new Promise<boolean>((resolve) =>
      channel.subscribe((status) => resolve(status === "SUBSCRIBED"))
    );
    await client.removeAllChannels();
    await client.realtime.disconnect();
    return { name, joined: yes(joined), spoke: yes(spoke) };
  }));
  for (const name of Object.keys(topics)) {
    const ofTopic = found.filter((each) => each.name === name);
    for (
      const [what, cells] of [
        [`topic ${name}, broadcast: join`, ofTopic.map(({ joined }) => joined)],
        [`topic ${name}, broadcast: send`, ofTopic.map(({ spoke }) => spoke)],
      ] as const
    ) {
      expect.soft([what, ...cells]).toEqual([what, ...cellsOf(allowed, what)]);
    }
  }
});
