// The account's money: debited when a task is made, given back when it fails, and each of both on record.

import { randomUUID } from "node:crypto";

const startBalanceUsd = 1000;
/** More are forgotten, oldest first. */
const maxKeptBills = 5000;

export interface Bill {
  uuid: string;
  taskId: string;
  modelId: string;
  /** `deduct` is documented; that a refund is a line of its own is this stand-in's reading. */
  type: "deduct" | "refund";
  usd: number;
  /** Reserved while the task is open. */
  state: "pre" | "done";
  createdAtMs: number;
  updatedAtMs: number;
}

export class Account {
  balanceUsd = startBalanceUsd;
  readonly bills: Bill[] = [];

  debit(task: { id: string; model: { id: string } }, usd: number, nowMs: number): void {
    this.balanceUsd -= usd;
    this.#write({
      ...billed(task),
      type: "deduct",
      usd,
      state: "pre",
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    });
  }

  /** The task has ended, whichever way. */
  close(taskId: string, nowMs: number): void {
    for (const bill of this.bills) {
      if (bill.taskId !== taskId || bill.state === "done") continue;
      bill.state = "done";
      bill.updatedAtMs = nowMs;
    }
  }

  /** Gives back what was debited for the task; to be called once for each. */
  refund(task: { id: string; model: { id: string } }, nowMs: number): void {
    const debit = this.bills.find(({ taskId, type }) => taskId === task.id && type === "deduct");
    // Forgotten by a reset, or among so many others.
    if (debit === undefined) return;
    this.balanceUsd += debit.usd;
    const times = { createdAtMs: nowMs, updatedAtMs: nowMs };
    this.#write({ ...billed(task), type: "refund", usd: debit.usd, state: "done", ...times });
  }

  reset(): void {
    this.balanceUsd = startBalanceUsd;
    this.bills.length = 0;
  }

  #write(bill: Omit<Bill, "uuid">): void {
    this.bills.push({ uuid: randomUUID(), ...bill });
    if (this.bills.length > maxKeptBills) this.bills.shift();
  }
}

function billed(task: { id: string; model: { id: string } }) {
  return { taskId: task.id, modelId: task.model.id };
}
