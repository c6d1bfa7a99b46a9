// The stand-in's state: tasks, account, uploads, and the passing of time for each task.

import { randomBytes } from "node:crypto";
import type { FakeModel, ResolvedInput } from "./catalogue.ts";
import { deliver } from "./callback.ts";
import { defaultSettings, type Settings, strikes } from "./control.ts";
import { complete, createTask, fail, isOpen, predictionOf, type Task } from "./task.ts";
import type { Log } from "../log.ts";

export interface Upload {
  bytes: Uint8Array;
  contentType: string;
}

const startBalanceUsd = 100;
/** Finished tasks and uploads are forgotten, oldest first, so that a long day does not fill the memory. */
const maxKept = 500;

export class World {
  readonly settings: Settings;
  readonly tasks = new Map<string, Task>();
  readonly uploads = new Map<string, Upload | null>();
  readonly apiKey: string;
  readonly webhookSecret: string;
  balanceUsd = startBalanceUsd;
  /** Set once the server listens. */
  origin = "";
  readonly #initial: Settings;
  readonly #stopping = new AbortController();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #busy = new Set<Promise<void>>();
  readonly #log: Log;
  #released = Promise.withResolvers<void>();

  constructor(options: { apiKey: string; webhookSecret: string; settings: Partial<Settings>; log: Log }) {
    this.apiKey = options.apiKey;
    this.webhookSecret = options.webhookSecret;
    this.#initial = { ...defaultSettings, ...options.settings };
    this.settings = structuredClone(this.#initial);
    this.#log = options.log;
  }

  change(settings: Partial<Settings>): void {
    Object.assign(this.settings, settings);
    if (!this.settings.holdSubmitAnswers) {
      this.#released.resolve();
      this.#released = Promise.withResolvers<void>();
    }
    this.#schedule();
  }

  reset(): void {
    this.tasks.clear();
    this.uploads.clear();
    this.balanceUsd = startBalanceUsd;
    this.change(structuredClone(this.#initial));
  }

  /** Resolves when answers to submits are not held (any more). */
  async answersFlow(): Promise<void> {
    while (this.settings.holdSubmitAnswers && !this.#stopping.signal.aborted) await this.#released.promise;
  }

  openTasks(): Task[] {
    return [...this.tasks.values()].filter(isOpen);
  }

  accept(model: FakeModel, input: ResolvedInput, webhookUrl: string | null): Task {
    const task = createTask(model, input, webhookUrl, Date.now());
    this.tasks.set(task.id, task);
    this.balanceUsd -= model.priceUsd;
    forgetOldest(this.tasks, (kept) => !isOpen(kept));
    this.#schedule();
    return task;
  }

  addUpload(upload: Upload | null): string {
    const name = randomBytes(16).toString("hex");
    this.uploads.set(name, upload);
    forgetOldest(this.uploads, () => true);
    return name;
  }

  /** The old endpoint is documented for running tasks too, with a warning that a stop may not be immediate. */
  delete(task: Task): void {
    if (!isOpen(task)) this.tasks.delete(task.id);
    task.status = "deleted";
    task.endedAtMs ??= Date.now();
    this.#schedule();
  }

  prediction(task: Task): Record<string, unknown> {
    return predictionOf(task, this.origin, this.settings);
  }

  /** Sends the callback of an ended task again; false for a task that had none. */
  redeliver(task: Task): boolean {
    if (task.webhookUrl === null || (task.status !== "completed" && task.status !== "failed")) return false;
    this.#track(this.#callBack(task));
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#released.resolve();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await Promise.allSettled(this.#busy);
  }

  /** Starts waiting tasks while there is room, and gives every started task its end under the latency in force. */
  #schedule(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (this.#stopping.signal.aborted) return;
    const open = this.openTasks();
    for (const task of open.slice(0, this.settings.concurrency)) {
      const leftMs = Math.max(0, task.createdAtMs + this.settings.latencyMs - Date.now());
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#track(this.#end(task));
      }, leftMs);
      this.#timers.add(timer);
      if (task.status === "created") task.status = "processing";
    }
  }

  readonly #ending = new Set<Task>();

  async #end(task: Task): Promise<void> {
    if (!isOpen(task) || this.#ending.has(task)) return;
    this.#ending.add(task);
    const { failure } = this.settings;
    if (strikes(this.settings, "failTasks")) fail(task, failure.code, failure.message);
    else {
      await complete(task, this.settings, this.#stopping.signal).catch((error: unknown) => {
        this.#log(
          `fake provider: a picture could not be drawn: ${error instanceof Error ? error.message : error}`,
        );
        if (isOpen(task)) fail(task, 5000, "Internal error.");
      });
    }
    this.#ending.delete(task);
    // Deleted, or forgotten by a reset, while its pictures were drawn.
    if (task.endedAtMs !== null || this.tasks.get(task.id) !== task) return;
    task.endedAtMs = Date.now();
    // Failed requests are refunded.
    if (task.status === "failed") this.balanceUsd += task.model.priceUsd;
    this.#schedule();
    await this.#callBack(task);
  }

  async #callBack(task: Task): Promise<void> {
    if (task.webhookUrl === null || this.#stopping.signal.aborted) return;
    if (strikes(this.settings, "dropCallbacks")) {
      task.callbacks.dropped++;
      return;
    }
    task.callbacks.sent++;
    const isBad = strikes(this.settings, "badSignatures");
    await deliver({
      url: task.webhookUrl,
      id: task.id,
      body: JSON.stringify(this.prediction(task)),
      secret: isBad ? `${this.webhookSecret}x` : this.webhookSecret,
      signal: this.#stopping.signal,
    });
  }

  #track(work: Promise<void>): void {
    this.#busy.add(work);
    void work.finally(() => this.#busy.delete(work));
  }
}

function forgetOldest<Value>(kept: Map<string, Value>, may: (value: Value) => boolean): void {
  for (const [id, value] of kept) {
    if (kept.size <= maxKept) return;
    if (may(value)) kept.delete(id);
  }
}
