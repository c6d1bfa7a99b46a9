// The words that a scene understands, as data: hours of the day with their colours, lands, trees, colour names.

export type Land = "mountains" | "hills" | "dunes" | "city" | "sea";
export type Tree = "pine" | "round" | "palm" | "none";

export interface Hour {
  words: readonly string[];
  sky: readonly [string, string, string];
  light: string;
  far: string;
  near: string;
  dark: boolean;
}

export const hours: readonly [Hour, ...Hour[]] = [
  {
    words: ["sunset", "dusk", "evening", "golden", "autumn", "fall", "warm", "fire", "desert"],
    sky: ["#2b2d5b", "#c8546a", "#ffc27a"],
    light: "#fff1c9",
    far: "#8a4a6b",
    near: "#2a1a35",
    dark: false,
  },
  {
    words: ["dawn", "sunrise", "morning", "mist", "misty", "fog", "foggy", "spring", "pastel", "dreamy"],
    sky: ["#6f8fc4", "#d9b3cf", "#ffe3cf"],
    light: "#fffaf0",
    far: "#8d93bd",
    near: "#2f3f55",
    dark: false,
  },
  {
    words: [
      "day",
      "sunny",
      "summer",
      "noon",
      "bright",
      "blue",
      "clear",
      "beach",
      "garden",
      "flower",
      "flowers",
    ],
    sky: ["#2f80d0", "#84c3ee", "#e6f5fb"],
    light: "#fffdf2",
    far: "#6f9fbd",
    near: "#27593f",
    dark: false,
  },
  {
    words: [
      "night",
      "midnight",
      "moon",
      "moonlit",
      "stars",
      "star",
      "dark",
      "neon",
      "space",
      "galaxy",
      "aurora",
    ],
    sky: ["#070b24", "#1b2a5c", "#51619a"],
    light: "#f3f1e2",
    far: "#2f3f74",
    near: "#0a0f22",
    dark: true,
  },
  {
    words: [
      "storm",
      "rain",
      "rainy",
      "grey",
      "gray",
      "cloudy",
      "winter",
      "snow",
      "snowy",
      "cold",
      "ice",
      "arctic",
      "polar",
    ],
    sky: ["#5d7896", "#a9bfd2", "#eef3f6"],
    light: "#ffffff",
    far: "#8ea6bb",
    near: "#2b3f55",
    dark: false,
  },
];

export const landWords: Readonly<Record<Land, readonly string[]>> = {
  sea: ["sea", "ocean", "waves", "beach", "coast", "boat", "ship", "sail", "sailing", "lighthouse", "island"],
  city: ["city", "skyline", "street", "town", "neon", "cyberpunk", "tokyo", "skyscraper", "skyscrapers"],
  dunes: ["desert", "dune", "dunes", "sand", "sahara", "mars"],
  hills: ["hill", "hills", "meadow", "field", "garden", "farm", "countryside", "forest", "wood", "woods"],
  mountains: ["mountain", "mountains", "alps", "peak", "snow", "snowy", "winter", "valley", "fjord", "cliff"],
};

export const colours: Readonly<Record<string, string>> = {
  red: "#d8352f",
  crimson: "#b81e3f",
  orange: "#ee7a28",
  amber: "#f2a223",
  gold: "#e0ac2f",
  golden: "#e0ac2f",
  yellow: "#f4cd3a",
  green: "#3f9b57",
  emerald: "#1f9a6b",
  teal: "#1f8f94",
  turquoise: "#2fb8b0",
  cyan: "#35bfe0",
  blue: "#2f6fd6",
  navy: "#22386f",
  indigo: "#4a3fb0",
  purple: "#7d3fb8",
  violet: "#8a55d0",
  lavender: "#a992dd",
  pink: "#ec77a8",
  magenta: "#d2389f",
  brown: "#80532f",
  white: "#f3f3ee",
  polar: "#f3f3ee",
  silver: "#b9c2cc",
  grey: "#87909b",
  gray: "#87909b",
  black: "#22242b",
};
