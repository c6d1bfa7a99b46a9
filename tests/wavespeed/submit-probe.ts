// Submits once to the base URL in the first argument and prints what it came to; run under Node and under Deno.

import process from "node:process";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";

const submission = await createWavespeed({ baseUrl: process.argv[2] ?? "", apiKey: "key" }).submit({
  modelId: "wavespeed-ai/flux-dev",
  input: { prompt: "a fox" },
  // Blanks and the runtime's own words, to show that nothing in a URL can pass for an error text.
  webhookUrl: "https://app.example/: client error (Connect): tcp connect error: x",
  deadlineMs: 10_000,
});
console.log(
  submission.kind === "rejected"
    ? `rejected ${submission.class}`
    : submission.kind === "unknown"
    ? `unknown ${submission.cause}`
    : "accepted",
);
