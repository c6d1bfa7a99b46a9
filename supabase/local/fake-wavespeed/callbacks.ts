// Which callbacks go out, how many of each, when, and in which order.

import { deliver } from "./callback.ts";
import type { Clock } from "./clock.ts";
import { type Settings, strikes } from "./settings.ts";
import type { Task } from "./task.ts";

const documentedEnds: ReadonlySet<string> = new Set(["completed", "failed"]);

export interface CallbacksOptions {
  settings: Settings;
  clock: Clock;
  secret: () => string;
  /** The body, as of now; null for a task that was forgotten. */
  bodyOf: (task: Task) => string | null;
  signal: AbortSignal;
}

export class Callbacks {
  readonly #options: CallbacksOptions;
  #delivered = Promise.withResolvers<void>();

  constructor(options: CallbacksOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#delivered.resolve(), { once: true });
  }

  /** Whether the task has ended in a way that is called back. */
  isDue(task: Task): boolean {
    if (task.webhookUrl === null || task.endedAtMs === null) return false;
    return documentedEnds.has(task.status) || this.#options.settings.callbackEnds === "all";
  }

  /** Resolves when it was acknowledged or given up. */
  async send(task: Task): Promise<void> {
    if (this.isDue(task)) await this.#send(task);
    task.calledBack.resolve();
  }

  async #send(task: Task): Promise<void> {
    const { settings, clock, signal } = this.#options;
    if (signal.aborted) return;
    if (strikes(settings, "dropCallbacks")) {
      task.callbacks.dropped++;
      return;
    }
    const isBad = strikes(settings, "badSignatures");
    const copies = strikes(settings, "duplicateCallbacks") ? 2 : 1;
    const isHeld = strikes(settings, "reorderCallbacks");
    if (settings.callbackDelayMs > 0) await clock.sleep(settings.callbackDelayMs, signal);
    if (isHeld) await this.#delivered.promise;
    const url = task.webhookUrl;
    const body = this.#options.bodyOf(task);
    if (signal.aborted || url === null || body === null) return;
    const secret = this.#options.secret();
    // In front, so that it is another key under each way to sign.
    const used = isBad ? secret.replace(/^(whsec_)?/, "$1AAAA") : secret;
    const delivery = { url, taskId: task.id, body, secret: used, settings, clock, signal };
    task.callbacks.sent += copies;
    await Promise.all(Array.from({ length: copies }, () => deliver(delivery)));
    this.#delivered.resolve();
    this.#delivered = Promise.withResolvers<void>();
  }
}
