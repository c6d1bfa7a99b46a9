// One tree: a pine in tiers, a round crown, or a palm.

import { darker, lighter, mix } from "./colour.ts";
import type { Mood } from "./mood.ts";
import { n } from "./outline.ts";
import type { Random } from "./random.ts";

/** `haze` 0 … 1 takes the tree back into the distance. */
export function drawTree(
  mood: Mood,
  random: Random,
  x: number,
  y: number,
  tall: number,
  haze: number,
): string {
  switch (mood.tree) {
    case "pine":
      return drawPine(mood, random, x, y, tall, haze);
    case "round":
      return drawRound(mood, random, x, y, tall, haze);
    case "palm":
      return drawPalm(mood, random, x, y, tall, haze);
    case "none":
      return "";
  }
}

function drawPine(mood: Mood, random: Random, x: number, y: number, tall: number, haze: number): string {
  const colour = mix(mix(darker(mood.near, 0.3), "#17402f", 0.35), mood.far, haze);
  const tiers = 6;
  const parts = [
    `<rect x="${n(x - tall * 0.02)}" y="${n(y - tall * 0.12)}" width="${n(tall * 0.04)}" height="${
      n(tall * 0.13)
    }" fill="${darker(colour, 0.3)}"/>`,
  ];
  for (let tier = 0; tier < tiers; tier++) {
    const share = tier / tiers;
    const bottom = y - tall * (0.08 + share * 0.86);
    const top = bottom - tall * 0.28;
    const half = tall * (0.24 - share * 0.19) * random.between(0.88, 1.1);
    parts.push(
      `<path d="M${n(x)} ${n(top)}L${n(x + half)} ${n(bottom)}Q${n(x)} ${n(bottom - tall * 0.045)} ${
        n(x - half)
      } ${n(bottom)}Z" fill="${mix(colour, lighter(colour, 0.25), share * 0.5)}"/>`,
    );
    if (mood.snow) {
      parts.push(
        `<path d="M${n(x)} ${n(top)}L${n(x + half * 0.8)} ${n(bottom - tall * 0.055)}Q${n(x + half * 0.2)} ${
          n(bottom - tall * 0.11)
        } ${n(x - half * 0.35)} ${n(bottom - tall * 0.14)}Z" fill="#f5f9ff" opacity="${
          (0.85 - haze * 0.5).toFixed(2)
        }"/>`,
      );
    }
  }
  return parts.join("");
}

function drawRound(mood: Mood, random: Random, x: number, y: number, tall: number, haze: number): string {
  const leaf = mix(mix(mood.near, mood.accent, 0.4), mood.far, haze);
  const parts = [
    `<path d="M${n(x - tall * 0.025)} ${n(y)}L${n(x - tall * 0.012)} ${n(y - tall * 0.6)}H${
      n(x + tall * 0.012)
    }L${n(x + tall * 0.025)} ${n(y)}Z" fill="${darker(leaf, 0.5)}"/>`,
  ];
  for (let puff = 0; puff < 16; puff++) {
    const angle = random.between(0, Math.PI * 2);
    const distance = random.between(0, 0.2) * tall;
    const lift = Math.sin(angle) * distance;
    parts.push(
      `<circle cx="${n(x + Math.cos(angle) * distance)}" cy="${n(y - tall * 0.7 + lift)}" r="${
        n(tall * random.between(0.08, 0.17))
      }" fill="${
        lift < 0 ? lighter(leaf, random.between(0.04, 0.16)) : darker(leaf, random.between(0.04, 0.2))
      }"/>`,
    );
  }
  return parts.join("");
}

function drawPalm(mood: Mood, random: Random, x: number, y: number, tall: number, haze: number): string {
  const colour = mix(darker(mood.near, 0.25), mood.far, haze);
  const lean = random.between(-0.22, 0.22) * tall;
  const [tx, ty] = [x + lean, y - tall * 0.85];
  const parts = [
    `<path d="M${n(x)} ${n(y)}Q${n(x - lean * 0.2)} ${n(y - tall * 0.5)} ${n(tx)} ${
      n(ty)
    }" fill="none" stroke="${colour}" stroke-width="${n(tall * 0.038)}" stroke-linecap="round"/>`,
  ];
  for (let leaf = 0; leaf < 9; leaf++) {
    const angle = Math.PI * (-0.06 + (leaf / 8) * 1.12) + random.between(-0.08, 0.08);
    const length = tall * random.between(0.26, 0.36);
    const [ex, ey] = [tx + Math.cos(angle) * length, ty - Math.sin(angle) * length * 0.6 + length * 0.34];
    const [mx, my] = [tx + Math.cos(angle) * length * 0.55, ty - Math.sin(angle) * length * 0.75];
    parts.push(
      `<path d="M${n(tx)} ${n(ty)}Q${n(mx)} ${n(my - length * 0.12)} ${n(ex)} ${n(ey)}Q${n(mx)} ${
        n(my + length * 0.16)
      } ${n(tx)} ${n(ty)}Z" fill="${colour}"/>`,
    );
  }
  return parts.join("");
}
