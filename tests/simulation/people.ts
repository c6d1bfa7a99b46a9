// The users: they tap, tap again, lose the answer, change their mind, try again and throw away. What they are told is
// compared with what they were told before.

import { cancel, dispatch, type Start, start } from "../../shared/backend/mod.ts";
import type { StartRequest } from "../../shared/contract/mod.ts";
import type { SimulatedDatabase } from "./database.ts";
import type { Invocation } from "./invocation.ts";
import { pictureOf } from "./picture.ts";
import { backendOf, rpcOf, type World } from "./ports.ts";

export interface People {
  /** Everybody has an account, before anything else. */
  signUp(): Promise<void>;
  /** Everybody does all that he came for. */
  live(): Promise<void>;
  readonly users: readonly string[];
  /** Jobs that were accepted, as their owners know them. */
  readonly accepted: Map<string, string>;
  readonly granted: { credits: number };
}

export interface PeopleOptions {
  world: World;
  database: SimulatedDatabase;
  users: number;
  taps: number;
  /** The time in which they come. */
  seconds: number;
  /** Users who were deleted: the app of such a one is signed out sooner or later. */
  erased: ReadonlySet<string>;
  violated: (promise: number, what: string) => void;
}

const minJobs = 20;
const appPatienceSeconds = 20;
const models = [
  { modelId: "flux-schnell", images: 4, ratios: ["1:1", "16:9"], inputs: false },
  { modelId: "flux-dev", images: 2, ratios: ["1:1", "3:4"], inputs: false },
  { modelId: "z-image-turbo", images: 1, ratios: ["1:1"], inputs: false },
  { modelId: "seedream-v4", images: 1, ratios: ["16:9"], inputs: false },
  { modelId: "qwen-image-edit", images: 1, ratios: ["1:1"], inputs: true },
] as const;
/** Must not be found in any line of the log. */
export const promptMark = "wombat";

interface Tap {
  userId: string;
  key: string;
  request: StartRequest;
}

export function createPeople(options: PeopleOptions): People {
  const { world, database, violated } = options;
  const { time, random, faults, machine } = world;
  const users = Array.from({ length: options.users }, () => random.uuid());
  const accepted = new Map<string, string>();
  const jobOfKey = new Map<string, string>();
  const granted = { credits: 0 };
  const pause = (seconds: number) => new Promise<void>((resolve) => void time.after(seconds * 1000, resolve));

  /** Null: no answer came. */
  function askToStart(tap: Tap): Promise<Start | null> {
    return new Promise((resolve) => {
      const hears = !faults.strikes("app: answer lost");
      const giveUp = time.after(appPatienceSeconds * 1000, () => resolve(null));
      void machine.run("start-generation", async (invocation) => {
        const backend = backendOf(world, invocation, "start-generation");
        const { log, ...asked } = { log: backend.log, ...tap };
        const answer = await log.step("follow_up", {}, (line) =>
          start(backend, {
            userId: asked.userId,
            idempotencyKey: asked.key,
            request: asked.request,
            traceId: random.hex(32),
          }, line));
        time.after(random.between(20, 200), () => {
          if (invocation.dead) return;
          if (!hears) return faults.seen("app: answer lost");
          time.cancel(giveUp);
          resolve(answer);
        });
        if (answer.kind !== "refused") await dispatch(backend);
      });
    });
  }

  function compare(tap: Tap, answer: Start | null): void {
    if (answer === null || answer.kind === "refused") {
      if (answer?.kind === "refused" && answer.refusal.error.code !== "insufficient_credits") {
        faults.seen("app: cap hit");
      }
      return;
    }
    const { job } = answer.answer;
    const known = jobOfKey.get(tap.key);
    if (known !== undefined && known !== job.id) {
      violated(1, `key ${tap.key} has the jobs ${known} and ${job.id}`);
    }
    jobOfKey.set(tap.key, job.id);
    accepted.set(job.id, tap.userId);
  }

  async function tapUntilAnswered(tap: Tap): Promise<Start | null> {
    for (let tries = 0; tries < 5; tries++) {
      const isDouble = faults.strikes("app: double tap");
      const asked = [
        askToStart(tap),
        ...(isDouble ? [pause(random.between(0, 1)).then(() => askToStart(tap))] : []),
      ];
      const answers = await Promise.all(asked);
      for (const answer of answers) compare(tap, answer);
      if (isDouble && answers.every((answer) => answer !== null)) faults.seen("app: double tap");
      const told = answers.find((answer) => answer !== null) ?? null;
      if (told !== null) return told;
      await pause(random.between(1, 10));
    }
    return null;
  }

  /** An upload of the user's own, as the app makes it before it starts. */
  async function upload(userId: string): Promise<string> {
    const path = `${userId}/${random.uuid()}.png`;
    await time.during(
      world.storage.put("generation-inputs", path, pictureOf(path, 0), { fault: null, seconds: 0 }),
    );
    if (faults.strikes("app: reference image removed")) {
      time.after(random.between(0, 20) * 1000, () => {
        faults.seen("app: reference image removed");
        return world.storage.remove("generation-inputs", [path]);
      });
    }
    return path;
  }

  async function requestOf(userId: string): Promise<StartRequest> {
    const model = random.pick(models);
    const { inputs } = model;
    return {
      ...(inputs ? { inputPaths: [await upload(userId)] } : {}),
      modelId: model.modelId,
      prompt: `a ${promptMark} ${random.hex(8)}`,
      aspectRatio: random.pick(model.ratios),
      numImages: random.integer(1, random.pick([1, model.images])),
      ...(random.chance(0.2) ? { seed: random.integer(1, 1000) } : {}),
    };
  }

  async function askToCancel(userId: string, jobId: string): Promise<void> {
    await machine.run("cancel", async (invocation) => {
      const backend = backendOf(world, invocation, "cancel");
      await backend.log.step("follow_up", {}, (line) => cancel(backend, userId, jobId, line));
      await dispatch(backend);
    });
  }

  async function stateOf(jobId: string): Promise<{ status: string; images: string[] }> {
    const [row] = await database.sql<{ status: string; images: string[] }[]>`
      select status, array(select id from public.generation_images where job_id = j.id and deleted_at is null order by index) as images
      from public.generation_jobs j where id = ${jobId}`;
    return row ?? { status: "gone", images: [] };
  }

  /** What becomes of one wish: the tap, and what its owner does about it later. */
  async function wish(userId: string, request: StartRequest): Promise<void> {
    const answer = await tapUntilAnswered({ userId, key: random.uuid(), request });
    if (answer === null || answer.kind === "refused") return;
    const jobId = answer.answer.job.id;
    if (faults.strikes("app: cancel")) {
      await pause(random.pick([random.between(0, 3), random.between(1, 30), random.between(10, 300)]));
      faults.seen("app: cancel");
      await askToCancel(userId, jobId);
    }
    await pause(random.between(30, 400));
    const { status, images } = await time.during(stateOf(jobId));
    if (status === "completed" && images.length > 0 && faults.strikes("app: delete")) {
      faults.seen("app: delete");
      await app("app", async (invocation) => {
        await machine.ask(invocation, {
          there: 0.05,
          happen: () => database.asUser(time.now(), userId, "delete_images", { p_image_ids: images }),
          back: 0.05,
        });
      });
    }
    if ((status === "failed" || status === "canceled") && faults.strikes("app: retry")) {
      faults.seen("app: retry");
      await tapUntilAnswered({ userId, key: random.uuid(), request: { retryOf: jobId } });
    }
  }

  function app(name: string, work: (invocation: Invocation) => Promise<void>) {
    return machine.run(name, work, { isApp: true });
  }

  async function arrive(userId: string, reference: string): Promise<void> {
    const credits = random.pick([3, 20, 60, 200]);
    granted.credits += credits;
    const grant = () =>
      app("payment", async (invocation) => {
        await rpcOf(world, invocation)("grant_credits", {
          p_user_id: userId,
          p_credits: credits,
          p_reference: reference,
        });
      });
    // The payment's webhook comes as often as it takes.
    while (!options.erased.has(userId) && await grant() !== "done") await pause(5);
    await grant();
  }

  return {
    users,
    accepted,
    granted,
    async signUp() {
      for (const userId of users) await database.addUser(time.now(), userId);
    },
    async live() {
      const taps = Array.from({ length: options.taps }, (_, at) => users[at % users.length]!);
      await Promise.all(users.map((userId) => arrive(userId, "welcome")));
      await Promise.all(taps.map(async (userId) => {
        await pause(random.between(0, options.seconds));
        await wish(userId, await requestOf(userId));
      }));
      // Credits ran out, or caps were hit too often: somebody pays for more.
      while (accepted.size < minJobs) {
        await pause(random.between(30, 120));
        const userId = random.pick(users.filter((each) => !options.erased.has(each)));
        await arrive(userId, `more ${accepted.size} ${time.now()}`);
        await wish(userId, await requestOf(userId));
      }
    },
  };
}
