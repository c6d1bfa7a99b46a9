// What failures cost, how prices and bills are told, and how large a file may be.

import { expect } from "vitest";
import { ask, type Provider, taskOf } from "../fake-provider.ts";
import { each, type Reading } from "./reading.ts";

const priceUsd = 0.012;

/** What the account has paid so far, as the client reads the balance. */
async function paidUsd({ wavespeed }: Provider): Promise<number> {
  const answer = await wavespeed.balance();
  if (answer.kind !== "ok") throw new Error(answer.kind);
  return Math.round((1000 - answer.value.balanceUsd) * 1e6) / 1e6;
}

export const moneyReadings: readonly Reading[] = [
  ...each(
    "refundDelayMs",
    "a failed task's price comes back in time",
    [0, 10_800_000],
    async (provider, value) => {
      await provider.control({ latencyMs: 0, failTasks: true });
      await provider.make();
      expect(await paidUsd(provider)).toBe(value === 0 ? 0 : priceUsd);
      await provider.advance(10_800);
      expect(await paidUsd(provider)).toBe(0);
    },
  ),
  ...each(
    "refundModerated",
    "a moderated task's price comes back, or not",
    [true, false],
    async (provider, value) => {
      await provider.control({ latencyMs: 0, moderateWords: ["fox"] });
      expect(await provider.make()).toMatchObject({ status: "failed", errorCode: 1200 });
      expect(await paidUsd(provider)).toBe(value === true ? 0 : priceUsd);
    },
  ),
  ...each(
    "refundStopped",
    "a stopped task's price comes back, or not",
    [false, true],
    async (provider, value) => {
      await provider.control({ oldDelete: "stops" });
      await provider.wavespeed.delete(taskOf(await provider.submit()));
      expect(await paidUsd(provider)).toBe(value === true ? 0 : priceUsd);
    },
  ),
  ...each(
    "priceCurrency",
    "a price is told, with its currency if at all",
    [true, false],
    async (provider, value) => {
      const currency = value === true ? { currency: "USD" } : {};
      const model = { model_id: "wavespeed-ai/flux-dev" };
      const price = await ask(provider, "POST model/price", { ...model, inputs: { num_images: 3 } });
      expect(price.body.data).toEqual({ ...model, price: 0.036, discounted_price: 0.036, ...currency });
      const pricing = await ask(provider, "POST model/pricing", model);
      expect(pricing.body.data).toEqual({ ...model, unit_price: priceUsd, ...currency });
    },
  ),
  ...each("billingPaging", "the bills tell of more", ["total", "has_more"], async (provider, value) => {
    for (let count = 0; count < 3; count++) await provider.submit();
    const page = async (number: number) => {
      const { body } = await ask(provider, "POST billings/search", { page: number, page_size: 2 });
      const { items, ...rest } = body.data;
      return { ...rest, count: items.length };
    };
    const [first, last] = value === "total"
      ? [{ total: 3 }, { total: 3 }]
      : [{ has_more: true }, { has_more: false }];
    expect(await page(1)).toEqual({ page: 1, count: 2, ...first });
    expect(await page(2)).toEqual({ page: 2, count: 1, ...last });
  }),
  ...each(
    "maxUploadBytes",
    "a file that is too large is refused",
    [20, 300],
    async ({ wavespeed }, value) => {
      const upload = (bytes: number) =>
        wavespeed.upload(new Blob(["x".repeat(bytes)], { type: "image/png" }), "x.png");
      expect(await upload(Number(value))).toMatchObject({ kind: "ok" });
      expect(await upload(Number(value) + 1))
        .toMatchObject({ kind: "unavailable", cause: "refused", httpStatus: 413 });
    },
  ),
];
