// What functions, apps, operators and the clock do, as choices that fast-check can draw, print and shrink. A `pick` is
// taken modulo what there is when its deed is done, so a deed fits any moment; where there is nothing, nothing is done.

import fc from "fast-check";

export interface Choices {
  start: { user: number; dear: boolean; images: number; key: "fresh" | "replayed" | "reused"; pick: number };
  retry: { pick: number };
  claim: { limit: number; sends: number };
  send: { pick: number };
  submit: { pick: number; as: (typeof submitted)[number] };
  settle: { pick: number; as: (typeof settled)[number]; outputs: number };
  callback: { pick: number };
  lease: { limit: number };
  store: { pick: number; pictures: number };
  complete: { pick: number; permanent: boolean };
  cancel: { pick: number };
  grant: { user: number; reference: number };
  adjust: { user: number; reference: number };
  poll: { limit: number };
  look: { user: number };
  setting: (typeof settings)[number];
  provider: (typeof providers)[number];
  account: { user: number; values: (typeof accounts)[number] };
  price: { credits: number };
  headStart: { seconds: number };
  sweep: { advanceSeconds: number };
}

/** Classes of each decision of genflow.failure_classes: fails, is tried again, pauses every claim. */
export const submitted = [
  "accepted",
  "accepted",
  "accepted",
  "accepted",
  "bad_input",
  "not_sent",
  "provider_error",
  "rate_limited",
  "interrupted",
  "unknown",
] as const;
export const settled = [
  "completed",
  "completed",
  "completed",
  "failed",
  "timeout",
  "cancelled",
  "processing",
  "unknown_status",
] as const;

const settings = [
  ...[0, 1, 2, 3, 4, 9].map((user_running_cap) => ({ user_running_cap })),
  ...[2, 6, 1000].map((user_pending_cap) => ({ user_pending_cap })),
  ...[1, 5, 1000].map((user_start_burst) => ({ user_start_burst, user_starts_per_minute: user_start_burst })),
  { intake_paused: true },
  { intake_paused: false },
  { intake_paused: false },
  { intake_paused: false },
  { max_attempts: 1 },
  { max_attempts: 3 },
  { max_starts_per_day: 30 },
  { max_starts_per_day: null },
];
const providers = [
  ...[0, 1, 2, 3, 5, 5, 9].map((running_cap) => ({ running_cap })),
  ...[2, 10, 1000].map((start_burst) => ({ start_burst, starts_per_minute: start_burst })),
  { paused_until: "2000-01-01" },
  { balance_usd: 1 },
  { balance_usd: 100 },
];
const accounts = [
  ...[0, 1, 3, null].map((running_cap) => ({ running_cap })),
  ...[1, 4, null].map((pending_cap) => ({ pending_cap })),
  ...["standard", "plus", "pro"].map((priority_class) => ({ priority_class })),
];

const pick = fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 60 }));
const user = fc.nat({ max: 5 });
const limit = fc.integer({ min: 1, max: 5 });

const drawn: { [Deed in keyof Choices]: [weight: number, choices: fc.Arbitrary<Choices[Deed]>] } = {
  start: [
    22,
    fc.record({
      user,
      dear: fc.boolean(),
      images: fc.integer({ min: 1, max: 3 }),
      key: fc.constantFrom("fresh", "fresh", "fresh", "replayed", "reused"),
      pick,
    }),
  ],
  retry: [3, fc.record({ pick })],
  claim: [20, fc.record({ limit, sends: fc.nat({ max: 5 }) })],
  send: [5, fc.record({ pick })],
  submit: [14, fc.record({ pick, as: fc.constantFrom(...submitted) })],
  settle: [
    16,
    fc.record({ pick, as: fc.constantFrom(...settled), outputs: fc.integer({ min: 0, max: 4 }) }),
  ],
  callback: [2, fc.record({ pick })],
  lease: [10, fc.record({ limit })],
  store: [12, fc.record({ pick, pictures: fc.integer({ min: 1, max: 3 }) })],
  complete: [6, fc.record({ pick, permanent: fc.boolean() })],
  cancel: [3, fc.record({ pick: fc.nat({ max: 60 }) })],
  grant: [3, fc.record({ user, reference: fc.nat({ max: 3 }) })],
  adjust: [2, fc.record({ user, reference: fc.nat({ max: 3 }) })],
  poll: [2, fc.record({ limit })],
  look: [1, fc.record({ user })],
  setting: [1, fc.constantFrom(...settings)],
  provider: [1, fc.constantFrom(...providers)],
  account: [2, fc.record({ user, values: fc.constantFrom(...accounts) })],
  price: [1, fc.record({ credits: fc.integer({ min: 1, max: 4 }) })],
  headStart: [1, fc.record({ seconds: fc.constantFrom(0, 60, 300) })],
  sweep: [3, fc.record({ advanceSeconds: fc.constantFrom(0, 1, 1, 2, 5, 5, 20, 20, 50, 70, 400, 2_000) })],
};

/** One deed: its name and what was drawn for it. */
export type Deed<Name extends keyof Choices = keyof Choices> = {
  [Each in Name]: { deed: Each; choice: Choices[Each] };
}[Name];

function deedOf<Name extends keyof Choices>(deed: Name): fc.WeightedArbitrary<Deed> {
  const [weight, choices] = drawn[deed];
  return { weight, arbitrary: choices.map((choice) => ({ deed, choice }) as Deed) };
}

const anyDeed: fc.Arbitrary<Deed> = fc.oneof(
  ...(Object.keys(drawn) as (keyof Choices)[]).map(deedOf),
);

export interface Plan {
  users: { credits: number; priorityClass: string }[];
  workers: Deed[][];
}

/** 3 to 6 users of several classes, and what each of 8 to 16 workers does one after the other. */
export const anyPlan: fc.Arbitrary<Plan> = fc.record({
  users: fc.array(
    fc.record({
      credits: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 120 })),
      priorityClass: fc.constantFrom("standard", "standard", "plus", "pro"),
    }),
    { minLength: 3, maxLength: 6 },
  ),
  workers: fc.array(fc.array(anyDeed, { minLength: 5, maxLength: 60, size: "max" }), {
    minLength: 8,
    maxLength: 16,
    size: "max",
  }),
});
