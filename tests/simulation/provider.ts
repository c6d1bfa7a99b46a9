// The provider, simulated: what it is asked over HTTP, what becomes of its tasks, what it calls back, and what it
// charges for. It knows the truth that the kernel can only infer.

import { signWebhook } from "../../shared/wavespeed/mod.ts";
import type { Fault, Faults } from "./faults.ts";
import { pictureOf } from "./picture.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

export const providerOrigin = "https://provider.example.com";
const outputOrigin = "https://outputs.example.com";
export const webhookSecret = "whsec_simulated";

export type TaskStatus =
  | "created"
  | "processing"
  | "completed"
  | "failed"
  | "cancelled"
  | "timeout"
  | "deleted";

export interface Task {
  id: string;
  model: string;
  input: Record<string, unknown>;
  /** Where it calls back; null for a stranger's. */
  webhook: URL | null;
  /** Whose submit made it; null for a stranger's. */
  attemptId: string | null;
  createdMs: number;
  status: TaskStatus;
  outputs: string[];
  endedMs: number | null;
  /** Its owner's account has been asked for the money. */
  paid: boolean;
  isForgotten: boolean;
  /** Ended because we asked for it. */
  wasTold: boolean;
  errorText: string;
  oddWord: boolean;
}

export interface Answer {
  status: number;
  body: string;
  headers?: Record<string, string>;
  /** The connection breaks after the head. */
  isCut?: boolean;
}

export interface Delivery {
  url: URL;
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
  task: Task;
}

export interface Provider {
  readonly tasks: Map<string, Task>;
  /** Callbacks that are still to come. */
  readonly callbacksUnderWay: number;
  /** What the outside asks. Made at the moment it arrives. */
  answer(method: string, url: URL, body: string): Answer;
  output(url: URL): OutputAnswer;
  /** A task that the provider makes for a submit, in one of its ways. */
  accept(model: string, input: Record<string, unknown>, webhook: URL | null): Task;
  tell(task: Task): Record<string, unknown>;
}

export interface OutputAnswer {
  status: number;
  bytes: Uint8Array<ArrayBuffer>;
  headers: Record<string, string>;
  fault: Fault | null;
}

export interface ProviderOptions {
  time: Time;
  random: Random;
  faults: Faults;
  /** Seconds a task takes, in the middle. */
  medianSeconds: number;
  /** The list tells the inputs, as some of the provider's lists do. */
  echoesInputs: boolean;
  /** False where none of its callbacks reaches us: polls alone find the results. */
  callsBack: boolean;
  deliver: (delivery: Delivery) => void;
  /** A task came to be. */
  made: (task: Task) => void;
}

const frame = (data: unknown): string => JSON.stringify({ code: 200, message: "success", data });

export function createProvider(options: ProviderOptions): Provider {
  const { time, random, faults } = options;
  const tasks = new Map<string, Task>();
  let balanceUsd = random.pick([100, 100, 1.1]);
  let isPaying = false;
  let underWay = 0;

  const told = (task: Task): Record<string, unknown> => ({
    id: task.id,
    model: task.model,
    status: task.oddWord && task.endedMs === null ? "hibernating" : task.status,
    outputs: task.status === "completed" ? task.outputs : [],
    has_nsfw_contents: task.outputs.map(() => false),
    created_at: new Date(task.createdMs).toISOString(),
    error: task.errorText,
    timings: { inference: task.endedMs === null ? 0 : task.endedMs - task.createdMs },
  });

  async function callBack(
    task: Task,
    body: Uint8Array<ArrayBuffer>,
    isForged: boolean,
    seen: Fault[],
  ): Promise<void> {
    underWay--;
    if (task.webhook === null) return;
    for (const fault of seen) faults.seen(fault);
    const signed = await time.during(signWebhook({
      secret: isForged ? "whsec_another" : webhookSecret,
      id: `msg_${task.id}`,
      timestampSeconds: Math.floor(time.now() / 1000),
      body,
    }));
    options.deliver({ url: task.webhook, headers: new Headers({ ...signed }), body, task });
  }

  function announce(task: Task): void {
    if (task.webhook === null) return;
    if (faults.strikes("callback: lost") || !options.callsBack) return faults.seen("callback: lost");
    const body = new TextEncoder().encode(JSON.stringify(told(task)));
    const isLate = faults.strikes("callback: late");
    const isForged = faults.strikes("callback: badly signed");
    // What failed is tried again by us, so that a second delivery speaks of an earlier attempt.
    const isTwice = faults.strikes("callback: twice") || (task.status !== "completed" && random.chance(0.3));
    const plan = (seconds: number, ...seen: Fault[]) => {
      underWay++;
      time.after(
        seconds * 1000,
        () => callBack(task, body, isForged, isForged ? [...seen, "callback: badly signed"] : seen),
      );
    };
    if (isLate) plan(random.between(60, 4000), "callback: late");
    else plan(random.between(0.05, 2));
    if (isTwice) plan(random.between(0.05, 300), "callback: twice");
  }

  function end(task: Task, status: TaskStatus, errorText = ""): void {
    if (task.endedMs !== null) return;
    task.status = status;
    task.endedMs = time.now();
    task.errorText = errorText;
    // A failed task is not charged for; a completed one is, even with nothing in it.
    task.paid = status === "completed";
    if (task.paid) balanceUsd -= 0.01;
    if (balanceUsd < 1 && !isPaying) {
      isPaying = true;
      // Somebody reads the mail and pays.
      time.after(random.between(300, 1500) * 1000, () => void (balanceUsd += 50));
    }
    announce(task);
  }

  function finish(task: Task): void {
    if (task.isForgotten) return;
    const fate = faults.oneOf(
      "provider: failed",
      "provider: cancelled",
      "provider: timeout",
      "provider: deleted",
      "provider: no outputs",
    );
    if (fate !== null) faults.seen(fate);
    if (fate === "provider: failed") {
      return end(task, "failed", random.pick(["out of memory", "flagged by the content policy"]));
    }
    if (fate === "provider: cancelled") return end(task, "cancelled");
    if (fate === "provider: timeout") return end(task, "timeout");
    if (fate === "provider: deleted") return end(task, "deleted");
    const wanted = Number(task.input["num_images"] ?? 1);
    task.outputs = fate === "provider: no outputs"
      ? []
      : Array.from({ length: wanted }, (_, index) => `${outputOrigin}/${task.id}/${index}.png`);
    end(task, "completed");
  }

  function accept(model: string, input: Record<string, unknown>, webhook: URL | null): Task {
    const task: Task = {
      id: random.hex(32),
      model,
      input,
      webhook,
      attemptId: webhook?.searchParams.get("attempt") ?? null,
      createdMs: time.now(),
      status: "created",
      outputs: [],
      endedMs: null,
      paid: false,
      isForgotten: false,
      wasTold: false,
      errorText: "",
      oddWord: faults.strikes("provider: a word never documented"),
    };
    tasks.set(task.id, task);
    const isSlow = faults.strikes("provider: very slow");
    if (isSlow) faults.seen("provider: very slow");
    const seconds = isSlow
      ? random.between(1700, 12_000)
      : task.oddWord
      ? random.between(30, 300)
      : random.around(options.medianSeconds, 0.6);
    if (task.webhook !== null && faults.strikes("callback: reordered")) {
      const early = new TextEncoder().encode(JSON.stringify({ ...told(task), status: "processing" }));
      underWay++;
      time.after((seconds + random.between(1, 20)) * 1000, () => {
        faults.seen("callback: reordered");
        return callBack(task, early, false, []);
      });
    }
    if (faults.strikes("provider: forgets the task")) {
      time.after(random.between(0, seconds) * 1000, () => void (task.isForgotten = true));
    }
    time.after(seconds * 300, () => void (task.status = task.endedMs === null ? "processing" : task.status));
    time.after(seconds * 1000, () => finish(task));
    options.made(task);
    return task;
  }

  function result(id: string): Answer {
    const fault = faults.oneOf("provider: poll fails", "provider: poll limited");
    if (fault !== null) {
      faults.seen(fault);
      return fault === "provider: poll limited"
        ? { status: 429, body: JSON.stringify({ code: 429, message: "too many requests" }) }
        : { status: random.pick([500, 502, 503]), body: "<html>bad gateway</html>" };
    }
    const task = tasks.get(id);
    if (task === undefined || task.isForgotten) {
      if (task?.isForgotten) faults.seen("provider: forgets the task");
      return { status: 404, body: JSON.stringify({ code: 404, message: "not found" }) };
    }
    if (task.oddWord && task.endedMs === null) faults.seen("provider: a word never documented");
    return { status: 200, body: frame(told(task)) };
  }

  function list(body: string): Answer {
    if (faults.strikes("provider: list page fails")) {
      faults.seen("provider: list page fails");
      return { status: 503, body: "" };
    }
    const asked = JSON.parse(body) as Record<string, string | number>;
    const from = Date.parse(String(asked["created_after"]));
    const to = Date.parse(String(asked["created_before"]));
    const found = [...tasks.values()]
      .filter((task) =>
        task.model === asked["model"] && !task.isForgotten && task.createdMs >= from && task.createdMs <= to
      )
      .toSorted((a, b) => b.createdMs - a.createdMs);
    if (found.some((task) => task.attemptId === null)) faults.seen("provider: lists a stranger's prediction");
    const size = Number(asked["page_size"]);
    const first = (Number(asked["page"]) - 1) * size;
    const items = found.slice(first, first + size)
      .map((task) => options.echoesInputs ? { ...told(task), input: task.input } : told(task));
    return { status: 200, body: frame({ items, total: found.length }) };
  }

  function remove(id: string): Answer {
    const task = tasks.get(id);
    if (task === undefined) return { status: 404, body: JSON.stringify({ code: 404, message: "not found" }) };
    if (task.endedMs === null) {
      task.wasTold = true;
      end(task, "deleted");
    }
    return { status: 200, body: frame({ id, status: "deleted" }) };
  }

  return {
    tasks,
    get callbacksUnderWay() {
      return underWay;
    },
    accept,
    tell: told,
    answer(method, url, body) {
      const path = url.pathname.replace("/api/v3/", "");
      const id = /^predictions\/([^/]+)(\/result)?$/.exec(path)?.[1];
      if (method === "GET" && id !== undefined) return result(id);
      if (method === "DELETE" && id !== undefined) return remove(id);
      if (method === "POST" && path === "predictions") return list(body);
      if (method === "GET" && path === "balance") {
        return { status: 200, body: frame({ balance: balanceUsd }) };
      }
      return { status: 404, body: JSON.stringify({ code: 404, message: "no such route" }) };
    },
    output(url) {
      const [, taskId = "", name = ""] = url.pathname.split("/");
      const index = Number.parseInt(name, 10);
      const bytes = pictureOf(taskId, index);
      const headers = { "content-length": String(bytes.byteLength), "content-type": "image/png" };
      const fault = faults.oneOf(
        "output: expired",
        "output: cut",
        "output: too big",
        "output: wrong type",
        "output: 5xx",
        "output: slow",
      );
      if (fault !== null) faults.seen(fault);
      const answer: OutputAnswer = { status: 200, bytes, headers, fault };
      if (fault === "output: expired") answer.status = 403;
      if (fault === "output: 5xx") answer.status = 503;
      if (fault === "output: cut") answer.bytes = bytes.slice(0, random.integer(0, bytes.byteLength - 1));
      if (fault === "output: too big") answer.headers = { ...headers, "content-length": String(2 ** 30) };
      if (fault === "output: wrong type") {
        answer.bytes = new TextEncoder().encode("<html>an error page that pretends to be a picture</html>");
        answer.headers = { "content-type": "text/html" };
      }
      return answer;
    },
  };
}
