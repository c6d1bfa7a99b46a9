// A sitting animal, seen from the front with its tail beside it. One drawing, the species are data.

import { darker, lighter, mix } from "./colour.ts";
import type { Mood } from "./mood.ts";

export type AnimalName = "fox" | "wolf" | "cat" | "rabbit" | "bear";

interface Species {
  /** Used as it is unless the prompt names a colour: then mixed with it by `takesAccent`. */
  fur: string;
  takesAccent: number;
  ears: "pointed" | "long" | "round";
  tail: "bushy" | "thin" | "none";
  pale: boolean;
}

const species: Readonly<Record<AnimalName, Species>> = {
  fox: { fur: "#e0702a", takesAccent: 0.4, ears: "pointed", tail: "bushy", pale: true },
  wolf: { fur: "#8a909c", takesAccent: 0.35, ears: "pointed", tail: "bushy", pale: true },
  cat: { fur: "#c98b4e", takesAccent: 0.8, ears: "pointed", tail: "thin", pale: false },
  rabbit: { fur: "#c9b59b", takesAccent: 0.6, ears: "long", tail: "none", pale: true },
  bear: { fur: "#7a5233", takesAccent: 0.6, ears: "round", tail: "none", pale: false },
};

export function drawAnimal(name: AnimalName, mood: Mood): string {
  const kind = species[name];
  const fur = mood.accentIsNamed ? mix(kind.fur, mood.accent, kind.takesAccent) : kind.fur;
  const light = kind.pale ? "#fbf4ea" : lighter(fur, 0.35);
  const shade = darker(fur, 0.25);
  return `<ellipse cx="4" cy="1" rx="46" ry="5" fill="#0a1030" opacity=".22"/>
${drawTail(kind, fur, light)}
<path d="M-24 1C-30-20-18-44-13-54H13C18-44 30-20 24 1Z" fill="${fur}"/>
<path d="M8-54H13C18-44 30-20 24 1H10C18-18 14-40 8-54Z" fill="${shade}" opacity=".55"/>
<path d="M-10-52C-15-30-9-14 0-10C9-14 15-30 10-52Z" fill="${light}"/>
<path d="M-15 1C-16-14-11-24-8-26C-4-18-3-8-3 1ZM15 1C16-14 11-24 8-26C4-18 3-8 3 1Z" fill="${
    mix(fur, shade, 0.5)
  }"/>
<ellipse cx="-9" cy="0" rx="7" ry="3.600" fill="${
    kind.pale ? shade : light
  }"/><ellipse cx="9" cy="0" rx="7" ry="3.600" fill="${kind.pale ? shade : light}"/>
${drawEars(kind, fur, shade, light)}
${drawFace(name, fur, light)}`;
}

function drawTail(kind: Species, fur: string, light: string): string {
  if (kind.tail === "none") return "";
  if (kind.tail === "thin") {
    return `<path d="M18-6C48 2 52-22 42-40" fill="none" stroke="${fur}" stroke-width="7" stroke-linecap="round"/>`;
  }
  return `<path d="M16-4C34 6 54-4 52-26C51-38 44-46 46-56C34-50 30-38 32-28C33-18 24-14 16-12Z" fill="${fur}"/>
<path d="M46-56C34-50 31-42 31.500-34C38-40 44-36 51-34C49-42 44-48 46-56Z" fill="${light}"/>`;
}

function drawEars(kind: Species, fur: string, shade: string, light: string): string {
  const one = {
    pointed:
      `<path d="M-22-76L-25-104L-5-88Z" fill="${fur}"/><path d="M-20-81L-22-97L-10-88Z" fill="${shade}"/>`,
    long:
      `<ellipse cx="-11" cy="-104" rx="7" ry="23" fill="${fur}" transform="rotate(-9 -11 -104)"/><ellipse cx="-11" cy="-102" rx="3.400" ry="17" fill="#e8a9a4" transform="rotate(-9 -11 -102)"/>`,
    round: `<circle cx="-17" cy="-88" r="9" fill="${fur}"/><circle cx="-17" cy="-88" r="5" fill="${
      mix(light, shade, 0.4)
    }"/>`,
  }[kind.ears];
  return `${one}<g transform="scale(-1 1)">${one}</g>`;
}

function drawFace(name: AnimalName, fur: string, light: string): string {
  const narrow = name === "fox" || name === "wolf";
  const head = narrow
    ? `<path d="M-27-70C-25-86-13-92 0-92C13-92 25-86 27-70C20-58 8-50 0-46C-8-50-20-58-27-70Z" fill="${fur}"/>
<path d="M-27-70C-19-72-10-68-4-58L0-46C-8-50-20-58-27-70ZM27-70C19-72 10-68 4-58L0-46C8-50 20-58 27-70Z" fill="${light}"/>`
    : `<ellipse cx="0" cy="-70" rx="25" ry="21" fill="${fur}"/><ellipse cx="0" cy="-61" rx="11" ry="8.500" fill="${light}"/>`;
  const nose = narrow ? -49 : -64;
  const whiskers = name === "cat" || name === "rabbit"
    ? `<path d="M-12-61L-31-65M-12-59L-31-57M12-61L31-65M12-59L31-57" stroke="#fff" stroke-width=".900" opacity=".8"/>`
    : "";
  return `${head}<ellipse cx="-10.500" cy="-73" rx="3" ry="3.700" fill="#1b1620"/><ellipse cx="10.500" cy="-73" rx="3" ry="3.700" fill="#1b1620"/>
<circle cx="-9.500" cy="-74.300" r="1.100" fill="#fff"/><circle cx="11.500" cy="-74.300" r="1.100" fill="#fff"/>
<ellipse cx="0" cy="${nose}" rx="4" ry="2.900" fill="#1b1620"/>
<path d="M0 ${nose + 2}v${narrow ? 1 : 3}m0 0q-3.500 3-6.500 ${narrow ? -1 : 0.6}m6.500 ${
    narrow ? 1 : -0.6
  }q3.500 3 6.500 ${
    narrow ? -1 : 0.6
  }" fill="none" stroke="#1b1620" stroke-width="1.100" stroke-linecap="round"/>${whiskers}`;
}
