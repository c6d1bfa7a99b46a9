// A range of mountains: each summit has a lit and a shaded face, and snow where it is high enough.

import { darker, lighter, mix } from "./colour.ts";
import type { Mood } from "./mood.ts";
import { n, outline, type Point } from "./outline.ts";
import type { Random } from "./random.ts";
import type { Frame } from "./sky.ts";

interface Range {
  colour: string;
  /** Height of the tallest summit above the horizon. */
  tall: number;
  /** Share of each mountain, from the top, that wears snow. */
  snowShare: number;
}

export function drawRange(range: Range, frame: Frame, mood: Mood, random: Random): string {
  const summits: Point[] = [];
  for (
    let x = random.between(-0.1, 0.1) * frame.width;
    x < frame.width * 1.1;
    x += range.tall * random.between(0.5, 1.1)
  ) {
    summits.push({ x, y: frame.horizon - range.tall * random.between(0.45, 1) });
  }
  // The tallest stand behind, so that no summit hangs in the air before a lower one.
  summits.sort((one, other) => one.y - other.y);
  const foot = mix(range.colour, mood.sky[2], 0.5);
  const faces = [
    gradient("lit", mix(lighter(range.colour, 0.14), mood.light, 0.12), foot),
    gradient("shade", darker(range.colour, 0.16), foot),
  ];
  return `<g>${
    summits.map((summit) => drawMountain(summit, range, frame, mood, random, faces)).join("")
  }</g>`;
}

function gradient(
  face: string,
  top: string,
  foot: string,
): (top: number, bottom: number, id: string) => [string, string] {
  return (from, to, id) => [
    `<linearGradient id="${id}${face}" gradientUnits="userSpaceOnUse" x1="0" x2="0" y1="${n(from)}" y2="${
      n(to)
    }"><stop offset="0" stop-color="${top}"/><stop offset="1" stop-color="${foot}"/></linearGradient>`,
    `url(#${id}${face})`,
  ];
}

function drawMountain(
  summit: Point,
  range: Range,
  frame: Frame,
  mood: Mood,
  random: Random,
  faces: ReturnType<typeof gradient>[],
): string {
  const bottom = frame.horizon + 6;
  const tall = bottom - summit.y;
  const left = crack(summit, { x: summit.x - tall * random.between(0.75, 1.15), y: bottom }, 0.05, random);
  const right = crack(summit, { x: summit.x + tall * random.between(0.75, 1.15), y: bottom }, 0.05, random);
  const spine = crack(summit, { x: summit.x + tall * random.between(-0.22, 0.22), y: bottom }, 0.13, random);
  const litLeft = frame.sun.x < summit.x;
  const id = `m${Math.round(summit.x * 10)}x${Math.round(range.tall)}`.replace("-", "n");
  const [litDefinition, lit] = faces[0]?.(summit.y, bottom, id) ?? ["", ""];
  const [shadeDefinition, shade] = faces[1]?.(summit.y, bottom, id) ?? ["", ""];
  const parts = [
    litDefinition,
    shadeDefinition,
    `<path d="${outline([...left, ...right.toReversed()])}Z" fill="${litLeft ? lit : shade}"/>`,
    `<path d="${outline([...spine, ...right.toReversed()])}Z" fill="${litLeft ? shade : lit}"/>`,
  ];
  // Low hills in front of a high range stay bare.
  if (tall > range.tall * 0.5) parts.push(drawSnow(summit, left, right, spine, range, mood, random, litLeft));
  return parts.join("");
}

function drawSnow(
  summit: Point,
  left: readonly Point[],
  right: readonly Point[],
  spine: readonly Point[],
  range: Range,
  mood: Mood,
  random: Random,
  litLeft: boolean,
): string {
  const tall = (left.at(-1)?.y ?? summit.y) - summit.y;
  const line = summit.y + tall * range.snowShare * random.between(0.8, 1.15);
  const [ownLeft, ownRight, ownSpine] = [left, right, spine].map((edge) =>
    edge.filter((point) => point.y <= line)
  );
  if (ownLeft === undefined || ownRight === undefined || ownSpine === undefined) return "";
  const white = mix("#ffffff", mood.sky[2], mood.dark ? 0.62 : 0.12);
  const shaded = mix(white, mood.sky[0], 0.34);
  const face = (edge: readonly Point[], colour: string) =>
    `<path d="${
      outline([...edge, ...drip(edge.at(-1), ownSpine.at(-1), tall, random), ...ownSpine.toReversed()])
    }Z" fill="${colour}"/>`;
  return face(ownLeft, litLeft ? white : shaded) + face(ownRight, litLeft ? shaded : white);
}

/** The snow line between two edges: a saw whose teeth run down the gullies. */
function drip(from: Point | undefined, to: Point | undefined, tall: number, random: Random): Point[] {
  if (from === undefined || to === undefined) return [];
  const teeth = Math.max(2, Math.round(Math.abs(to.x - from.x) / 14));
  return Array.from({ length: teeth * 2 - 1 }, (_, index) => {
    const share = (index + 1) / (teeth * 2);
    const depth = index % 2 === 0 ? random.between(0.03, 0.1) : random.between(-0.06, -0.01);
    return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share + tall * depth };
  });
}

/** A broken line from top to bottom: midpoints pushed aside, less at each finer turn. */
function crack(from: Point, to: Point, roughness: number, random: Random): Point[] {
  let line = [from, to];
  let push = Math.hypot(to.x - from.x, to.y - from.y) * roughness;
  for (let turn = 0; turn < 5; turn++) {
    const finer: Point[] = [];
    for (const [index, point] of line.entries()) {
      const next = line[index + 1];
      finer.push(point);
      if (next === undefined) continue;
      finer.push({
        x: (point.x + next.x) / 2 + random.between(-push, push),
        y: (point.y + next.y) / 2 + random.between(-push, push) * 0.35,
      });
    }
    line = finer;
    push *= 0.52;
  }
  return line;
}
