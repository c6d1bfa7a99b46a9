// `npm run generate`: the main job in a terminal, done as an app would do it.

import { join } from "node:path";
import { type GenerationJob, hasEnded, type StartRequest } from "../../../shared/contract/mod.ts";
import { projectDirectory, readEnvironment, runningStack, type StackInfo, startStack } from "../mod.ts";
import { type GenerateArguments, readArguments, usage, UsageError } from "./arguments.ts";
import {
  balanceOf,
  cancelGeneration,
  expectedSecondsOf,
  ProblemError,
  queueOf,
  startGeneration,
} from "./calls.ts";
import { humanReport, jsonReport, type Report } from "./report.ts";
import { saveImage } from "./save.ts";
import { demoSession, type Session } from "./session.ts";
import { type Watch, watchChanges } from "./watch.ts";

const exitCodes = { done: 0, failed: 1, badInput: 2, interrupted: 130 } as const;
const queuePollMs = 2000;
/** A terminal sends Ctrl-C to npm and to us, and npm passes its own on: one key press, two signals. */
const sameKeyPressMs = 1000;
const outputDirectory = join(process.cwd(), "output");

async function main(): Promise<number> {
  const asked = readArguments(process.argv.slice(2));
  if (asked === null) {
    console.log(usage);
    return exitCodes.done;
  }
  const report = asked.json
    ? jsonReport((text) => void process.stdout.write(text))
    : humanReport(process.stdout);
  const interrupted = interruption();
  const dataDirectory = asked.dataDirectory ?? join(projectDirectory, "supabase/.local");
  const { stack, stop } = await useStack(dataDirectory, report);
  try {
    const session = await demoSession(stack, dataDirectory);
    const watch = await watchChanges(session);
    try {
      return await generate(asked, session, watch, report, interrupted);
    } finally {
      await watch.close();
    }
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    report.refused(error.problem);
    return error.problem.status === 400 ? exitCodes.badInput : exitCodes.failed;
  } finally {
    report.close();
    await stop();
  }
}

async function useStack(
  dataDirectory: string,
  report: Report,
): Promise<{ stack: StackInfo; stop: () => Promise<void> }> {
  const running = await runningStack(dataDirectory);
  if (running) return { stack: running, stop: () => Promise.resolve() };
  report.note("Starting a stack of its own …");
  const stack = await startStack({ dataDirectory, port: 0, env: readEnvironment(projectDirectory) });
  return { stack, stop: () => stack.stop() };
}

async function generate(
  asked: GenerateArguments,
  session: Session,
  watch: Watch,
  report: Report,
  interrupted: Promise<"interrupted">,
): Promise<number> {
  const { client } = session;
  const { prompt, modelId, aspectRatio, numImages, seed } = asked;
  const request: StartRequest = {
    prompt,
    modelId,
    aspectRatio,
    numImages,
    ...(seed === undefined ? {} : { seed }),
  };
  const expectedSeconds = await expectedSecondsOf(client, asked.modelId);
  if (await Promise.race([interrupted, null]) !== null) return exitCodes.interrupted;
  const { job, queue } = await startGeneration(client, crypto.randomUUID(), request);
  report.queued(job, queue);
  const queueing = showQueue(session, job.id, report);
  const ending = follow(watch, job, (state) => {
    if (state.status !== "queued") queueing.stop();
    report.state(state, expectedSeconds);
  });
  try {
    const first = await Promise.race([ending, interrupted]);
    if (first === "interrupted") return await cancelAndSay(session, job.id, report);
    const balance = await balanceOf(client);
    if (first.status !== "completed") {
      report.ended(first, balance);
      return exitCodes.failed;
    }
    const images = await watch.images(job.id);
    const saved = await Promise.all(images.map((image) => saveImage(client, image, outputDirectory)));
    report.completed(first, saved, balance);
    return exitCodes.done;
  } finally {
    queueing.stop();
  }
}

async function follow(
  watch: Watch,
  started: GenerationJob,
  show: (job: GenerationJob) => void,
): Promise<GenerationJob> {
  let last = started;
  for await (const job of watch.states(started)) {
    last = job;
    if (!hasEnded(job)) show(job);
  }
  return last;
}

async function cancelAndSay({ client }: Session, jobId: string, report: Report): Promise<number> {
  report.canceled(await cancelGeneration(client, jobId));
  return exitCodes.interrupted;
}

/** Nobody is told when others move, so the place in the queue is asked for. */
function showQueue({ client }: Session, jobId: string, report: Report): { stop: () => void } {
  let stopped = false;
  const timer = setInterval(async () => {
    const queue = await queueOf(client, jobId).catch(() => null); // only for show: the job goes on without it
    if (!stopped && queue !== null && queue.position > 0) {
      report.note(
        `  queued       ${queue.position}${queue.exact ? "" : "+"} ahead, about ${queue.etaSeconds} s`,
      );
    }
  }, queuePollMs);
  return {
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

/** Resolves at the first Ctrl-C; a later second one ends at once, and the job goes on without us. */
function interruption(): Promise<"interrupted"> {
  const { promise, resolve } = Promise.withResolvers<"interrupted">();
  let firstAtMs: number | null = null;
  const onSignal = () => {
    if (firstAtMs !== null && performance.now() - firstAtMs > sameKeyPressMs) {
      process.exit(exitCodes.interrupted);
    }
    firstAtMs ??= performance.now();
    resolve("interrupted");
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return promise;
}

try {
  // The clients' sockets may linger; everything that matters has been awaited.
  process.exit(await main());
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(error instanceof UsageError ? exitCodes.badInput : exitCodes.failed);
}
