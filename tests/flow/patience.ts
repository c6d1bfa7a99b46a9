// How long the flow tests wait: the one place for it. The stand-in provider needs a second or two for a picture; a real
// one needs tens of seconds, and as long again where callbacks cannot reach the project and results are polled.

import { inject, vi } from "vitest";

const seconds = 1000;
const isExternal = inject("external");

/** For a change to be pushed, whatever has to happen before it. */
export const changeMs = (isExternal ? 300 : 30) * seconds;

// A test may wait for two jobs, one after the other.
if (isExternal) vi.setConfig({ testTimeout: 3 * changeMs, hookTimeout: 2 * changeMs });
