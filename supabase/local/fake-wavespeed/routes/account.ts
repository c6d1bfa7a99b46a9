// Balance, usage, bills, and the secret that callbacks are signed with.

import * as z from "zod";
import type { Bill } from "../account.ts";
import { roundUsd } from "../usd.ts";
import type { World } from "../world.ts";
import { data, readBody, refuse } from "./reply.ts";

const currency = "USD";
const Usage = z.object({
  start_time: z.iso.datetime({ offset: true }),
  end_time: z.iso.datetime({ offset: true }),
  model_uuid: z.string().optional(),
});
const epochMs = z.string().regex(/^\d{1,16}$/).transform(Number);
const Search = z.object({
  billing_type: z.string().optional(),
  prediction_uuids: z.array(z.string()).optional(),
  sort: z.string().optional(),
  start_time: epochMs.optional(),
  end_time: epochMs.optional(),
  page: z.number().int().positive().default(1),
  page_size: z.number().int().min(1).max(100).default(20),
});

export function balance(world: World): Response {
  return data({ balance: roundUsd(world.account.balanceUsd) });
}

export function oldBalance(world: World): Response {
  return data({ balance: roundUsd(world.account.balanceUsd), currency });
}

export async function usage(world: World, request: Request): Promise<Response> {
  const query = await readBody(request, Usage);
  if (query === null) return refuse(world.settings, 400, "start_time and end_time are required");
  const { start_time: from, end_time: to, model_uuid: model } = query;
  return data(
    sumUp(world, (bill) =>
      bill.createdAtMs >= Date.parse(from) && bill.createdAtMs <= Date.parse(to) &&
      (model === undefined || bill.modelId === model)),
  );
}

export function oldUsage(world: World): Response {
  return data(sumUp(world, () => true));
}

function sumUp(world: World, counts: (bill: Bill) => boolean) {
  const refunded = new Set(world.account.bills.flatMap((bill) => bill.type === "refund" ? bill.taskId : []));
  const bills = world.account.bills.filter((bill) => bill.type === "deduct" && counts(bill));
  const paid = (some: readonly Bill[]) =>
    roundUsd(some.reduce((sum, bill) => sum + (refunded.has(bill.taskId) ? 0 : bill.usd), 0));
  const succeeded = bills.filter(({ taskId }) => world.tasks.get(taskId)?.status === "completed");
  const byModel = Object.groupBy(bills, ({ modelId }) => modelId);
  const byDay = Object.groupBy(bills, ({ createdAtMs }) => iso(createdAtMs).slice(0, 10));
  return {
    per_model_usage: Object.entries(byModel).map(([modelId, some = []]) => ({
      model_uuid: modelId,
      model_type: "image",
      unit_price: some.at(-1)?.usd ?? 0,
      total_cost: paid(some),
      total_count: some.length,
      last_used_date: iso(some.at(-1)?.createdAtMs ?? 0),
    })),
    daily_usage: Object.entries(byDay).map(([date, some = []]) => ({
      date,
      amount: paid(some),
      count: some.length,
    })),
    summary: {
      total_cost: paid(bills),
      total_requests: bills.length,
      success_requests: succeeded.length,
    },
  };
}

export async function searchBillings(world: World, request: Request): Promise<Response> {
  const query = await readBody(request, Search);
  if (query === null) return refuse(world.settings, 400, "Invalid parameters");
  const { page, page_size: size, prediction_uuids: taskIds, billing_type: type } = query;
  const { start_time: from = 0, end_time: to = Infinity } = query;
  const matching = world.account.bills.filter((bill) =>
    (type === undefined || bill.type === type) &&
    (taskIds === undefined || taskIds.includes(bill.taskId)) &&
    bill.createdAtMs >= from && bill.createdAtMs <= to
  );
  // Newest first unless asked for; the words that `sort` takes are documented nowhere.
  if (query.sort?.includes("asc") !== true) matching.reverse();
  const items = matching.slice((page - 1) * size, page * size).map((bill) => tellBill(world, bill));
  const more = world.settings.billingPaging === "total"
    ? { total: matching.length }
    : { has_more: matching.length > page * size };
  return data({ page, items, ...more });
}

function tellBill(world: World, bill: Bill) {
  return {
    uuid: bill.uuid,
    access_key_id: "ak_1",
    access_key_name: "default",
    billing_type: bill.type,
    price: bill.usd,
    created_at: iso(bill.createdAtMs),
    updated_at: iso(bill.updatedAtMs),
    order: {
      uuid: bill.uuid,
      state: bill.state,
      price: bill.usd,
      origin_price: bill.usd,
      status: bill.state === "done" ? "success" : "pending",
      ak_id: "ak_1",
    },
    prediction: {
      uuid: bill.taskId,
      model_uuid: bill.modelId,
      status: world.tasks.get(bill.taskId)?.status ?? "deleted",
    },
  };
}

export function webhookSecret({ settings, webhookSecret: secret }: World): Response {
  switch (settings.secretForm) {
    case "secret":
      return data({ secret });
    case "webhook_secret":
      return data({ webhook_secret: secret });
    case "text":
      return data(secret);
    case "bare":
      return Response.json({ secret });
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
