// The header that the database puts on its knock: `<unix seconds>.<hex HMAC-SHA256 of them>`. Queued requests can be
// read by every database login, so it is a stamp that is good for a minute and opens nothing else.

import { hmacHex, sameText } from "./digest.ts";

export const sweepStampHeader = "x-genflow-sweep";
const toleranceSeconds = 60;
const stampForm = /^([1-9][0-9]{0,10})\.([0-9a-f]{64})$/;

export async function sweepStamp(secret: string, nowSeconds: number): Promise<string> {
  const timestamp = String(Math.floor(nowSeconds));
  return `${timestamp}.${await hmacHex(secret, timestamp)}`;
}

export async function isSweepStamp(
  stamp: string | null,
  secret: string,
  nowSeconds: number,
): Promise<boolean> {
  const [, timestamp, mac] = stampForm.exec(stamp ?? "") ?? [];
  if (timestamp === undefined || mac === undefined || secret === "") return false;
  if (!(Math.abs(nowSeconds - Number(timestamp)) <= toleranceSeconds)) return false;
  return sameText(await hmacHex(secret, timestamp), mac);
}
