import { expect, test } from "vitest";
import { readArguments } from "./arguments.ts";

const topics = { admission: ["lifecycle", "caps", "feed"], other: ["one"] };

test("without arguments all of admission is measured", () => {
  expect(readArguments([], topics)).toEqual({
    topic: "admission",
    parts: ["lifecycle", "caps", "feed"],
    quick: false,
  });
});

test("parts are measured in the topic's order, each once, however npm passes the dashes on", () => {
  const asked = [
    "--",
    "admission",
    "--",
    "--only",
    "feed",
    "--only",
    "lifecycle",
    "--only",
    "feed",
    "--quick",
  ];
  expect(readArguments(asked, topics)).toEqual({
    topic: "admission",
    parts: ["lifecycle", "feed"],
    quick: true,
  });
});

test.each([
  [["nothing"], "Unknown topic: nothing"],
  [["admission", "again"], "Unknown topic: again"],
  [["--only", "fairness"], "Unknown part: fairness; admission has lifecycle, caps, feed"],
  [["--onyl", "feed"], "--onyl"],
])("%j is refused, and what there is is named", (args, message) => {
  expect(() => readArguments(args, topics)).toThrow(message);
});
