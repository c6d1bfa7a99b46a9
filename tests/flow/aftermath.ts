// What must hold after any flow test, read from the database server's own log once it has stopped.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { request } from "./app.ts";

/** Throws if Postgres met a deadlock or wrote down what a user had written. */
export async function checkAftermath(dataDirectory: string): Promise<void> {
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
