// A table as plain text: what a terminal, a log and an issue show alike.

export interface Table {
  title: string;
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
  /** What has to be known to read the figures. */
  notes?: readonly string[];
}

/** A number says its digits: 3 significant below 100, none after the point above. null: not measured. */
export type Cell = string | number | null;

export function renderTable({ title, columns, rows, notes = [] }: Table): string {
  for (const row of rows) {
    if (row.length !== columns.length) {
      throw new Error(`${title}: a row of ${row.length} cells under ${columns.length} columns`);
    }
  }
  const texts = [columns, ...rows.map((row) => row.map(renderCell))];
  const widths = columns.map((_, at) => Math.max(...texts.map((row) => row[at]!.length)));
  const isNumeric = columns.map((_, at) =>
    rows.length > 0 && rows.every((row) => typeof row[at] !== "string") &&
    rows.some((row) => row[at] !== null)
  );
  const line = (row: readonly string[]) =>
    row.map((text, at) => isNumeric[at] ? text.padStart(widths[at]!) : text.padEnd(widths[at]!))
      .join("  ").trimEnd();
  const [head, ...body] = texts.map(line);
  return [title, head, widths.map((width) => "-".repeat(width)).join("  "), ...body, ...notes.map(wrapNote)]
    .join("\n");
}

export function renderCell(cell: Cell): string {
  if (cell === null) return "-";
  if (typeof cell === "string") return cell;
  if (!Number.isFinite(cell)) return String(cell);
  if (Number.isInteger(cell) || Math.abs(cell) >= 100) return Math.round(cell).toLocaleString("en-US");
  return String(Number(cell.toPrecision(3)));
}

const noteWidth = 108;

function wrapNote(note: string): string {
  const lines: string[] = [];
  for (const word of note.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= noteWidth) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(`  ${word}`);
  }
  return lines.join("\n");
}
