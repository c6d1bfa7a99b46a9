// The settings as the table in supabase/local/README.md: `node supabase/local/fake-wavespeed/table.ts` prints it.

import process from "node:process";
import { rowOf } from "./setting.ts";
import { sections } from "./settings.ts";

export function writeTable(): string {
  const rows = Object.entries(sections).flatMap(([title, section]) => [
    [`**${title}**`, "", "", ""],
    ...Object.entries(section).map(([name, schema]) => {
      const { values, what, doubt } = rowOf(schema);
      return [`\`${name}\``, values, what, doubt];
    }),
  ]);
  const head = ["setting", "values, **default**", "what", "sources differ"];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

if (process.argv[1] === import.meta.filename) process.stdout.write(writeTable());
