// The stack under test, in a process of its own that can be killed whole. Its parent says where it is and is told how
// to reach it; without its parent it ends.

import * as z from "zod";
import { startStack } from "../../supabase/local/mod.ts";

export const Asked = z.object({
  dataDirectory: z.string(),
  port: z.number(),
  env: z.record(z.string(), z.string()),
  wallClockMs: z.number(),
});
export type Asked = z.infer<typeof Asked>;

export const Told = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("ready"),
    url: z.string(),
    adminUrl: z.string(),
    publishableKey: z.string(),
    secretKey: z.string(),
  }),
  z.object({ kind: z.literal("failed"), message: z.string() }),
  z.object({ kind: z.literal("said"), line: z.string() }),
]);
export type Told = z.infer<typeof Told>;

if (process.send !== undefined) serve(process.send.bind(process));

function serve(send: (message: Told) => unknown): void {
  let stop = () => Promise.resolve();
  const tell = (message: Told) => {
    if (process.connected) send(message);
  };
  const end = async () => {
    await stop();
    process.exit(0);
  };
  const start = async ({ wallClockMs, ...asked }: Asked): Promise<Told> => {
    const stack = await startStack({
      ...asked,
      durable: true,
      workerLimits: { wallClockMs },
      log: (line) => tell({ kind: "said", line }),
    });
    stop = () => stack.stop();
    const { url, adminUrl, publishableKey, secretKey } = stack;
    return { kind: "ready", url, adminUrl, publishableKey, secretKey };
  };
  process.on("message", (message) => {
    start(Asked.parse(message)).then(
      tell,
      (error: unknown) => tell({ kind: "failed", message: String(error) }),
    );
  });
  process.on("disconnect", () => void end());
  process.on("SIGTERM", () => void end());
  // Ctrl-C goes to the whole process group: the parent decides.
  process.on("SIGINT", () => {});
}
