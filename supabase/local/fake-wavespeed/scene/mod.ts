// Draws a landscape for a prompt as an SVG document. A stand-in for a model that paints: the hour, the land, the
// weather, the colours and the subject follow the prompt's words, the composition follows the seed.

import { type Mood, readMood } from "./mood.ts";
import { drawForeground, drawWeather } from "./ground.ts";
import { drawDistance } from "./land.ts";
import { n } from "./outline.ts";
import { createRandom, type Random } from "./random.ts";
import { drawSky, drawSkyGradients, type Frame } from "./sky.ts";
import { drawSubject } from "./subjects.ts";
import { drawWater } from "./water.ts";

export interface SceneRequest {
  prompt: string;
  seed: number;
  index: number;
  widthPixels: number;
  heightPixels: number;
  /** `overlay` leaves the sky and the distance out, to be laid over another picture. */
  part: "whole" | "overlay";
}

export function drawScene(request: SceneRequest): string {
  const { widthPixels, heightPixels } = request;
  const mood = readMood(request.prompt);
  const random = createRandom(`${request.prompt}|${request.seed}|${request.index}`);
  const scale = 1000 / Math.min(widthPixels, heightPixels);
  const frame = makeFrame(widthPixels * scale, heightPixels * scale, mood, random);
  const body = request.part === "whole" ? drawWhole(frame, mood, random) : drawOverlay(frame, mood, random);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${widthPixels}" height="${heightPixels}" viewBox="0 0 ${
    n(frame.width)
  } ${n(frame.height)}" preserveAspectRatio="none">${body}</svg>`;
}

function makeFrame(width: number, height: number, mood: Mood, random: Random): Frame {
  const horizon = height * random.between(0.54, 0.64);
  const radius = random.between(38, 74);
  // Rule of thirds, with some play: the light stands left or right, the subject opposite.
  const x = width * (random.chance(0.5) ? random.between(0.2, 0.4) : random.between(0.6, 0.8));
  const low = !mood.dark && random.chance(0.5);
  const y = horizon * (low ? random.between(0.55, 0.78) : random.between(0.2, 0.5));
  return { width, height, horizon, sun: { x, y, radius } };
}

function drawWhole(frame: Frame, mood: Mood, random: Random): string {
  const parts = [
    `<defs>${drawSkyGradients(mood)}</defs>`,
    drawSky(frame, mood, random),
    `<g id="distance">${drawDistance(frame, mood, random)}</g>`,
    drawMist(frame, mood),
  ];
  if (mood.water) parts.push(drawWater(frame, mood, random));
  const ground = drawForeground(frame, mood, random);
  const subject = placeSubject(frame, mood, random, ground.surface);
  const behind = subject?.behindGround === true;
  if (behind) parts.push(subject.svg);
  parts.push(ground.svg);
  if (subject !== null && !behind) parts.push(subject.svg);
  parts.push(drawWeather(frame, mood, random), drawVignette(frame));
  return parts.join("\n");
}

function drawOverlay(frame: Frame, mood: Mood, random: Random): string {
  const ground = drawForeground({ ...frame, horizon: frame.height * 0.8 }, mood, random);
  const subject = placeSubject(frame, mood, random, ground.surface);
  const glow = frame.sun.radius * 9;
  return [
    `<defs>${drawSkyGradients(mood)}</defs>`,
    `<linearGradient id="tint" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${
      mood.sky[0]
    }" stop-opacity=".55"/><stop offset=".6" stop-color="${
      mood.sky[1]
    }" stop-opacity=".22"/><stop offset="1" stop-color="${mood.near}" stop-opacity=".4"/></linearGradient>`,
    `<rect width="100%" height="100%" fill="url(#tint)"/>`,
    `<circle cx="${n(frame.sun.x)}" cy="${n(frame.sun.y)}" r="${n(glow)}" fill="url(#glow)" opacity=".8"/>`,
    ground.svg,
    subject?.svg ?? "",
    drawWeather(frame, mood, random),
    drawVignette(frame),
  ].join("\n");
}

function placeSubject(
  frame: Frame,
  mood: Mood,
  random: Random,
  surface: (x: number) => number,
): { svg: string; behindGround: boolean } | null {
  if (mood.subject === null) return null;
  const subject = drawSubject(mood.subject, mood);
  const side = frame.sun.x < frame.width / 2 ? 1 : -1;
  const x = frame.width * (0.5 + side * random.between(0.06, 0.18));
  const scale = (subject.share * 1000 * random.between(0.92, 1.1)) / 100;
  const y = {
    ground: surface(x) + 26,
    water: frame.horizon + (frame.height - frame.horizon) * random.between(0.28, 0.42),
    air: frame.horizon * random.between(0.62, 0.8),
  }[subject.place];
  const flip = random.chance(0.5) ? -1 : 1;
  return {
    svg: `<g transform="translate(${n(x)} ${n(y)}) scale(${(scale * flip).toFixed(3)} ${
      scale.toFixed(3)
    })">${subject.svg}</g>`,
    behindGround: subject.place !== "ground",
  };
}

function drawMist(frame: Frame, mood: Mood): string {
  const tall = frame.horizon * 0.3;
  return `<linearGradient id="mist" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${
    mood.sky[2]
  }" stop-opacity="0"/><stop offset="1" stop-color="${
    mood.sky[2]
  }" stop-opacity=".5"/></linearGradient><rect y="${n(frame.horizon - tall)}" width="${
    n(frame.width)
  }" height="${n(tall + 4)}" fill="url(#mist)"/>`;
}

function drawVignette(frame: Frame): string {
  return `<radialGradient id="vignette" cx=".5" cy=".48" r=".75"><stop offset=".6" stop-color="#05070f" stop-opacity="0"/><stop offset="1" stop-color="#05070f" stop-opacity=".26"/></radialGradient><rect width="${
    n(frame.width)
  }" height="${n(frame.height)}" fill="url(#vignette)"/>`;
}
