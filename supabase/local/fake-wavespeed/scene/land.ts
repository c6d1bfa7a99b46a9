// What lies behind the water's edge: ranges, hills and dunes that dissolve with distance, or a city.

import { mix } from "./colour.ts";
import type { Mood } from "./mood.ts";
import { drawRange } from "./mountains.ts";
import { fill, type Point, range } from "./outline.ts";
import { createNoise, type Random } from "./random.ts";
import type { Frame } from "./sky.ts";
import { drawSkyline } from "./skyline.ts";

const stepUnits = 7;

/** Everything behind the water's edge, as one group, so that the water can mirror it. */
export function drawDistance(frame: Frame, mood: Mood, random: Random): string {
  if (mood.land === "city") return drawSkyline(frame, mood, random);
  const layers = mood.land === "sea" ? 1 : 3;
  const parts: string[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const depth = layers === 1 ? 0.25 : layer / layers;
    const colour = mix(mix(mood.far, mood.sky[2], 0.5), mood.near, depth * 0.75);
    if (mood.land === "mountains") {
      const tall = frame.horizon * (0.44 - depth * 0.34) * (layer === 0 ? random.between(0.85, 1.15) : 1);
      const snowShare = mood.snow ? 0.55 : layer === 0 ? 0.36 : 0.16;
      parts.push(drawRange({ colour, tall, snowShare }, frame, mood, random));
    } else {
      parts.push(drawHills(colour, depth, layer, frame, mood, random));
    }
    if (layer === layers - 1 && mood.tree === "pine") {
      parts.push(drawForestEdge(frame, mix(colour, mood.near, 0.4), random));
    }
  }
  return parts.join("\n");
}

function drawHills(
  colour: string,
  depth: number,
  layer: number,
  frame: Frame,
  mood: Mood,
  random: Random,
): string {
  const amplitude = frame.horizon * (mood.land === "sea" ? 0.07 : 0.16 - depth * 0.06);
  const noise = createNoise(random, 3);
  const offset = random.between(0, 50);
  const ridge = range(0, frame.width, stepUnits).map((x) => ({
    x,
    y: frame.horizon - amplitude * (0.5 + noise(x / 420 + offset) * 0.975),
  }));
  return `<linearGradient id="ridge${layer}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${colour}"/><stop offset="1" stop-color="${
    mix(colour, mood.sky[2], 0.45)
  }"/></linearGradient><path d="${fill(ridge, frame.horizon + 6)}" fill="url(#ridge${layer})"/>`;
}

function drawForestEdge(frame: Frame, colour: string, random: Random): string {
  const noise = createNoise(random, 3);
  const points: Point[] = [];
  for (let x = -10; x < frame.width + 20; x += random.between(7, 15)) {
    const tall = 18 + 26 * Math.max(0, noise(x / 160) + 0.5) + random.between(0, 12);
    points.push({ x, y: frame.horizon - 2 }, { x: x + 5, y: frame.horizon - tall }, {
      x: x + 10,
      y: frame.horizon - 2,
    });
  }
  return `<path d="${fill(points, frame.horizon + 6)}" fill="${colour}"/>`;
}
