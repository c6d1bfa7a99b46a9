// A city against the sky: three rows of towers with lit windows.

import { lighter, mix } from "./colour.ts";
import type { Mood } from "./mood.ts";
import { n } from "./outline.ts";
import type { Random } from "./random.ts";
import type { Frame } from "./sky.ts";

export function drawSkyline(frame: Frame, mood: Mood, random: Random): string {
  const parts: string[] = [];
  for (let layer = 0; layer < 3; layer++) {
    const colour = mix(mix(mood.far, mood.sky[2], 0.45), mood.near, layer * 0.45);
    for (let x = -20; x < frame.width; x += random.between(38, 84)) {
      const wide = random.between(36, 92);
      const tall = frame.horizon * random.between(0.18, 0.62) * (1 - layer * 0.24);
      const top = frame.horizon - tall;
      parts.push(
        `<rect x="${n(x)}" y="${n(top)}" width="${n(wide)}" height="${n(tall + 6)}" fill="${colour}"/>`,
      );
      if (random.chance(0.25)) {
        parts.push(
          `<rect x="${n(x + wide / 2 - 1.5)}" y="${n(top - 40)}" width="3" height="42" fill="${colour}"/>`,
        );
      }
      if (layer > 0) parts.push(drawWindows(x, top, wide, tall, mood, random));
    }
  }
  return parts.join("");
}

/** One path a colour: a thousand single rectangles took three times as long to draw as all the rest. */
function drawWindows(x: number, top: number, wide: number, tall: number, mood: Mood, random: Random): string {
  let [warm, neon] = ["", ""];
  for (let wx = x + 7; wx < x + wide - 9; wx += 13) {
    for (let wy = top + 10; wy < top + tall - 8; wy += 18) {
      if (!random.chance(mood.dark ? 0.45 : 0.22)) continue;
      const window = `M${n(wx)} ${n(wy)}h6v9h-6z`;
      if (random.chance(0.18)) neon += window;
      else warm += window;
    }
  }
  return `<path d="${warm}" fill="#ffe2a0" opacity=".85"/><path d="${neon}" fill="${
    lighter(mood.accent, 0.3)
  }" opacity=".85"/>`;
}
