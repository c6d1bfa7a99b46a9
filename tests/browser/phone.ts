// A phone with the playground on it: a browser's context of its own, signed in, that knows when the page broke.

import { randomUUID } from "node:crypto";
import { type Browser, type BrowserContext, type Page } from "playwright-core";
import { expect } from "vitest";
import type { ControlledStack } from "../flow/controlled-stack.ts";

export interface Phone {
  context: BrowserContext;
  page: Page;
  userId: string;
  /** Another page of the same app: a tab, or the app after it was closed. */
  openPage(): Promise<Page>;
  /** Statuses of the user's jobs, the oldest first. */
  statuses(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function openPhone(
  browser: Browser,
  stack: ControlledStack,
  { before }: { before?: (context: BrowserContext) => Promise<void> } = {},
): Promise<Phone> {
  const context = await browser.newContext({
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(15_000);
  const broken: string[] = [];
  context.on("weberror", (error) => broken.push(error.error().message));
  await before?.(context);
  const openPage = async () => {
    const page = await context.newPage();
    await page.goto(stack.url);
    return page;
  };
  const page = await openPage();
  const email = `phone-${randomUUID()}@example.com`;
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(randomUUID());
  await page.getByRole("button", { name: "Create an account" }).click();
  await composer(page).waitFor();
  const [user] = await stack.sql<[{ id: string }]>`select id from auth.users where email = ${email}`;
  return {
    context,
    page,
    userId: user.id,
    openPage,
    async statuses() {
      const rows = await stack.sql<{ status: string }[]>`
        select status from public.generation_jobs where user_id = ${user.id} order by created_at`;
      return rows.map(({ status }) => status);
    },
    async stop() {
      await context.close();
      expect(broken).toEqual([]);
    },
  };
}

export const composer = (page: Page) => page.getByLabel("What should it show?");
export const makeButton = (page: Page) => page.getByRole("button", { name: /^Make it/ });
/** Stored pictures in the grid whose bytes are shown. */
export const pictures = (page: Page) => page.locator(".grid .picture.is-there");
export const tiles = (page: Page) => page.locator(".grid > li");

export async function ask(page: Page, prompt = "a lighthouse in a storm"): Promise<void> {
  await composer(page).fill(prompt);
  await makeButton(page).click();
}

export async function untilShown(page: Page, count: number): Promise<void> {
  await expect.poll(() => pictures(page).count(), { timeout: 30_000 }).toBe(count);
}

/** What the browser tells a page when its network is back, or its user. */
export async function comeBack(page: Page): Promise<void> {
  await page.evaluate(() => dispatchEvent(new Event("online")));
}
