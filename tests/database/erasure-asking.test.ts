// How an erasure begins: by a trigger that can fail no deletion, or by the sweep; and what a deleted user is refused
// while his last token is still good.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createEraser } from "./erased.ts";
import { createScenario, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);
const eraser = createEraser(db);

const asked = async () =>
  (await sql<{ user_id: string; asked_by: string }[]>`select user_id, asked_by from genflow.erasures`)
    .map((row) => [row.user_id, row.asked_by]);

/** What may have happened to our side of the deletion. */
const faults: [name: string, make: string, mend: string][] = [
  [
    "may not write its table",
    "revoke all on table genflow.erasures from postgres",
    "grant all on table genflow.erasures to postgres",
  ],
  [
    "finds no table",
    "alter table genflow.erasures rename to mislaid",
    "alter table genflow.mislaid rename to erasures",
  ],
  [
    "may not read the clock",
    "revoke execute on function genflow.clock() from postgres",
    "grant execute on function genflow.clock() to postgres",
  ],
  [
    "is switched off",
    "alter table auth.users disable trigger genflow_erasure",
    "alter table auth.users enable trigger genflow_erasure",
  ],
];

test.each(faults)(
  "a trigger that %s stops no deletion, and the sweep finds the user",
  async (_, make, mend) => {
    const userId = await db.addUser();
    await scenario.start(userId);
    await sql.unsafe(make);
    try {
      await eraser.deleteUser(userId);
    } finally {
      await sql.unsafe(mend);
    }
    expect(await asked()).toEqual([]);
    // Before any sweep: the account says that there was a user, and there is none.
    expect(await kernel.start(startArguments(userId))).toEqual({
      ok: false,
      error: { code: "unauthorized" },
    });
    await eraser.sweep();
    expect(await asked()).toEqual([[userId, "sweep"]]);
    await eraser.finish(userId);
    expect(await eraser.traces(userId)).toEqual([]);
  },
);

test("a deletion does not wait long for who has locked the table of erasures", async () => {
  const userId = await db.addUser();
  await scenario.start(userId);
  await sql.begin(async (holding) => {
    await holding`lock table genflow.erasures in access exclusive mode`;
    await eraser.deleteUser(userId);
  });
  await eraser.sweep();
  expect(await asked()).toEqual([[userId, "sweep"]]);
});

test("a deletion waits for nobody who works for the user", async () => {
  const userId = await db.addUser();
  const jobId = await scenario.start(userId);
  await sql.begin(async (holding) => {
    await holding`select genflow.lock_job(${jobId})`;
    await eraser.deleteUser(userId);
    expect(await asked()).toEqual([[userId, "deletion"]]);
    // Nor does the sweep, which does for others what it can.
    const otherId = await db.addUser();
    await scenario.start(otherId);
    await eraser.deleteUser(otherId);
    await eraser.sweep();
    expect(await sql`select user_id from public.generation_jobs`).toEqual([{ user_id: userId }]);
  });
  await db.advance(5);
  await eraser.sweep();
  expect(await sql`select user_id from public.generation_jobs`).toHaveLength(0);
});

test("a deletion that is taken back queues nothing", async () => {
  const userId = await db.addUser();
  await sql.begin(async (transaction) => {
    await transaction`delete from auth.users where id = ${userId}`;
    throw new Error("changed my mind");
  }).catch(() => {});
  expect(await asked()).toEqual([]);
  await scenario.start(userId);
});

test("many users are deleted in one statement", async () => {
  const userIds = await Promise.all(Array.from({ length: 150 }, () => db.addUser()));
  await scenario.fill(userIds, 1);
  await sql`delete from auth.users`;
  await eraser.sweep();
  expect(await sql`select from public.generation_jobs`).toHaveLength(50); // a sweep takes a hundred steps
  await eraser.sweep();
  expect(await sql`select from public.generation_jobs`).toHaveLength(0);
});

test("each sweep looks at the next 200 accounts, and after the last begins anew", async () => {
  const state = async () =>
    (await sql`select accounts_seen_to from genflow.sweep_state`)[0]?.["accounts_seen_to"];
  await sql`insert into genflow.accounts (user_id, known_to_auth) select gen_random_uuid(), true from generate_series(1, 450)`;
  const order = (await sql`select user_id from genflow.accounts order by user_id`).map((row) =>
    row["user_id"]
  );
  await sql`insert into auth.users (id) select user_id from genflow.accounts where user_id <> all (${[
    order[0],
    order[199],
    order[200],
    order[449],
  ]}) on conflict do nothing`;
  const seen: unknown[] = [];
  for (let call = 0; call < 4; call++) {
    const [row] = await sql`select genflow.find_vanished() as found`;
    seen.push([row?.["found"], await state()]);
  }
  expect(seen).toEqual([[2, order[199]], [1, order[399]], [1, null], [0, order[199]]]);
});

test.each(
  [
    ["eleven of a look's accounts", 11, 1],
    ["two accounts, and every user with them,", 2, 0],
  ],
)(
  "%s have no user any more: that may be a lost table, and nothing is erased unless an operator says so",
  async (_, gone, left) => {
    await sql`insert into genflow.accounts (user_id, known_to_auth) select gen_random_uuid(), true from generate_series(1, ${gone}::integer)`;
    for (let user = 0; user < left; user++) await db.addUser();
    const warnings = await db.sweep();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("genflow.settings.vanished_most");
    expect(await asked()).toEqual([]);
    await db.settings({ vanished_most: 200 });
    expect(await db.sweep()).toEqual([]);
    expect(await asked()).toHaveLength(gone);
  },
);

test("a look for vanished users reads no more with 20,000 accounts than with 2,000", async () => {
  const cost = async (accounts: number) => {
    await sql`insert into genflow.accounts (user_id, known_to_auth)
      select gen_random_uuid(), true from generate_series(1, ${accounts}::integer)`;
    await sql`insert into auth.users (id) select user_id from genflow.accounts on conflict do nothing`;
    await sql`analyze genflow.accounts, auth.users`;
    const [row] = await sql<{ "QUERY PLAN": [{ Plan: Record<string, number> }] }[]>`
      explain (analyze, buffers, format json) select genflow.sweep_upkeep('vanished')`;
    const { Plan: plan } = row!["QUERY PLAN"][0];
    return (plan["Shared Hit Blocks"] ?? NaN) + (plan["Shared Read Blocks"] ?? NaN);
  };
  const few = await cost(2000);
  expect(await cost(18_000)).toBeLessThan(2 * few);
  expect(await asked()).toEqual([]);
});

test("users who sign in elsewhere have never been in auth.users, and are not taken for deleted", async () => {
  const strangerId = randomUUID();
  await sql`select public.grant_credits(${strangerId}, 5, 'a payment')`;
  const jobId = await scenario.start(strangerId);
  await eraser.sweep();
  expect(await asked()).toEqual([]);
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued" });
  // Credits may be granted before the user signs in for the first time here.
  await sql`insert into auth.users (id) values (${strangerId})`;
  await eraser.sweep();
  await sql`alter table auth.users disable trigger genflow_erasure`;
  await eraser.deleteUser(strangerId);
  await sql`alter table auth.users enable trigger genflow_erasure`;
  await eraser.sweep();
  expect(await asked()).toEqual([[strangerId, "sweep"]]);
});

const appCalls = [
  "my_account()",
  `set_favorite('${randomUUID()}', true)`,
  `delete_images(array['${randomUUID()}'::uuid])`,
  `queue_position('${randomUUID()}')`,
  `search_generations('{}')`,
];

test.each([["before the sweep", 0], ["once his rows are gone", 1]])(
  "%s a deleted user's token brings nothing back",
  async (_, sweeps) => {
    const userId = await db.addUser();
    await scenario.completed(userId);
    await eraser.deleteUser(userId);
    for (let sweep = 0; sweep < sweeps; sweep++) await eraser.sweep();
    const before = await eraser.traces(userId);
    expect(await kernel.start(startArguments(userId))).toEqual({
      ok: false,
      error: { code: "unauthorized" },
    });
    for (const call of appCalls) {
      await expect(eraser.call(userId, call)).rejects.toMatchObject({ code: "PT401", hint: "unauthorized" });
    }
    for (const call of ["grant_credits", "adjust_credits"]) {
      await expect(sql.unsafe(`select public.${call}('${userId}', 5, 'late')`))
        .rejects.toMatchObject({ code: "22023", message: "the user was deleted" });
    }
    expect(await eraser.traces(userId)).toEqual(before);
  },
);

test("who never had an account gets none once deleted", async () => {
  const userId = await db.addUser();
  await eraser.deleteUser(userId);
  expect(await kernel.start(startArguments(userId))).toEqual({ ok: false, error: { code: "unauthorized" } });
  expect(await sql`select from genflow.accounts`).toHaveLength(0);
});

test("the ledger lets an erasure put its own id in the place of its user's, and nothing else", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  for (const id of [userId, otherId]) await scenario.start(id);
  await eraser.deleteUser(userId);
  const { ledger_user_id: ledgerId } = await eraser.erasure(userId) ?? {};
  const refused = [
    `update public.credit_entries set user_id = gen_random_uuid() where user_id = '${userId}'`,
    `update public.credit_entries set user_id = '${ledgerId}' where user_id = '${otherId}'`,
    `update public.credit_entries set user_id = '${ledgerId}', amount = amount + 1 where user_id = '${userId}'`,
    `update public.credit_entries set user_id = '${ledgerId}', reference = null where user_id = '${userId}' and kind = 'grant'`,
    `update public.credit_entries set user_id = '${ledgerId}', created_at = now() where user_id = '${userId}'`,
    `update public.credit_entries set user_id = user_id where user_id = '${otherId}'`,
    `update public.credit_entries set user_id = null where user_id = '${userId}'`,
    `update public.credit_entries set amount = 1 where user_id = '${userId}'`,
    `delete from public.credit_entries where user_id = '${userId}'`,
  ];
  for (const change of refused) {
    await expect(sql.unsafe(change), change).rejects.toMatchObject({
      code: "23001",
      message: "credit_entries is append-only",
    });
  }
  await eraser.sweep();
  expect(new Set((await eraser.ledger()).map((entry) => entry.user_id))).toEqual(
    new Set([otherId, ledgerId]),
  );
  await expect(sql`update public.credit_entries set user_id = ${userId} where user_id = ${String(ledgerId)}`)
    .rejects.toMatchObject({ code: "23001" });
});
