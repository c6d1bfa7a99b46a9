import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";
import { type PartReport, type Report, writeReport } from "./report.ts";
import { renderTable } from "./table.ts";

const part: PartReport = {
  part: "caps",
  seconds: 1.5,
  settings: { claimers: 64 },
  tables: [{ title: "Caps", columns: ["who", "violations"], rows: [["genflow", 0]] }],
  verdicts: [{ promise: "none passes", measured: "0", kept: true, exact: true }],
  samples: [{ heldMax: 2 }],
};

const report: Report = {
  topic: "admission",
  startedAt: "2026-01-02T03:04:05.678Z",
  quick: true,
  environment: {
    cores: 2,
    processor: "one",
    memoryMiB: 1024,
    loadAtStart: 0.5,
    node: "v24.0.0",
    postgres: "17.0",
    peers: {},
    lastMigration: "1_one.sql",
    server: { fsync: "on" },
  },
  parts: [part],
  deadlocks: { genflow: 0 },
};

test("a report is one file of the run's name that holds all it was given, and a later one of the run takes its place", async () => {
  const folder = await temporaryFolder();
  onTestFinished(() => folder.remove());
  const output = join(folder.path, "made", "on", "the", "way");

  const path = await writeReport(output, { ...report, parts: [] });
  expect(await writeReport(output, report)).toBe(path);

  expect(basename(path)).toBe("admission-2026-01-02T03-04-05-678Z.json");
  expect(await readdir(output)).toEqual([basename(path)]);
  const read = JSON.parse(await readFile(path, "utf8")) as Report;
  expect(read).toEqual(report);
  expect(renderTable(read.parts[0]!.tables[0]!)).toBe(
    "Caps\nwho      violations\n-------  ----------\ngenflow           0",
  );
});
