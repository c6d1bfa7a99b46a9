// What a prompt can ask for by name. Each is drawn in a box of 100 × 100 that stands on its bottom edge (0, 0),
// x from −50 to 50, y upward negative, and is scaled into the scene.

import { drawAnimal } from "./animals.ts";
import { darker, lighter, mix } from "./colour.ts";
import type { Mood } from "./mood.ts";

const words = {
  fox: ["fox", "foxes"],
  wolf: ["wolf", "wolves", "dog", "puppy", "husky", "corgi"],
  cat: ["cat", "kitten", "tiger", "lion", "lynx"],
  rabbit: ["rabbit", "bunny", "hare"],
  bear: ["bear", "panda", "teddy"],
  cabin: ["cabin", "house", "cottage", "hut", "barn", "home"],
  castle: ["castle", "palace", "fortress", "tower"],
  boat: ["boat", "ship", "sailboat", "yacht", "sail"],
  lighthouse: ["lighthouse"],
  balloon: ["balloon", "airship"],
  robot: ["robot", "android", "astronaut", "mech"],
} as const;
export type SubjectName = keyof typeof words;

export const subjectWords: ReadonlyMap<string, SubjectName> = new Map(
  (Object.keys(words) as SubjectName[]).flatMap((name) => words[name].map((word) => [word, name] as const)),
);

export interface Subject {
  svg: string;
  /** Height in the scene as a share of its shorter side. */
  share: number;
  place: "ground" | "water" | "air";
}

export function drawSubject(name: SubjectName, mood: Mood): Subject {
  switch (name) {
    case "fox":
    case "wolf":
    case "cat":
    case "rabbit":
    case "bear":
      return { svg: drawAnimal(name, mood), share: 0.3, place: "ground" };
    case "cabin":
      return { svg: drawCabin(mood), share: 0.26, place: "ground" };
    case "castle":
      return { svg: drawCastle(mood), share: 0.42, place: "ground" };
    case "boat":
      return { svg: drawBoat(mood), share: 0.32, place: "water" };
    case "lighthouse":
      return { svg: drawLighthouse(mood), share: 0.5, place: "ground" };
    case "balloon":
      return { svg: drawBalloon(mood), share: 0.36, place: "air" };
    case "robot":
      return { svg: drawRobot(mood), share: 0.34, place: "ground" };
  }
}

function drawCabin(mood: Mood): string {
  const wall = mix(mood.accent, "#5a3b28", 0.55);
  const roof = mood.snow ? "#f2f6fb" : darker(mood.accent, 0.45);
  return `<path d="M24-74q7-9 2-18q-5-8 3-16" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".35"/>
<rect x="18" y="-76" width="11" height="26" fill="${darker(wall, 0.4)}"/>
<rect x="-40" y="-44" width="80" height="46" fill="${wall}"/><rect x="8" y="-44" width="32" height="46" fill="${
    darker(wall, 0.22)
  }"/>
<path d="M-50-42L-16-78H26L50-42Z" fill="${roof}"/><path d="M26-78L50-42H8Z" fill="${darker(roof, 0.16)}"/>
<rect x="-30" y="-32" width="17" height="16" fill="#ffd98a"/><path d="M-21.500-32v16M-30-24h17" stroke="${
    darker(wall, 0.4)
  }" stroke-width="1.600"/>
<rect x="-6" y="-28" width="12" height="30" fill="${
    darker(wall, 0.5)
  }"/><rect x="16" y="-32" width="16" height="15" fill="#ffcf75"/>
<ellipse cx="-21" cy="2" rx="24" ry="5" fill="#ffd98a" opacity=".3"/>`;
}

function drawCastle(mood: Mood): string {
  const stone = mix(mix("#8d8795", mood.accent, 0.25), mood.near, 0.3);
  const roof = mix(mood.accent, "#3a2450", 0.35);
  const tower = (x: number, wide: number, tall: number, fill: string) =>
    `<rect x="${x}" y="${-tall}" width="${wide}" height="${tall}" fill="${fill}"/><path d="M${
      x - 3
    } ${-tall}L${x + wide / 2} ${-tall - wide * 1.5}L${x + wide + 3} ${-tall}Z" fill="${roof}"/><rect x="${
      x + wide / 2 - 1.8
    }" y="${-tall + 9}" width="3.600" height="8" rx="1.800" fill="#ffe0a0"/>`;
  return `${
    tower(-11, 22, 74, darker(stone, 0.1))
  }<rect x="-36" y="-38" width="72" height="40" fill="${stone}"/>
${
    [-36, -24, -12, 0, 12, 24].map((x) =>
      `<rect x="${x + 1.5}" y="-44" width="8" height="8" fill="${stone}"/>`
    ).join("")
  }
${tower(-46, 17, 52, darker(stone, 0.18))}${tower(29, 17, 58, darker(stone, 0.25))}${
    tower(-24, 12, 60, lighter(stone, 0.06))
  }
<path d="M-8 2v-18a8 8 0 0 1 16 0v18Z" fill="${darker(stone, 0.7)}"/>`;
}

function drawBoat(mood: Mood): string {
  return `<path d="M-3-16L-3-98Q-42-52-40-20Z" fill="#fbf6ea"/><path d="M3-18L3-92Q36-58 38-22Z" fill="${
    lighter(mood.accent, 0.1)
  }"/>
<path d="M0-100V-8" stroke="${darker(mood.accent, 0.6)}" stroke-width="2.400"/>
<path d="M-46-12H48Q40 4 26 5H-26Q-40 4-46-12Z" fill="${
    darker(mood.accent, 0.4)
  }"/><path d="M-46-12H48L46-7H-44Z" fill="#fbf6ea"/>
<path d="M-40 8H40M-30 14H26M-18 20H30" stroke="#fff" stroke-width="1.800" opacity=".35" stroke-linecap="round"/>`;
}

function drawLighthouse(mood: Mood): string {
  const stripe = mix(mood.accent, "#c8342f", 0.25);
  const beam = mood.dark ? 0.55 : 0.28;
  return `<linearGradient id="beam" x1="0" x2="1" y1="0" y2="0"><stop offset="0" stop-color="#fff3c4" stop-opacity="${beam}"/><stop offset="1" stop-color="#fff3c4" stop-opacity="0"/></linearGradient>
<path d="M0-84L150-112V-52Z" fill="url(#beam)"/>
<path d="M-14 2L-9-74H9L14 2Z" fill="#f6f1e6"/><path d="M-13-12L-12-30H12L13-12Z" fill="${stripe}"/><path d="M-11-48L-10-64H10L11-48Z" fill="${stripe}"/>
<path d="M2-74H9L14 2H4Z" fill="#0a1030" opacity=".16"/><rect x="-13" y="-78" width="26" height="4" rx="1" fill="#2c3040"/>
<rect x="-7" y="-90" width="14" height="12" fill="#fff0b0"/><path d="M-9-90L0-101L9-90Z" fill="${
    darker(stripe, 0.2)
  }"/>
<rect x="-3.500" y="-10" width="7" height="12" rx="3" fill="#3a3440"/>`;
}

function drawBalloon(mood: Mood): string {
  const [one, two] = [mood.accent, lighter(mood.accent, 0.72)];
  return `<path d="M-7-14L-14-32M7-14L14-32" stroke="#4a3526" stroke-width="1.400"/><rect x="-8" y="-14" width="16" height="13" rx="2.500" fill="#7a5334"/>
<path d="M0-100C-52-100-44-52-14-31H14C44-52 52-100 0-100Z" fill="${one}"/>
<path d="M0-100C-34-100-28-52-9-31H-2C-12-52-16-98 0-100Z" fill="${two}"/><path d="M0-100C34-100 28-52 9-31H2C12-52 16-98 0-100Z" fill="${two}"/>
<path d="M0-100C52-100 44-52 14-31H8C34-56 40-96 0-100Z" fill="#0a1030" opacity=".16"/>`;
}

function drawRobot(mood: Mood): string {
  const metal = mix("#c3ccd6", mood.accent, 0.35);
  return `<path d="M0-86V-96" stroke="${
    darker(metal, 0.4)
  }" stroke-width="2.500"/><circle cx="0" cy="-98" r="3.600" fill="#ff6b5e"/>
<rect x="-21" y="-87" width="42" height="32" rx="9" fill="${
    lighter(metal, 0.2)
  }"/><rect x="-15" y="-79" width="30" height="16" rx="7" fill="#1d2636"/>
<circle cx="-7" cy="-71" r="3.600" fill="#7ff0ff"/><circle cx="7" cy="-71" r="3.600" fill="#7ff0ff"/>
<rect x="-25" y="-52" width="50" height="36" rx="10" fill="${metal}"/><rect x="-11" y="-44" width="22" height="14" rx="4" fill="${
    darker(metal, 0.3)
  }"/>
<circle cx="-4" cy="-37" r="2.400" fill="#ffd24a"/><circle cx="4" cy="-37" r="2.400" fill="#7ff08a"/>
<rect x="-37" y="-50" width="10" height="30" rx="5" fill="${
    darker(metal, 0.15)
  }"/><rect x="27" y="-50" width="10" height="30" rx="5" fill="${darker(metal, 0.2)}"/>
<rect x="-17" y="-16" width="12" height="18" rx="4" fill="${
    darker(metal, 0.25)
  }"/><rect x="5" y="-16" width="12" height="18" rx="4" fill="${darker(metal, 0.3)}"/>`;
}
