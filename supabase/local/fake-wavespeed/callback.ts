// Delivers the callback of an ended task: signed, a few tries, none after the stand-in has stopped.

import { setTimeout as delay } from "node:timers/promises";
import { signWebhook } from "../../../shared/wavespeed/mod.ts";

const maxTries = 4;
const firstPauseMs = 500;
const answerMs = 5000;

export interface Delivery {
  url: string;
  id: string;
  body: string;
  secret: string;
  signal: AbortSignal;
}

/** True once the endpoint has acknowledged with a 2xx. */
export async function deliver({ url, id, body, secret, signal }: Delivery): Promise<boolean> {
  const bytes = new TextEncoder().encode(body);
  for (let attempt = 0; attempt < maxTries && !signal.aborted; attempt++) {
    if (attempt > 0) {
      await delay(firstPauseMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
    }
    const headers = await signWebhook({
      secret,
      id,
      timestampSeconds: Math.floor(Date.now() / 1000),
      body: bytes,
    });
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body,
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
      });
      await response.body?.cancel();
      if (response.ok) return true;
    } catch {
      // Nobody there, or too slow: the next try is what a delivery service does about it.
    }
  }
  return false;
}
