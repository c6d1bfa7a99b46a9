// Which project `npm run test:hosted` talks to: its address from the command line, its keys from the environment.

import { parseArgs } from "node:util";

export const usage = `Usage: npm run test:hosted -- --url <project url>

  --url <url>   https://<project ref>.supabase.co, or http://127.0.0.1:54321 of a stack on this machine
  --help        this text

  GENFLOW_PUBLISHABLE_KEY   the project's publishable key (sb_publishable_…)
  GENFLOW_SECRET_KEY        the project's secret key (sb_secret_…): makes the test users and removes them again`;

/** What whoever called should mend; exits with 2. */
export class NotBegun extends Error {}

export interface Target {
  url: string;
  publishableKey: string;
  secretKey: string;
}

/** Null: help was asked for. */
export function readTarget(argv: string[], environment: NodeJS.ProcessEnv): Target | null {
  let values;
  try {
    const options = { url: { type: "string" }, help: { type: "boolean", short: "h" } } as const;
    values = parseArgs({ args: argv, options }).values;
  } catch (error) {
    throw new NotBegun(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
  if (values.help) return null;
  if (!values.url) throw new NotBegun(`--url is missing.\n\n${usage}`);
  return {
    url: readUrl(values.url),
    publishableKey: readKey(environment, "GENFLOW_PUBLISHABLE_KEY", "sb_publishable_"),
    secretKey: readKey(environment, "GENFLOW_SECRET_KEY", "sb_secret_"),
  };
}

function readUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) throw new NotBegun("--url is not an http or https address.");
  if (url.username || url.password || url.search || url.hash || url.pathname !== "/") {
    throw new NotBegun("--url is the project's address alone: no path, no key, nothing behind it.");
  }
  const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url.protocol === "http:" && !isHere) {
    throw new NotBegun("--url must be https: the secret key would travel readable to another machine.");
  }
  return url.origin;
}

/** Keys of the older kind are JWTs and say nothing by their looks; a swapped new one is named. */
function readKey(environment: NodeJS.ProcessEnv, name: string, prefix: string): string {
  const key = environment[name]?.trim();
  if (!key) {
    throw new NotBegun(`${name} is not set. Keys come from the environment, not from the command line.`);
  }
  if (key.startsWith("sb_") && !key.startsWith(prefix)) {
    throw new NotBegun(`${name} begins with another prefix than ${prefix}: is it the other key?`);
  }
  return key;
}
