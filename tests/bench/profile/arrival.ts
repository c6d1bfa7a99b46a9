// From the callback to the picture on the profile in Chromium, beside the least that the same machine could do: the
// message of the same transaction on a bare websocket.

import type { JSHandle, Page } from "playwright-core";
import { launchChromium, unpackChromium } from "../../browser/chromium.ts";
import { ask, openPhone } from "../../browser/phone.ts";
import { type ControlledStack, startControlledStack } from "../../flow/controlled-stack.ts";
import type { Finding } from "../part.ts";
import type { Sizes } from "../sizes.ts";
import { summarize } from "../statistics.ts";
import { listen, type Listener } from "./listener.ts";

/** Milliseconds. */
interface Sample {
  /** The transaction that records the picture reads the clock → a bare websocket has its message. */
  bare: number;
  /** The same → the picture's bytes are drawn in the page. */
  visible: number;
  /** The callback settles → the picture's bytes are drawn: with fetching and storing it. */
  fromCallback: number;
}

export async function measureArrival({ warmUps, pictures }: Sizes["profile"]): Promise<Finding> {
  const samples: Sample[] = [];
  const chromium = await unpackChromium();
  const stack = await startControlledStack();
  try {
    await stack.provider({ latencyMs: 300 });
    // Nobody waits for a turn here.
    await stack.settings({ user_start_burst: 1000, user_starts_per_minute: 1000 });
    await stack.sql`update genflow.provider set start_burst = 1000, starts_per_minute = 1000`;
    const browser = await launchChromium(chromium.executablePath);
    try {
      const phone = await openPhone(browser, stack);
      const listener = await listen(stack, phone.userId, await tokenOf(phone.page));
      try {
        const drawn = await watch(phone.page);
        for (let each = 0; each < warmUps + pictures; each++) {
          const sample = await arrive(stack, phone.page, drawn, listener, each);
          if (each >= warmUps) samples.push(sample);
        }
      } finally {
        listener.close();
        await phone.stop();
      }
    } finally {
      await browser.close();
    }
  } finally {
    await stack.stop();
    await chromium.remove();
  }
  const rows = [
    ["committed → bare websocket", samples.map(({ bare }) => bare)],
    ["committed → drawn on the profile", samples.map(({ visible }) => visible)],
    ["callback → drawn on the profile", samples.map(({ fromCallback }) => fromCallback)],
  ] as const;
  const [floor] = rows;
  return {
    settings: { warmUps, pictures },
    tables: [{
      title: "A picture's way to the profile",
      columns: ["from → to", "p50 ms", "p95 ms", "p50 of the floor"],
      rows: rows.map(([name, ms]) => {
        const { median, p95 } = summarize(ms);
        return [name, median, p95, median / summarize(floor[1]).median];
      }),
      notes: [
        `${pictures} pictures, one after the other, after ${warmUps} to warm up; Chromium, stack and provider on one ` +
        "machine, whose clock all of them read. Committed: when the transaction that records the picture read the clock.",
      ],
    }],
    verdicts: [],
    samples,
  };
}

async function arrive(
  stack: ControlledStack,
  page: Page,
  drawn: JSHandle<number[]>,
  listener: Listener,
  number: number,
): Promise<Sample> {
  await ask(page, `picture ${number}`);
  const drawnMs = await drawn.evaluate((all, number) =>
    new Promise<number>((resolve) => {
      const look = () => {
        if (all[number] === undefined) requestAnimationFrame(look);
        else resolve(all[number]);
      };
      look();
    }), number);
  const { imageId, atMs } = await listener.stored(number);
  const [row] = await stack.sql<[{ stored: Date; settled: Date }]>`
    select i.created_at as stored, j.persisting_at as settled
    from public.generation_images i join public.generation_jobs j on j.id = i.job_id where i.id = ${imageId}`;
  const storedMs = row.stored.getTime();
  return {
    bare: atMs - storedMs,
    visible: drawnMs - storedMs,
    fromCallback: drawnMs - row.settled.getTime(),
  };
}

/** Notes when the newest picture's bytes are there: milliseconds since the epoch, the first that came first. */
async function watch(page: Page): Promise<JSHandle<number[]>> {
  return await page.evaluateHandle(() => {
    const drawn: number[] = [];
    let last = "";
    const look = () => {
      const newest = document.querySelector<HTMLImageElement>(
        '.grid > li[aria-posinset="1"] .picture.is-there img',
      );
      const path = newest?.src.split("?")[0] ?? "";
      if (path === "" || path === last) return;
      last = path;
      drawn.push(performance.timeOrigin + performance.now());
    };
    new MutationObserver(look).observe(document.body, {
      childList: true,
      subtree: true,
      attributes: true,
    });
    return drawn;
  });
}

async function tokenOf(page: Page): Promise<string> {
  return await page.evaluate(() => {
    const key = Object.keys(localStorage).find((name) => name.endsWith("-auth-token"))!;
    return JSON.parse(localStorage.getItem(key)!).access_token;
  });
}
