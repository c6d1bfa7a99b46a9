// What somebody writes, as it must not be found in any log.

import { randomBytes } from "node:crypto";

const marker = randomBytes(4).toString("hex");
/** In every text below, and in nothing else. */
export const word = `zq${marker}`;
/** With quotes, an escape, letters beyond ASCII and beyond the first plane. */
export const prompt = `a lantern "${word}" \\ über die Brücke 鯨のランタン🦊`;
export const promptEnd = "über die Brücke 鯨のランタン🦊";
export const fileName = `zq-holiday-${marker}.png`;
/** What somebody typed where it does not belong. */
export const typed = `typed-${marker}-elsewhere`;
