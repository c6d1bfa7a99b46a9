// Values that must not be in any log, and the search for them in every form in which a log could hold them.

export interface Canary {
  name: string;
  /** Found if any of these is. Each is unlikely to occur by itself. */
  texts: string[];
}

export interface LogFile {
  name: string;
  text: string;
}

/** Where a text stands in `files`: "<file>: <form>: <line>" for each line that has it. */
export function search(files: readonly LogFile[], { texts }: Canary): string[] {
  const hits: string[] = [];
  for (const text of texts) {
    if (text.length < 6) throw new Error(`"${text}" is too short to be looked for`);
    for (const [form, needle] of formsOf(text)) {
      for (const file of files) {
        const lines = file.text.split("\n").filter((one) =>
          form.startsWith("base64") ? one.includes(needle) : one.toLowerCase().includes(needle.toLowerCase())
        );
        hits.push(...lines.map((line) => `${file.name}: ${form}: ${line.slice(0, 300)}`));
      }
    }
  }
  return hits;
}

/** The text as it is, as URLs, JSON and SQL escape it, and inside of base64 or hex, wherever it begins there. */
export function formsOf(text: string): [form: string, needle: string][] {
  const bytes = Buffer.from(text, "utf8");
  const json = JSON.stringify(text).slice(1, -1);
  const forms: [string, string][] = [
    ["plain", text],
    ["URL", encodeURIComponent(text)],
    ["form", new URLSearchParams({ t: text }).toString().slice(2)],
    ["JSON", json],
    ["JSON in JSON", JSON.stringify(json).slice(1, -1)],
    ["JSON, ASCII only", json.replace(/[^\x20-\x7e]/g, escaped)],
    ["latin1", bytes.toString("latin1")],
    [
      "octal",
      [...bytes].map((byte) => byte < 128 ? String.fromCharCode(byte) : `\\${byte.toString(8)}`).join(""),
    ],
    ["hex", bytes.toString("hex")],
  ];
  for (const encoding of ["base64", "base64url"] as const) {
    // Three ways to lie in base64's groups of three bytes; the letters that its neighbours share are cut off.
    for (const before of [0, 1, 2]) {
      const coded = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding).replace(/=+$/, "");
      const needle = coded.slice(
        Math.ceil(before * 8 / 6),
        (before + bytes.length) % 3 === 0 ? undefined : -1,
      );
      forms.push([`${encoding} +${before}`, needle]);
    }
  }
  return forms.filter(([, needle], index) => forms.findIndex(([, other]) => other === needle) === index);
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
