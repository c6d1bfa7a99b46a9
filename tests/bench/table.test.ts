import { expect, test } from "vitest";
import { renderCell, renderTable } from "./table.ts";

test("columns of numbers stand to the right, others to the left", () => {
  const text = renderTable({
    title: "Jobs a second",
    columns: ["who", "jobs/s", "of floor"],
    rows: [["floor", 1234.4, "1.00"], ["us", 7, "0.01"], ["nobody", null, "-"]],
  });
  expect(text.split("\n")).toEqual([
    "Jobs a second",
    "who     jobs/s  of floor",
    "------  ------  --------",
    "floor    1,234  1.00",
    "us           7  0.01",
    "nobody       -  -",
  ]);
});

test("a row that does not fit its columns is refused", () => {
  expect(() => renderTable({ title: "T", columns: ["a", "b"], rows: [["only one"]] })).toThrow(
    "1 cells under 2 columns",
  );
});

test.each([
  [0.123456, "0.123"],
  [12.3456, "12.3"],
  [123.6, "124"],
  [1_000_000, "1,000,000"],
  [0, "0"],
  [null, "-"],
  [Infinity, "Infinity"],
  ["> 8000", "> 8000"],
])("the cell %s reads %s", (cell, text) => {
  expect(renderCell(cell)).toBe(text);
});

test("a long note is broken into lines, and no word of it is lost", () => {
  const note = Array.from({ length: 60 }, (_, at) => `word${at}`).join(" ");
  const lines = renderTable({ title: "T", columns: ["a"], rows: [], notes: [note] }).split("\n").slice(3);
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.every((line) => line.startsWith("  ") && line.length <= 110)).toBe(true);
  expect(lines.map((line) => line.trim()).join(" ")).toBe(note);
});
