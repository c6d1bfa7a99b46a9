// Delivers one callback: signed anew for each try, repeated until a 2xx, and given up once the stand-in has stopped.

import { createHmac, randomUUID } from "node:crypto";
import { signWebhook, type WebhookHeaders } from "../../../shared/wavespeed/mod.ts";
import type { Clock } from "./clock.ts";
import type { Settings } from "./settings.ts";

export interface Delivery {
  url: string;
  taskId: string;
  body: string;
  secret: string;
  settings: Settings;
  clock: Clock;
  signal: AbortSignal;
}

/** True once the endpoint has acknowledged with a 2xx. */
export async function deliver(delivery: Delivery): Promise<boolean> {
  const { url, body, settings, clock, signal } = delivery;
  const id = settings.webhookId === "prediction" ? delivery.taskId : `msg_${randomUUID()}`;
  for (let repetition = 0; repetition <= settings.callbackRetries && !signal.aborted; repetition++) {
    if (repetition > 0) {
      await clock.sleep(settings.callbackRetryMs * 2 ** (repetition - 1), signal);
      if (signal.aborted) break;
    }
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...await sign(delivery, id) },
        body,
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(settings.callbackAnswerMs)]),
      });
      await response.body?.cancel();
      if (response.ok) return true;
    } catch {
      // Nobody there, or too slow: the next try is what a delivery service does about it.
    }
  }
  return false;
}

/** By the machine's clock, also where the stand-in's was moved: the receiver compares it with its own. */
async function sign(
  { body, secret, settings }: Delivery,
  id: string,
): Promise<WebhookHeaders | Record<string, string>> {
  const timestampSeconds = Math.floor(Date.now() / 1000) - settings.callbackAgeSeconds;
  if (settings.signature === "v1") {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const digest = createHmac("sha256", key).update(`${id}.${timestampSeconds}.${body}`).digest("base64");
    return {
      "webhook-id": id,
      "webhook-timestamp": String(timestampSeconds),
      "webhook-signature": `v1,${digest}`,
    };
  }
  return await signWebhook({
    // Signing takes one prefix off.
    secret: settings.signature === "v3-whole" ? `whsec_${secret}` : secret,
    id,
    timestampSeconds,
    body: new TextEncoder().encode(body),
  });
}
