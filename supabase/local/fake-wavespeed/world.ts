// The stand-in's state: tasks, account, uploads, and the passing of time for each task.

import { randomBytes } from "node:crypto";
import type { Log } from "../log.ts";
import { Account } from "./account.ts";
import { bringToEnd } from "./bring-to-end.ts";
import { Callbacks } from "./callbacks.ts";
import { type FakeModel, priceOf } from "./catalogue.ts";
import { Clock } from "./clock.ts";
import type { ResolvedInput } from "./input.ts";
import { MinuteWindow } from "./minute-window.ts";
import { predictionOf } from "./prediction.ts";
import { defaultSettings, retentionMs, type Settings } from "./settings.ts";
import { createTask, isOpen, type Task } from "./task.ts";
import { Uploads } from "./uploads.ts";

/** Finished tasks are forgotten, oldest first, so that a long day does not fill the memory. */
const maxKeptTasks = 500;

export interface WorldOptions {
  apiKey: string;
  webhookSecret: string;
  settings: Partial<Settings>;
  log: Log;
}

export class World {
  readonly settings: Settings;
  readonly clock = new Clock();
  readonly account = new Account();
  readonly uploads = new Uploads();
  readonly images = new MinuteWindow();
  readonly tasks = new Map<string, Task>();
  readonly apiKey: string;
  webhookSecret: string;
  /** Set once the server listens. */
  origin = "";
  readonly #firstSecret: string;
  readonly #initial: Settings;
  readonly #stopping = new AbortController();
  readonly #callbacks: Callbacks;
  readonly #alarms = new Set<() => void>();
  readonly #ending = new Set<Task>();
  readonly #busy = new Set<Promise<void>>();
  readonly #log: Log;
  #released = Promise.withResolvers<void>();

  constructor(options: WorldOptions) {
    this.apiKey = options.apiKey;
    this.webhookSecret = this.#firstSecret = options.webhookSecret;
    this.#initial = { ...defaultSettings, ...options.settings };
    this.settings = structuredClone(this.#initial);
    this.#log = options.log;
    this.#callbacks = new Callbacks({
      settings: this.settings,
      clock: this.clock,
      secret: () => this.webhookSecret,
      bodyOf: (task) => this.tasks.get(task.id) === task ? JSON.stringify(this.prediction(task)) : null,
      signal: this.#stopping.signal,
    });
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
    for (const task of this.tasks.values()) task.ended.resolve();
    this.tasks.clear();
    this.uploads.clear();
    this.images.clear();
    this.account.reset();
    this.clock.reset();
    this.webhookSecret = this.#firstSecret;
    this.change(structuredClone(this.#initial));
  }

  /** A new secret signs from now on. */
  rotateSecret(): void {
    this.webhookSecret = `whsec_${randomBytes(24).toString("base64url")}`;
  }

  /** Resolves when answers to submits are not held (any more). */
  async answersFlow(): Promise<void> {
    while (this.settings.holdSubmitAnswers && !this.#stopping.signal.aborted) await this.#released.promise;
  }

  /** Whether the task ended within `ms`. */
  async endsWithin(task: Task, ms: number): Promise<boolean> {
    const enough = new AbortController();
    const signal = AbortSignal.any([enough.signal, this.#stopping.signal]);
    await Promise.race([task.ended.promise, this.clock.sleep(ms, signal)]);
    enough.abort();
    return !isOpen(task);
  }

  /** Resolves after `ms`, or when the stand-in stops. */
  sleep(ms: number): Promise<void> {
    return this.clock.sleep(ms, this.#stopping.signal);
  }

  openTasks(): Task[] {
    return [...this.tasks.values()].filter(isOpen);
  }

  /** Undefined for a task that is unknown, deleted, or past its 7 days. */
  find(id: string): Task | undefined {
    const task = this.tasks.get(id);
    return task !== undefined && this.clock.nowMs() - task.createdAtMs < retentionMs ? task : undefined;
  }

  accept(
    model: FakeModel,
    input: ResolvedInput,
    more: { webhookUrl: string | null; doom?: Task["doom"] },
  ): Task {
    const task = createTask(model, input, more.webhookUrl, this.clock.nowMs());
    task.doom = more.doom ?? null;
    this.tasks.set(task.id, task);
    this.account.debit(task, priceOf(model, input), task.createdAtMs);
    for (const [id, kept] of this.tasks) {
      if (this.tasks.size <= maxKeptTasks) break;
      if (!isOpen(kept)) this.tasks.delete(id);
    }
    this.#schedule();
    return task;
  }

  /** Forgets an ended task with its pictures; stops a running one. */
  delete(task: Task): void {
    if (!isOpen(task)) {
      this.tasks.delete(task.id);
      return;
    }
    task.status = this.settings.stoppedStatus;
    this.#close(task, this.settings.refundStopped);
  }

  prediction(task: Task): Record<string, unknown> {
    return predictionOf(task, this.origin, this.settings);
  }

  /** Sends the callback of an ended task again; false for a task that had none. */
  redeliver(task: Task): boolean {
    if (!this.#callbacks.isDue(task)) return false;
    this.#track(this.#callbacks.send(task));
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#released.resolve();
    this.clock.stop();
    await Promise.allSettled(this.#busy);
  }

  /** Starts waiting tasks while there is room, and gives every started task its end under the latency in force. */
  #schedule(): void {
    for (const callOff of this.#alarms) callOff();
    this.#alarms.clear();
    const { latencyMs, pickupMs, concurrency, runningStatus } = this.settings;
    const nowMs = this.clock.nowMs();
    const open = this.openTasks();
    let room = concurrency - open.filter(({ startedAtMs }) => startedAtMs !== null).length;
    for (const task of open) {
      if (task.startedAtMs === null && room-- <= 0) continue;
      const startedAtMs = task.startedAtMs ??= nowMs;
      const pickUp = () => {
        if (task.status === "created") task.status = runningStatus;
      };
      if (startedAtMs + pickupMs <= nowMs) pickUp();
      else this.#alarms.add(this.clock.at(startedAtMs + pickupMs, pickUp));
      const endMs = startedAtMs + Math.max(latencyMs, pickupMs);
      this.#alarms.add(this.clock.at(endMs, () => this.#track(this.#end(task))));
    }
  }

  async #end(task: Task): Promise<void> {
    if (!isOpen(task) || this.#ending.has(task)) return;
    this.#ending.add(task);
    await bringToEnd(task, this.settings, { signal: this.#stopping.signal, log: this.#log });
    this.#ending.delete(task);
    // Deleted, or forgotten by a reset, while its pictures were drawn.
    if (!isOpen(task) || this.tasks.get(task.id) !== task) return;
    this.#close(task, task.status === "failed" && (task.code !== 1200 || this.settings.refundModerated));
  }

  #close(task: Task, isRefunded: boolean): void {
    const nowMs = this.clock.nowMs();
    task.endedAtMs = nowMs;
    task.ended.resolve();
    this.account.close(task.id, nowMs);
    if (isRefunded) {
      const refund = () => this.account.refund(task, this.clock.nowMs());
      if (this.settings.refundDelayMs === 0) refund();
      else this.clock.at(nowMs + this.settings.refundDelayMs, refund);
    }
    this.#schedule();
    this.#track(this.#callbacks.send(task));
  }

  #track(work: Promise<void>): void {
    this.#busy.add(work);
    void work.finally(() => this.#busy.delete(work));
  }
}
