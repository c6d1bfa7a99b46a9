// What `npm run bench` was asked for.

import { parseArgs } from "node:util";

export const usage = `npm run bench [-- <topic>] [-- --only <part>] [--quick]

  <topic>        admission (the default), persist, profile
  --only <part>  one part alone; may be given several times
  --quick        small sizes and short times: to see that it works`;

export interface Request {
  topic: string;
  /** In the topic's own order; all of them if none was named. */
  parts: string[];
  quick: boolean;
}

/** Throws what to print if a topic or a part is not known. */
export function readArguments(
  args: readonly string[],
  topics: Readonly<Record<string, readonly string[]>>,
): Request {
  const { values, positionals } = parseArgs({
    args: args.filter((each) => each !== "--"),
    allowPositionals: true,
    options: {
      only: { type: "string", multiple: true, default: [] },
      quick: { type: "boolean", default: false },
    },
  });
  const [topic = "admission", ...more] = positionals;
  const parts = topics[topic];
  if (parts === undefined || more.length > 0) {
    throw new Error(`Unknown topic: ${[parts ? [] : [topic], more].flat().join(" ")}\n\n${usage}`);
  }
  const unknown = values.only.filter((name) => !parts.includes(name));
  if (unknown.length > 0) {
    throw new Error(`Unknown part: ${unknown.join(", ")}; ${topic} has ${parts.join(", ")}`);
  }
  return {
    topic,
    parts: values.only.length === 0 ? [...parts] : parts.filter((name) => values.only.includes(name)),
    quick: values.quick,
  };
}
