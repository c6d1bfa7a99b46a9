// Every screen for everybody: axe-core's serious findings, the keyboard, and narrow and wide windows.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { type ControlledStack, startControlledStack } from "../flow/controlled-stack.ts";
import { launchChromium } from "./chromium.ts";
import { ask, composer, makeButton, openPhone, type Phone, pictures, untilShown } from "./phone.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let stack: ControlledStack;
let browser: Browser;
let phone: Phone;
beforeAll(async () => {
  [stack, browser] = await Promise.all([startControlledStack(), launchChromium(inject("chromiumPath"))]);
  await stack.provider({ latencyMs: 300 });
  phone = await openPhone(browser, stack);
});
afterAll(async () => {
  await phone?.stop();
  await browser?.close();
  await stack?.stop();
});

interface Found {
  violations: { id: string; impact: string; nodes: { html: string }[] }[];
}

async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const { violations } = await page.evaluate<Found>("axe.run()");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

/** In both schemes, on a phone, a tablet and a desktop; nothing scrolls sideways. */
async function check(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of [390, 768, 1280]) {
      await page.setViewportSize({ width, height: 844 });
      expect(await findings(page), `${colorScheme}, ${width} px`).toEqual([]);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `${colorScheme}, ${width} px`).toBeLessThanOrEqual(0);
    }
  }
  await page.setViewportSize({ width: 390, height: 844 });
}

test("signing in", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(stack.url);
  await page.getByLabel("E-mail").waitFor();
  await check(page);
  await context.close();
});

test("composing, the profile with what runs, came and failed, and its filters", async () => {
  const { page } = phone;
  await ask(page);
  await untilShown(page, 1);
  await stack.provider({ failTasks: true });
  await ask(page, "another");
  await page.getByRole("button", { name: "Retry" }).waitFor({ timeout: 30_000 });
  await stack.provider({ failTasks: false, latencyMs: 60_000 });
  await ask(page, "a third");
  await page.getByRole("button", { name: "Cancel" }).waitFor();
  await page.getByRole("button", { name: /FLUX/ }).click();
  await page.getByRole("button", { name: "More filters" }).click();
  await check(page);
});

test("one picture with its logs", async () => {
  const { page } = phone;
  await pictures(page).click();
  await page.getByRole("button", { name: "Logs" }).click();
  await page.getByRole("list", { name: "What happened" }).waitFor();
  await check(page);
  await page.keyboard.press("Escape");
  await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
});

test("notifications and the stand-in's drawer", async () => {
  const { page } = phone;
  await page.getByRole("button", { name: /^Notifications/ }).click();
  await page.getByRole("dialog", { name: "Notifications" }).waitFor();
  await check(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Stand-in provider" }).click();
  await page.getByText("Lost callbacks").waitFor();
  await check(page);
  await page.keyboard.press("Escape");
});

test("a picture can be asked for, opened and left with the keyboard alone", async () => {
  const other = await openPhone(browser, stack);
  try {
    const { page } = other;
    await stack.provider({ latencyMs: 300 });
    await composer(page).focus();
    await page.keyboard.type("by keyboard");
    await tabTo(page, makeButton(page));
    await page.keyboard.press("Enter");
    await untilShown(page, 1);
    await tabTo(page, page.locator("button.tile"));
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    // What is behind a dialog cannot be reached.
    for (let press = 0; press < 12; press++) {
      await page.keyboard.press("Tab");
      expect(
        await page.evaluate(() =>
          document.activeElement === document.body || document.activeElement!.closest("dialog") !== null
        ),
      ).toBe(true);
    }
    await page.keyboard.press("Escape");
    await expect.poll(() => dialog.count()).toBe(0);
    // The focus is where it was.
    expect(await page.evaluate(() => document.activeElement?.className)).toContain("tile");
  } finally {
    await other.stop();
  }
});

async function tabTo(page: Page, target: ReturnType<Page["locator"]>): Promise<void> {
  for (let press = 0; press < 30; press++) {
    await page.keyboard.press("Tab");
    if (await target.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error("thirty times Tab does not lead there");
}
