// `npm start`: the stack in the foreground, until Ctrl-C. `-- --port N --data DIR` for another port or another data folder.

import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { projectDirectory, readEnvironment, runningStack, type Stack, startStack } from "./mod.ts";

// A terminal sends Ctrl-C to npm and to us, and npm passes its own on: one key press, two signals.
const SAME_KEY_PRESS_MS = 1000;
const FORCED_EXIT_CODE = 130;

const started = performance.now();
const { values } = parseArgs({ options: { port: { type: "string" }, data: { type: "string" } } });
const dataDirectory = resolve(values.data ?? join(projectDirectory, "supabase/.local"));
const say = (line: string) => console.log(line);

const running = await runningStack(dataDirectory);
if (running) {
  say(`Genflow is already running at ${running.url}`);
  process.exit(0);
}

let stack: Stack | null = null;
let firstSignalAt: number | null = null;

async function stopOnSignal(): Promise<void> {
  if (firstSignalAt !== null) {
    if (performance.now() - firstSignalAt > SAME_KEY_PRESS_MS) process.exit(FORCED_EXIT_CODE);
    return;
  }
  firstSignalAt = performance.now();
  say("\nStopping (Ctrl-C again to force) …");
  const toStop = stack ?? await starting.catch(() => null);
  await toStop?.stop();
  process.exit(0);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    stopOnSignal().catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  });
}

const starting = startStack({
  dataDirectory,
  ...(values.port === undefined ? {} : { port: Number(values.port) }),
  env: readEnvironment(projectDirectory),
  log: say,
  reloadFunctions: true,
});
try {
  stack = await starting;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

const seconds = ((performance.now() - started) / 1000).toFixed(1);
say(`
Genflow is running (${seconds} s)

  Playground   ${stack.url}
  API          ${stack.url}
  Publishable  ${stack.publishableKey}
  Secret       ${stack.secretKey}  (servers only)
  Database     ${stack.databaseUrl}
  Provider     ${
  stack.wavespeedUrl ? `stand-in at ${stack.wavespeedUrl}` : "WaveSpeed: real pictures, real money"
}
  Data         ${relative(process.cwd(), dataDirectory)}

  Make a picture   npm run generate -- "a lighthouse in a storm"
  Stop             Ctrl-C
`);
