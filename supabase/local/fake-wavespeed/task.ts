// One prediction of the stand-in, from created to its end.

import { randomBytes } from "node:crypto";
import type { FakeModel } from "./catalogue.ts";
import type { ResolvedInput } from "./input.ts";

export interface Output {
  /** Path below the server's origin. */
  path: string;
  bytes: Uint8Array;
  contentType: string;
  sha256: string;
}

export interface Task {
  id: string;
  model: FakeModel;
  input: ResolvedInput;
  webhookUrl: string | null;
  createdAtMs: number;
  /** Null while it waits for room. */
  startedAtMs: number | null;
  endedAtMs: number | null;
  /** The provider's words, or one that a test made up. */
  status: string;
  /** How it will fail, where that was decided when it was made. */
  doom: { code: number; message: string } | null;
  outputs: Output[];
  error: string;
  code: number | null;
  callbacks: { sent: number; dropped: number };
  /** Resolves at its end, and when it is forgotten. */
  ended: PromiseWithResolvers<void>;
  /** Resolves when its callback was delivered or given up, and where none is due. */
  calledBack: PromiseWithResolvers<void>;
}

export function createTask(
  model: FakeModel,
  input: ResolvedInput,
  webhookUrl: string | null,
  nowMs: number,
): Task {
  return {
    id: randomBytes(16).toString("hex"),
    model,
    input,
    webhookUrl,
    createdAtMs: nowMs,
    startedAtMs: null,
    endedAtMs: null,
    status: "created",
    doom: null,
    outputs: [],
    error: "",
    code: null,
    callbacks: { sent: 0, dropped: 0 },
    ended: Promise.withResolvers<void>(),
    calledBack: Promise.withResolvers<void>(),
  };
}

export function isOpen(task: Task): boolean {
  return task.endedAtMs === null;
}

export function fail(task: Task, code: number, message: string): void {
  task.status = "failed";
  task.code = code;
  task.error = message;
}
