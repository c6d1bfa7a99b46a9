// The upper half: gradient, sun or moon with its glow, stars, aurora, clouds, birds.

import { lighter, mix } from "./colour.ts";
import type { Mood } from "./mood.ts";
import { n } from "./outline.ts";
import { createNoise, type Random } from "./random.ts";

export interface Frame {
  /** The picture in units of a thousandth of its shorter side. */
  width: number;
  height: number;
  horizon: number;
  sun: { x: number; y: number; radius: number };
}

export function drawSkyGradients(mood: Mood): string {
  return `<linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
<stop offset="0" stop-color="${mood.sky[0]}"/><stop offset=".5" stop-color="${
    mood.sky[1]
  }"/><stop offset="1" stop-color="${mood.sky[2]}"/></linearGradient>
<radialGradient id="glow"><stop offset="0" stop-color="${mood.light}" stop-opacity=".85"/><stop offset=".22" stop-color="${mood.light}" stop-opacity=".4"/><stop offset=".55" stop-color="${
    mood.sky[2]
  }" stop-opacity=".16"/><stop offset="1" stop-color="${mood.sky[2]}" stop-opacity="0"/></radialGradient>
<radialGradient id="cloud"><stop offset="0" stop-color="${
    lighter(mood.sky[2], mood.dark ? 0.05 : 0.55)
  }" stop-opacity=".5"/><stop offset=".6" stop-color="${
    lighter(mood.sky[2], 0.3)
  }" stop-opacity=".2"/><stop offset="1" stop-color="${mood.sky[2]}" stop-opacity="0"/></radialGradient>`;
}

export function drawSky(frame: Frame, mood: Mood, random: Random): string {
  const { sun } = frame;
  const parts = [`<rect width="${frame.width}" height="${frame.horizon + 4}" fill="url(#sky)"/>`];
  if (mood.dark) parts.push(drawStars(frame, random));
  if (mood.aurora) parts.push(drawAurora(frame, mood, random));
  const glow = sun.radius * (mood.dark ? 6 : 9);
  parts.push(`<circle cx="${sun.x}" cy="${sun.y}" r="${glow}" fill="url(#glow)"/>`);
  parts.push(`<circle cx="${sun.x}" cy="${sun.y}" r="${sun.radius}" fill="${mood.light}"/>`);
  if (mood.dark) parts.push(drawCraters(frame, mood, random));
  parts.push(drawClouds(frame, random, mood.rain ? 11 : random.whole(3, 6)));
  if (!mood.dark && !mood.rain && random.chance(0.7)) parts.push(drawBirds(frame, mood, random));
  return parts.join("\n");
}

function drawStars(frame: Frame, random: Random): string {
  const count = Math.round((frame.width * frame.horizon) / 2600);
  return Array.from({ length: count }, () => {
    const y = random.between(0, frame.horizon);
    const radius = random.chance(0.06) ? random.between(2, 3) : random.between(0.5, 1.4);
    const opacity = (random.between(0.35, 1) * (1 - (0.75 * y) / frame.horizon)).toFixed(2);
    return `<circle cx="${n(random.between(0, frame.width))}" cy="${n(y)}" r="${
      n(radius)
    }" fill="#fff" opacity="${opacity}"/>`;
  }).join("");
}

function drawAurora(frame: Frame, mood: Mood, random: Random): string {
  const bands: string[] = [];
  for (let band = 0; band < 3; band++) {
    const noise = createNoise(random, 3);
    const base = frame.horizon * random.between(0.35, 0.65);
    const colour = band === 1 ? mood.accent : mix("#3df2a5", mood.accent, random.between(0.1, 0.5));
    const id = `aurora${band}`;
    bands.push(
      `<linearGradient id="${id}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${colour}" stop-opacity="0"/><stop offset=".75" stop-color="${colour}" stop-opacity=".5"/><stop offset="1" stop-color="${colour}" stop-opacity="0"/></linearGradient>`,
    );
    const step = frame.width / 70;
    for (let column = 0; column < 70; column++) {
      const x = column * step;
      const bottom = base + noise(x / 420) * frame.horizon * 0.22;
      const tall = frame.horizon * (0.28 + 0.12 * noise(x / 90 + 9));
      bands.push(
        `<rect x="${n(x)}" y="${n(bottom - tall)}" width="${n(step + 0.7)}" height="${
          n(tall)
        }" fill="url(#${id})" opacity="${(0.55 + 0.4 * noise(x / 60 + 31)).toFixed(2)}"/>`,
      );
    }
  }
  return bands.join("");
}

function drawCraters({ sun }: Frame, mood: Mood, random: Random): string {
  const shade = mix(mood.light, mood.sky[1], 0.25);
  return Array.from({ length: 5 }, () => {
    const angle = random.between(0, Math.PI * 2);
    const distance = random.between(0, 0.62) * sun.radius;
    const radius = random.between(0.07, 0.22) * sun.radius;
    return `<circle cx="${n(sun.x + Math.cos(angle) * distance)}" cy="${
      n(sun.y + Math.sin(angle) * distance)
    }" r="${n(radius)}" fill="${shade}" opacity=".5"/>`;
  }).join("");
}

function drawClouds(frame: Frame, random: Random, count: number): string {
  const puffs: string[] = [];
  for (let cloud = 0; cloud < count; cloud++) {
    const x = random.between(-0.05, 1.05) * frame.width;
    const y = random.between(0.12, 0.85) * frame.horizon;
    const span = random.between(130, 330) * (0.45 + y / frame.horizon * 0.5);
    for (let puff = 0; puff < 13; puff++) {
      const along = random.between(-1, 1);
      const wide = span * random.between(0.25, 0.6) * (1.1 - Math.abs(along));
      puffs.push(
        `<ellipse cx="${n(x + along * span)}" cy="${
          n(y - (1 - along * along) * random.between(0, span * 0.14))
        }" rx="${n(wide)}" ry="${n(wide * 0.26)}" fill="url(#cloud)"/>`,
      );
    }
  }
  return puffs.join("");
}

function drawBirds(frame: Frame, mood: Mood, random: Random): string {
  const x = random.between(0.2, 0.75) * frame.width;
  const y = random.between(0.25, 0.5) * frame.horizon;
  return Array.from({ length: random.whole(4, 8) }, () => {
    const [bx, by, size] = [
      x + random.between(-110, 110),
      y + random.between(-45, 45),
      random.between(6, 13),
    ];
    return `<path d="M${n(bx - size)} ${n(by - size * 0.45)}q${n(size * 0.6)} ${n(-size * 0.25)} ${n(size)} ${
      n(size * 0.45)
    }q${n(size * 0.4)} ${n(-size * 0.7)} ${n(size)} ${
      n(-size * 0.45)
    }" fill="none" stroke="${mood.near}" stroke-width="2.2" stroke-linecap="round" opacity=".75"/>`;
  }).join("");
}
