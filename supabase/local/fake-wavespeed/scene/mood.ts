// Reads a prompt for what the scene should show: the hour, the land, the weather, a colour and a subject.
// What the words leave open is chosen by the prompt's hash, so that every prompt has a look of its own.

import { fromHue, mix } from "./colour.ts";
import { createRandom, type Random } from "./random.ts";
import { colours, type Hour, hours, type Land, landWords, type Tree } from "./vocabulary.ts";
import { type SubjectName, subjectWords } from "./subjects.ts";

export interface Mood {
  /** Top, middle, horizon. */
  sky: readonly [string, string, string];
  light: string;
  /** Land far away, dissolving into the horizon, and land at our feet. */
  far: string;
  near: string;
  dark: boolean;
  land: Land;
  tree: Tree;
  water: boolean;
  snow: boolean;
  rain: boolean;
  flowers: boolean;
  aurora: boolean;
  /** The colour the prompt names first, else one of the hash's choice. */
  accent: string;
  accentIsNamed: boolean;
  subject: SubjectName | null;
}

export function readMood(prompt: string): Mood {
  const words = prompt.toLowerCase().match(/\p{L}+/gu) ?? [];
  const has = (...wanted: string[]) => words.some((word) => wanted.includes(word));
  const random = createRandom(prompt);
  const snow = has("snow", "snowy", "winter", "ice", "icy", "arctic", "polar", "blizzard");
  const subject = readSubject(words);
  const land = readLand(words, subject, random);
  const hour = readHour(words, snow, random);
  const named = words.find((word) => Object.hasOwn(colours, word));
  const accent = (named === undefined ? undefined : colours[named]) ??
    fromHue(random.between(0, 360), random.between(0.45, 0.75), random.between(0.45, 0.6));
  // A colour that belongs to the subject ("a red fox") only breathes on the scenery; else it sets the tone.
  const tint = subject === null ? (named === undefined ? 0.22 : 0.42) : 0.12;
  const near = land === "dunes" ? mix(hour.near, "#8a4b22", 0.6) : hour.near;
  const far = land === "dunes" ? mix(hour.far, "#d99a5b", 0.6) : hour.far;
  return {
    sky: [
      mix(hour.sky[0], accent, tint * 0.7),
      mix(hour.sky[1], accent, tint),
      mix(hour.sky[2], accent, tint * 0.35),
    ],
    light: hour.light,
    far: mix(far, accent, tint * 0.8),
    near: mix(near, accent, tint * 0.5),
    dark: hour.dark,
    land,
    tree: readTree(words, land, snow, random),
    water: land === "sea" || has("lake", "river", "water", "reflection", "harbor", "harbour", "fjord") ||
      (land !== "dunes" && random.chance(0.35)),
    snow,
    rain: has("rain", "rainy", "storm"),
    flowers: has("flower", "flowers", "meadow", "garden", "tulips", "poppies", "roses", "lavender", "spring"),
    aurora: has("aurora", "northern", "galaxy") || (hour.dark && random.chance(0.25)),
    accent,
    accentIsNamed: named !== undefined,
    subject,
  };
}

function readSubject(words: readonly string[]): SubjectName | null {
  for (const word of words) {
    const found = subjectWords.get(word) ?? subjectWords.get(word.replace(/s$/, ""));
    if (found !== undefined) return found;
  }
  return null;
}

function readHour(words: readonly string[], snow: boolean, random: Random): Hour {
  // The clock outranks the weather: "a snowy night" is a night.
  const ranked = hours.toSorted((one, other) => score(other, words) - score(one, words));
  const best = ranked[0];
  if (best !== undefined && score(best, words) > 0) {
    const night = hours.find((hour) => hour.dark && score(hour, words) > 0);
    const sunset = hours.find((hour) => hour.words.includes("sunset") && score(hour, words) > 0);
    return night ?? (snow ? sunset : undefined) ?? best;
  }
  return random.pick(hours);
}

function score(hour: Hour, words: readonly string[]): number {
  return words.filter((word) => hour.words.includes(word)).length;
}

function readLand(words: readonly string[], subject: SubjectName | null, random: Random): Land {
  for (const land of ["sea", "city", "dunes", "hills", "mountains"] as const) {
    if (words.some((word) => landWords[land].includes(word))) return land;
  }
  if (subject === "boat" || subject === "lighthouse") return "sea";
  return random.pick(["mountains", "hills", "mountains", "hills", "sea", "dunes"]);
}

function readTree(words: readonly string[], land: Land, snow: boolean, random: Random): Tree {
  if (words.some((word) => ["palm", "tropical", "beach", "oasis"].includes(word))) return "palm";
  if (land === "city" || land === "dunes") return "none";
  if (snow || words.some((word) => ["pine", "pines", "fir", "spruce", "nordic"].includes(word))) {
    return "pine";
  }
  if (land === "sea") return random.chance(0.5) ? "none" : "palm";
  if (land === "mountains") return "pine";
  return random.pick(["round", "pine", "round"]);
}
