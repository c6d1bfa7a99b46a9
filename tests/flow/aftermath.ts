// What must hold after any flow test, read from the database server's own log and the gateway's once they have stopped.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { request } from "./request.ts";

/** Throws if Postgres met a deadlock or wrote down what a user had written. */
export async function checkAftermath(dataDirectory: string): Promise<void> {
  await checkAccessLog(join(dataDirectory, "gateway.log"));
  const logs = (await readdir(dataDirectory)).filter((name) => /^postgres-\d+\.log$/.test(name));
  if (logs.length === 0) throw new Error("Postgres has left no log");
  for (const name of logs) {
    const log = await readFile(join(dataDirectory, name), "utf8");
    const bad = log.split("\n").filter((line) =>
      /deadlock detected/i.test(line) || line.includes(request.prompt)
    );
    if (bad.length > 0) throw new Error(`The database's log says:\n${bad.slice(0, 5).join("\n")}`);
  }
}

/** Throws if the gateway wrote down a query, where tokens and words stand, or anything else than names and ids. */
async function checkAccessLog(file: string): Promise<void> {
  const lines = (await readFile(file, "utf8")).split("\n").filter(Boolean);
  const bad = lines.filter((line) =>
    !/^\{"at":"[^"]+","kind":"access","method":"[A-Z]+","path":"[\w/*-]+",/.test(line)
  );
  if (bad.length > 0) throw new Error(`The gateway's log says:\n${bad.slice(0, 5).join("\n")}`);
}
