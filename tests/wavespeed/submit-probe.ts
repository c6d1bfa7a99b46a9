// Submits once to each base URL in the arguments, in turn, and prints what it came to; run under Node and under Deno.

import process from "node:process";
import { createWavespeed, type Submission } from "../../shared/wavespeed/mod.ts";

for (const baseUrl of process.argv.slice(2)) {
  const submission = await createWavespeed({ baseUrl, apiKey: "key" }).submit({
    modelId: "wavespeed-ai/flux-dev",
    input: { prompt: "a fox" },
    // Blanks and the runtime's own words, to show that nothing in a URL can pass for an error text.
    webhookUrl: "https://app.example/: client error (Connect): tcp connect error: x",
    deadlineMs: 10_000,
  });
  console.log(describe(submission));
}

function describe(submission: Submission): string {
  switch (submission.kind) {
    case "accepted":
      return "accepted";
    case "rejected":
      return `rejected ${submission.class}`;
    case "unknown":
      return `unknown ${submission.cause}`;
  }
}
