// Corrections of a balance by operators and payment webhooks, and what a look at the account may wait for.

import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);

const adjust = (userId: string, credits: number | null, reference: string | null) =>
  db.rpc("adjust_credits", { p_user_id: userId, p_credits: credits, p_reference: reference });

test("an adjustment moves the balance up or down, once a reference", async () => {
  const userId = await db.addUser();
  await db.rpc("grant_credits", { p_user_id: userId, p_credits: 30, p_reference: "payment 1" });
  expect(await adjust(userId, -10, "refund of payment 1")).toEqual({
    ok: true,
    adjusted: -10,
    replay: false,
    balance: 20,
  });
  expect(await adjust(userId, -10, "refund of payment 1")).toMatchObject({ replay: true, balance: 20 });
  expect(await adjust(userId, 5, "ticket 7")).toMatchObject({ replay: false, balance: 25 });
  expect(await scenario.balance(userId)).toBe(25);
  expect(await sql`select kind, amount from public.credit_entries where user_id = ${userId} order by id`)
    .toEqual([
      { kind: "grant", amount: 30 },
      { kind: "adjust", amount: -10 },
      { kind: "adjust", amount: 5 },
    ]);
});

test("credits that a job holds cannot be taken back, and the refusal says how many are at hand", async () => {
  await db.settings({ sign_up_grant_credits: 10 });
  const userId = await db.addUser();
  await scenario.start(userId, { numImages: 4 });
  expect(await adjust(userId, -7, "refund")).toEqual({
    ok: false,
    error: { code: "insufficient_credits", balance: 6, price: 7 },
  });
  expect(await scenario.balance(userId)).toBe(6);
  expect(await adjust(userId, -6, "refund")).toMatchObject({ ok: true, balance: 0 });
});

test("20 parallel deliveries of one refund take it once", async () => {
  const userId = await db.addUser();
  await db.rpc("grant_credits", { p_user_id: userId, p_credits: 30, p_reference: "payment" });
  const answers = await db.racing(
    userId,
    Array.from({ length: 20 }, () => () => adjust(userId, -30, "refund")),
  );
  expect(answers.filter((answer) => !(answer as { replay: boolean }).replay)).toHaveLength(1);
  expect(await scenario.balance(userId)).toBe(0);
});

test.each([[0, "ticket"], [null, "ticket"], [5, ""], [5, null]])(
  "%s credits for the reference %j are no adjustment",
  async (credits, reference) => {
    await expect(adjust(await db.addUser(), credits, reference)).rejects.toThrow(/adjust_credits needs/);
  },
);

test("a reference that was used for another amount is refused, also one of a grant", async () => {
  const userId = await db.addUser();
  await db.rpc("grant_credits", { p_user_id: userId, p_credits: 30, p_reference: "payment" });
  await expect(adjust(userId, -30, "payment")).rejects.toThrow(/already used for another amount/);
});

test("a look at the account does not wait for what is being done in it", async () => {
  await db.settings({ sign_up_grant_credits: 10 });
  const userId = await db.addUser();
  await scenario.start(userId);
  await sql.begin(async (transaction) => {
    await transaction`select genflow.lock_account(${userId})`;
    expect(await db.asUser(userId, (as) => as`select public.my_account() as account`)).toMatchObject([
      { account: { balance: 9, pending: 1, running: 0 } },
    ]);
  });
});
