// Asking for a picture and seeing it come, in Chromium, whatever happens on the way.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { type ControlledStack, startControlledStack } from "../flow/controlled-stack.ts";
import { photo } from "../flow/photo.ts";
import { launchChromium } from "./chromium.ts";
import {
  ask,
  comeBack,
  composer,
  makeButton,
  openPhone,
  type Phone,
  pictures,
  tiles,
  untilShown,
} from "./phone.ts";

let stack: ControlledStack;
let browser: Browser;
let phone: Phone | null = null;
beforeAll(async () => {
  [stack, browser] = await Promise.all([startControlledStack(), launchChromium(inject("chromiumPath"))]);
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});
beforeEach(() => stack.provider({ latencyMs: 300, failTasks: false }));
afterEach(async () => {
  await phone?.stop();
  phone = null;
});

const allEnded = async (phone: Phone) =>
  await expect.poll(() => phone.statuses(), { timeout: 30_000 }).not.toContainEqual(
    expect.stringMatching(/^(queued|submitting|unknown|processing|persisting)$/),
  );

test("a picture arrives in the profile without a reload, and costs what was said", async () => {
  phone = await openPhone(browser, stack);
  const { page } = phone;
  await page.evaluate(() => document.body.dataset["mark"] = "the same page");
  await page.getByText(/^\d+ credits$/).waitFor();
  const balance = await page.locator(".balance").innerText();
  await ask(page);
  await expect.poll(() => tiles(page).count()).toBe(1);
  await untilShown(page, 1);
  expect(await page.evaluate(() => document.body.dataset["mark"])).toBe("the same page");
  await expect.poll(() => page.locator(".balance").innerText()).toBe(
    balance.replace(/\d+/, (credits) => String(Number(credits) - 1)),
  );
  // It was seen to end: no notification says so again.
  await page.getByRole("button", { name: "Notifications", exact: true }).waitFor();
  expect(await composer(page).inputValue()).toBe("");
});

test("a reload in the middle takes nothing away", async () => {
  await stack.provider({ latencyMs: 6000 });
  phone = await openPhone(browser, stack);
  const { page } = phone;
  await ask(page);
  await expect.poll(() => phone!.statuses()).toEqual(["processing"]);
  await page.reload();
  await page.getByRole("button", { name: "a lighthouse in a storm" }).waitFor();
  await untilShown(page, 1);
  expect(await phone.statuses()).toEqual(["completed"]);
});

test("an app that was closed finds its picture and is told of it", async () => {
  // It must not end while the page is still there to see it.
  await stack.provider({ latencyMs: 4000 });
  phone = await openPhone(browser, stack);
  await ask(phone.page);
  await expect.poll(() => phone!.statuses()).toEqual(["processing"]);
  await phone.page.close();
  await allEnded(phone);
  const page = await phone.openPage();
  await untilShown(page, 1);
  await page.getByRole("button", { name: "Notifications, 1 new" }).click();
  await page.getByText("Your picture is ready.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Notifications", exact: true }).waitFor();
});

test("a double tap is one job", async () => {
  phone = await openPhone(browser, stack);
  const { page } = phone;
  await composer(page).fill("a lighthouse in a storm");
  await makeButton(page).dblclick();
  await untilShown(page, 1);
  expect(await phone.statuses()).toEqual(["completed"]);
});

test("two tabs show the same, from the tap to the deletion", async () => {
  await stack.provider({ latencyMs: 1000 });
  phone = await openPhone(browser, stack);
  const other = await phone.openPage();
  await composer(other).waitFor();
  await ask(phone.page);
  await expect.poll(() => tiles(other).count()).toBe(1);
  await Promise.all([untilShown(phone.page, 1), untilShown(other, 1)]);
  await pictures(other).click();
  await other.getByRole("button", { name: "Delete" }).click();
  await Promise.all([untilShown(phone.page, 0), untilShown(other, 0)]);
  expect(await phone.statuses()).toEqual(["completed"]);
});

test("a tap without a network is kept and sent once there is one", async () => {
  phone = await openPhone(browser, stack);
  const { page, context } = phone;
  await composer(page).fill("a lighthouse in a storm");
  await context.setOffline(true);
  await page.getByText("You are offline.", { exact: false }).waitFor();
  await makeButton(page).click();
  await expect.poll(() => tiles(page).count()).toBe(1);
  await page.getByText("Kept. It is sent once there is a network.").waitFor();
  await page.getByText("Waits for a network").waitFor();
  expect(await phone.statuses()).toEqual([]);
  await context.setOffline(false);
  await untilShown(page, 1);
  expect(await phone.statuses()).toEqual(["completed"]);
});

test("with push blocked the picture comes with the next look", async () => {
  phone = await openPhone(browser, stack, {
    before: (context) => context.routeWebSocket(/realtime/, (socket) => socket.close()),
  });
  const { page } = phone;
  await ask(page);
  await expect.poll(() => phone!.statuses()).toHaveLength(1);
  await allEnded(phone);
  await comeBack(page);
  await untilShown(page, 1);
});

test("final messages that are lost are made up for", async () => {
  let dropped = 0;
  phone = await openPhone(browser, stack, {
    before: (context) =>
      context.routeWebSocket(/realtime/, (socket) => {
        const server = socket.connectToServer();
        server.onMessage((message) => {
          // The picture's own and the job's last, which may be one.
          const isFinal = /"completed"|"images": ?\[ ?\{/.test(String(message));
          if (isFinal) dropped++;
          else socket.send(message);
        });
      }),
  });
  const { page } = phone;
  await ask(page);
  await expect.poll(() => phone!.statuses()).toHaveLength(1);
  await allEnded(phone);
  // The picture's, the job's and the thumbnail's.
  await expect.poll(() => dropped).toBeGreaterThan(2);
  expect(await pictures(page).count()).toBe(0);
  await comeBack(page);
  await untilShown(page, 1);
});

test("a job can be canceled where it is shown", async () => {
  await stack.provider({ latencyMs: 60_000 });
  phone = await openPhone(browser, stack);
  const { page } = phone;
  await ask(page);
  await expect.poll(() => phone!.statuses()).toEqual(["processing"]);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("Canceled.").waitFor();
  expect(await phone.statuses()).toEqual(["canceled"]);
});

test("what failed says why, shows what happened and is asked for again by one tap", async () => {
  await stack.provider({ failTasks: true });
  phone = await openPhone(browser, stack);
  const { page } = phone;
  await ask(page);
  await page.getByText("The picture could not be made.").waitFor({ timeout: 30_000 });
  await page.getByRole("button", { name: "a lighthouse in a storm" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Retry; nothing was charged.").waitFor();
  await dialog.getByRole("button", { name: "Logs" }).click();
  await dialog.getByRole("list", { name: "What happened" }).getByText("failed").first().waitFor();
  await stack.provider({ failTasks: false });
  await dialog.getByRole("button", { name: "Retry" }).click();
  await untilShown(page, 1);
  expect((await phone.statuses()).at(-1)).toBe("completed");
});

test("an upload that was cut goes on when the app is back", async () => {
  phone = await openPhone(browser, stack);
  const { page } = phone;
  let cuts = 0;
  await page.route(/\/upload\/resumable\//, async (route) => {
    if (route.request().method() !== "PATCH" || cuts > 0) return await route.continue();
    cuts++;
    await page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await route.abort("connectionreset");
  });
  await page.getByRole("button", { name: /FLUX/ }).click();
  await page.getByLabel("Model").selectOption({ label: "Nano Banana Edit" });
  await page.getByLabel("Reference image", { exact: true }).setInputFiles({
    name: "reference.png",
    mimeType: "image/png",
    buffer: await photo(8),
  });
  await expect.poll(() => cuts).toBe(1);
  await page.getByRole("button", { name: "Stop the upload" }).waitFor();
  await page.evaluate(() => {
    Reflect.deleteProperty(document, "visibilityState");
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.getByRole("img", { name: "Reference 1" }).waitFor();
  await ask(page, "the same in winter");
  await untilShown(page, 1);
});

test("a session that has run out is refreshed, and one that was ended asks to sign in", async () => {
  phone = await openPhone(browser, stack);
  const { page } = phone;
  const runOut = () =>
    page.evaluate(() => {
      const key = Object.keys(localStorage).find((name) => name.endsWith("-auth-token"))!;
      const session = JSON.parse(localStorage.getItem(key)!);
      localStorage.setItem(key, JSON.stringify({ ...session, expires_at: 1, expires_in: 0 }));
    });
  await runOut();
  await page.reload();
  await ask(page);
  await untilShown(page, 1);
  await stack.sql`delete from auth.sessions where user_id = ${phone.userId}`;
  await runOut();
  await page.reload();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
});
