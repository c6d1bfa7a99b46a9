// What the deliveries so far must have made of each target. Several are on their way at once, so of what they say of one
// task any may have come first; what none of them says must not have come about.

import type { Aimed } from "./ground.ts";
import type { Statement } from "./oracle.ts";

/** As the database has it. */
export interface Found {
  attemptId: string;
  taskId: string | null;
  result: Result | null;
  jobStatus: string;
}

export interface Result {
  status: string;
  outputs: string[];
  flagged: boolean[];
}

export interface Model {
  tell(statement: Statement): void;
  /** What is not as it must be. What is right counts as known from here on. */
  compare(found: Found[]): string[];
  /** Whether it can still be settled, and is as it was when it became a target. */
  isFresh(target: Aimed): boolean;
  add(targets: Aimed[]): void;
}

interface Known {
  target: Aimed;
  taskId: string | null;
  result: Result | null;
}

export function createModel(): Model {
  const known = new Map<string, Known>();
  let statements: Statement[] = [];
  return {
    add: (targets) => {
      for (const target of targets) {
        known.set(target.attemptId, { target, taskId: target.hasTask ? target.taskId : null, result: null });
      }
    },
    isFresh({ attemptId, hasTask }) {
      const now = known.get(attemptId);
      return now !== undefined && now.result === null && (hasTask || now.taskId === null);
    },
    tell: (statement) => void statements.push(statement),
    compare(found) {
      const told = statements;
      statements = [];
      const held = new Set(found.flatMap(({ taskId }) => taskId ?? []));
      return found.flatMap((row) => compareOne(known.get(row.attemptId), row, told, held));
    },
  };
}

const runningStatuses = new Set(["submitting", "unknown", "processing"]);

function compareOne(
  before: Known | undefined,
  row: Found,
  told: Statement[],
  held: ReadonlySet<string>,
): string[] {
  const who = `attempt ${row.attemptId}`;
  // A successor, after a failure that was no fault of the job's: nobody knows its task or its token.
  if (before === undefined) return row.result === null ? [] : [`${who} was settled, which nobody spoke of`];
  const now = JSON.stringify(row.result);
  const ends = told.filter(({ taskId, status }) => taskId === row.taskId && status !== null);
  const results = ends.map((statement) => JSON.stringify(resultOf(statement)));
  // One that came before the attempt had this task, and without its token, spoke of a task that nobody knew.
  const mustEnd = ends.some(({ tokenOf }) => before.taskId !== null || tokenOf === row.attemptId);
  const problems = compareTask(before, row, told, held);
  if (before.result !== null) {
    if (now !== JSON.stringify(before.result)) problems.push(`${who} was settled twice, now as ${now}`);
  } else if (row.result === null ? mustEnd : !results.includes(now)) {
    problems.push(
      `${who} is settled as ${now}, and was told ${results.slice(0, 3).join(" or ") || "nothing"}`,
    );
  }
  if (row.result === null && !runningStatuses.has(row.jobStatus)) {
    problems.push(`the job of ${who} is ${row.jobStatus}, and its task has not ended`);
  }
  [before.taskId, before.result] = [row.taskId, row.result];
  return problems;
}

/** An attempt without a task takes the first that comes with its token and is nobody's. */
function compareTask(before: Known, row: Found, told: Statement[], held: ReadonlySet<string>): string[] {
  if (before.taskId !== null) {
    return row.taskId === before.taskId ? [] : [`attempt ${row.attemptId} has changed its task`];
  }
  const offered = told.filter(({ tokenOf }) => tokenOf === row.attemptId).map(({ taskId }) => taskId);
  if (row.taskId === null) {
    return offered.every((id) => held.has(id))
      ? []
      : [`attempt ${row.attemptId} was told its task and has none`];
  }
  return offered.includes(row.taskId) ? [] : [`attempt ${row.attemptId} has a task that nobody told it`];
}

/** A task that completed without a picture has failed. */
function resultOf({ status, outputs, flagged }: Statement): Result {
  const isDelivered = status === "completed" && outputs.length > 0;
  return { status: status ?? "", outputs: isDelivered ? outputs : [], flagged: isDelivered ? flagged : [] };
}
