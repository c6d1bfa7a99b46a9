// The ground at our feet with its trees and flowers, and what falls from the sky on it.

import { darker, lighter, mix } from "./colour.ts";
import type { Mood } from "./mood.ts";
import { fill, n, range } from "./outline.ts";
import { createNoise, type Random } from "./random.ts";
import type { Frame } from "./sky.ts";
import { drawTree } from "./trees.ts";

/** Coarse enough for ground that rolls gently. */
const stepUnits = 14;

/** The ground we stand on; answers its surface, for what is placed there. */
export function drawForeground(
  frame: Frame,
  mood: Mood,
  random: Random,
): { svg: string; surface: (x: number) => number } {
  const { width, height, horizon } = frame;
  const open = mood.water || mood.land === "sea";
  const top = open ? height - (height - horizon) * 0.3 : horizon + (height - horizon) * 0.34;
  const noise = createNoise(random, 2);
  const tilt = random.chance(0.5) ? 1 : -1;
  const surface = (x: number) =>
    top + noise(x / 520) * 34 + (open ? tilt * (x / width - 0.5) * (height - horizon) * 0.22 : 0);
  const ground = mood.snow
    ? mix(mix("#f4f8fc", mood.sky[1], mood.dark ? 0.55 : 0.12), mood.near, 0.04)
    : mood.near;
  const points = range(0, width, stepUnits).map((x) => ({ x, y: surface(x) }));
  const middle = points.map(({ x, y }) => ({ x, y: y - 46 - 30 * noise(x / 300 + 17) }));
  const back = mood.snow ? mix(ground, mood.sky[1], 0.4) : mix(ground, mood.far, 0.3);
  const parts = open ? [] : [
    `<rect y="${n(horizon - 1)}" width="${n(width)}" height="${n(height - horizon)}" fill="${
      mix(back, mood.sky[2], 0.4)
    }"/>`,
    `<path d="${fill(middle.map(({ x, y }) => ({ x, y: y - 40 })), height)}" fill="${
      mix(back, mood.sky[2], 0.22)
    }"/>`,
    `<path d="${fill(middle, height)}" fill="${back}"/>`,
  ];
  if (!open) {
    parts.push(plant(frame, mood, random, (x) => surface(x) - 44, random.whole(9, 17), [40, 95], 0.3));
  }
  parts.push(
    `<linearGradient id="ground" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${ground}"/><stop offset="1" stop-color="${
      mood.snow ? mix(ground, mood.sky[0], 0.35) : darker(ground, 0.45)
    }"/></linearGradient><path d="${fill(points, height)}" fill="url(#ground)"/>`,
  );
  parts.push(frameWithTrees(frame, mood, random, surface));
  if (mood.flowers && !mood.snow) parts.push(drawFlowers(frame, mood, random, surface));
  return { svg: parts.join("\n"), surface };
}

export function drawWeather(frame: Frame, mood: Mood, random: Random): string {
  if (mood.snow) {
    return Array.from({ length: Math.round(frame.width / 7) }, () => {
      const size = random.between(0, 1) ** 3;
      return `<circle cx="${n(random.between(0, frame.width))}" cy="${
        n(random.between(0, frame.height))
      }" r="${n(1.2 + size * 5)}" fill="#fff" opacity="${(0.85 - size * 0.45).toFixed(2)}"/>`;
    }).join("");
  }
  if (!mood.rain) return "";
  return Array.from({ length: Math.round(frame.width / 6) }, () => {
    const [x, y, length] = [
      random.between(0, frame.width),
      random.between(0, frame.height),
      random.between(18, 46),
    ];
    return `<path d="M${n(x)} ${n(y)}l${n(-length * 0.22)} ${
      n(length)
    }" stroke="#e8f0f8" stroke-width="1.4" opacity=".35"/>`;
  }).join("");
}

function plant(
  frame: Frame,
  mood: Mood,
  random: Random,
  surface: (x: number) => number,
  count: number,
  size: readonly [number, number],
  haze: number,
): string {
  if (mood.tree === "none") return "";
  return Array.from({ length: count }, () => {
    const x = random.between(0, frame.width);
    return drawTree(mood, random, x, surface(x) + 6, random.between(size[0], size[1]), haze);
  }).join("");
}

/** Tall trees at the edges only: the middle belongs to the subject and the light. */
function frameWithTrees(frame: Frame, mood: Mood, random: Random, surface: (x: number) => number): string {
  if (mood.tree === "none") return "";
  const sides = random.chance(0.55) ? [-1, 1] : [random.chance(0.5) ? -1 : 1];
  return sides.flatMap((side) =>
    Array.from({ length: random.whole(2, 4) }, (_, index) => {
      const inset = random.between(-0.02, 0.2) * frame.width;
      const x = side < 0 ? inset : frame.width - inset;
      return drawTree(
        mood,
        random,
        x,
        surface(x) + 14 + index * 6,
        random.between(210, 390) - Math.max(0, inset) * 0.5,
        0,
      );
    })
  ).join("");
}

function drawFlowers(frame: Frame, mood: Mood, random: Random, surface: (x: number) => number): string {
  return Array.from({ length: Math.round(frame.width / 5) }, () => {
    const x = random.between(0, frame.width);
    const nearness = random.between(0.02, 1);
    const y = surface(x) + nearness * (frame.height - surface(x));
    const size = 2 + nearness * 9;
    const colour = random.chance(0.7)
      ? lighter(mood.accent, random.between(0, 0.35))
      : lighter(mood.light, 0.4);
    return `<path d="M${n(x)} ${n(y)}v${n(size * 2.6)}" stroke="${darker("#4d8a4a", 0.3)}" stroke-width="${
      n(size * 0.22)
    }"/><circle cx="${n(x)}" cy="${n(y)}" r="${n(size)}" fill="${colour}"/><circle cx="${n(x)}" cy="${
      n(y)
    }" r="${n(size * 0.36)}" fill="${darker(colour, 0.35)}"/>`;
  }).join("");
}
