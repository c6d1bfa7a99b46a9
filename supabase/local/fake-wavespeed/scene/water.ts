// Water with the far shore upside down in it, and the light's glitter.

import { darker, lighter, mix } from "./colour.ts";
import type { Mood } from "./mood.ts";
import { n } from "./outline.ts";
import type { Random } from "./random.ts";
import type { Frame } from "./sky.ts";

export function drawWater(frame: Frame, mood: Mood, random: Random): string {
  const { horizon, height, width, sun } = frame;
  const depth = height - horizon;
  const parts = [
    `<linearGradient id="water" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${
      mix(mood.sky[2], mood.sky[1], 0.35)
    }"/><stop offset=".5" stop-color="${mix(mood.sky[1], mood.near, 0.25)}"/><stop offset="1" stop-color="${
      mix(mood.sky[0], mood.near, 0.5)
    }"/></linearGradient><rect y="${n(horizon)}" width="${n(width)}" height="${
      n(depth)
    }" fill="url(#water)"/>`,
    `<g opacity=".38"><use href="#distance" transform="translate(0 ${n(horizon * 1.7)}) scale(1 -.7)"/></g>`,
  ];
  const glitter = Array.from({ length: 90 }, () => {
    const fall = random.between(0, 1) ** 1.4;
    const spread = sun.radius * (0.5 + fall * 2.6);
    const length = random.between(10, 50) * (0.4 + fall);
    const x = sun.x + random.between(-1, 1) * random.between(0, 1) * spread - length / 2;
    return `<rect x="${n(x)}" y="${n(horizon + 3 + fall * depth * 0.95)}" width="${n(length)}" height="${
      n(1.2 + fall * 3)
    }" rx="1.5" fill="${mood.light}" opacity="${
      (random.between(0.25, 0.75) * (1 - fall * 0.55)).toFixed(2)
    }"/>`;
  });
  const ripples = Array.from({ length: 70 }, () => {
    const fall = random.between(0, 1);
    const length = random.between(40, 190) * (0.25 + fall);
    return `<rect x="${n(random.between(-60, width))}" y="${n(horizon + 4 + fall * depth)}" width="${
      n(length)
    }" height="${n(0.8 + fall * 2.2)}" rx="1" fill="${
      random.chance(0.6) ? lighter(mood.sky[2], 0.3) : darker(mood.sky[1], 0.4)
    }" opacity="${random.between(0.06, 0.22).toFixed(2)}"/>`;
  });
  return [...parts, ...ripples, ...glitter].join("");
}
