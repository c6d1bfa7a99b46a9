// What the kernel must know, as plain values: the model's half of the comparison. Written from the rules, not from the
// SQL, and without its tables' tricks. Time is a number of seconds that only the plan moves.

export type Status =
  | "queued"
  | "submitting"
  | "unknown"
  | "processing"
  | "persisting"
  | "completed"
  | "failed"
  | "canceled";

/** A place in the turns: the moment it was taken less the head start, and which turn of the model's own it was. */
export interface Place {
  seconds: number;
  turn: number;
}

export interface User {
  id: string;
  isConfirmed: boolean;
  isGranted: boolean;
  balance: number;
  headStartSeconds: number;
  runningCap: number | null;
  pendingCap: number | null;
  tokens: Tokens;
  references: Set<string>;
}

/** A bucket of starts: null = never used, so full. */
export type Tokens = { left: number; seconds: number } | null;

export interface Job {
  id: string;
  userId: string;
  key: string;
  /** Which of all jobs it was. */
  age: number;
  modelId: string;
  images: number;
  price: number;
  status: Status;
  burnt: number;
  error: string | null;
  released: number | null;
  captured: number | null;
  notBefore: number | null;
  isReady: boolean;
  place: Place | null;
  attemptId: string | null;
  createdAt: number;
  processingAt: number;
  persistingAt: number;
  /** Which lease stored each index. */
  stored: Map<number, string>;
}

export interface Attempt {
  id: string;
  jobId: string;
  leaseToken: string;
  leaseEndsAt: number;
  sendId: string | null;
  sentAt: number;
  taskId: string | null;
  submission: "accepted" | "rejected" | "unknown" | "lost" | null;
  hasResult: boolean;
  outputs: number;
  closed: string | null;
  persists: number;
  persistLease: string | null;
  nextPersistAt: number | null;
}

export interface Model {
  now: number;
  turns: number;
  users: Map<string, User>;
  jobs: Map<string, Job>;
  attempts: Map<string, Attempt>;
  prices: Map<string, number>;
  settings: {
    userRunningCap: number;
    userPendingCap: number;
    userStartBurst: number;
    maxAttempts: number;
    isIntakePaused: boolean;
  };
  provider: { runningCap: number; startBurst: number; tokens: Tokens; pausedUntil: number };
}

/** Settings that stay as they are in every run; all of them and every step of the clock are multiples of 15 s, so that
 * the real seconds that pass between two deeds decide nothing. */
export const seconds = {
  claimLease: 45,
  submitLease: 60,
  backoffBase: 120,
  backoffMax: 3600,
  unknownGrace: 600,
  ageWithoutTask: 3600,
  ageWithTask: 10_800,
  processing: 1800,
  persistLease: 120,
  persisting: 21_600,
  queue: 86_400,
} as const;
export const signUpCredits = 5;
/** What genflow.random_unit() answers. */
export const chance = 0.5;

export function createModel(
  settings: Model["settings"],
  provider: { runningCap: number; startBurst: number },
): Model {
  return {
    now: 0,
    turns: 0,
    users: new Map(),
    jobs: new Map(),
    attempts: new Map(),
    prices: new Map(),
    settings,
    provider: { ...provider, tokens: null, pausedUntil: 0 },
  };
}

export const isRunning = (job: Job) =>
  ["submitting", "unknown", "processing", "persisting"].includes(job.status);
export const hasEnded = (job: Job) => ["completed", "failed", "canceled"].includes(job.status);
export const jobsOf = (model: Model, userId: string) =>
  [...model.jobs.values()].filter((job) => job.userId === userId);
export const attemptsOf = (model: Model, jobId: string) =>
  [...model.attempts.values()].filter((attempt) => attempt.jobId === jobId);
export const isOpen = (attempt: Attempt) => attempt.closed === null;

export function byText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** A bucket that refills by one a minute. */
export function tokensNow(tokens: Tokens, burst: number, now: number): number {
  return tokens === null ? burst : Math.min(burst, tokens.left + (now - tokens.seconds) / 60);
}
