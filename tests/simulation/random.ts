// Chance that can be had again: the same seed gives the same numbers.

export interface Random {
  /** At least 0, below 1. */
  unit(): number;
  chance(probability: number): boolean;
  /** Both ends included. */
  integer(from: number, to: number): number;
  between(from: number, to: number): number;
  /** `items` is not empty. */
  pick<Item>(items: readonly Item[]): Item;
  /** Log-normal around a median. */
  around(median: number, spread: number): number;
  /** Lower-case hex digits. */
  hex(digits: number): string;
  uuid(): string;
}

export function seeded(seed: number): Random {
  const unit = mulberry32(seed);
  const random: Random = {
    unit,
    chance: (probability) => unit() < probability,
    integer: (from, to) => from + Math.floor(unit() * (to - from + 1)),
    between: (from, to) => from + unit() * (to - from),
    pick: (items) => items[Math.floor(unit() * items.length)]!,
    around: (median, spread) => median * Math.exp(spread * normal(unit)),
    hex: (digits) => Array.from({ length: digits }, () => Math.floor(unit() * 16).toString(16)).join(""),
    uuid() {
      const digits = random.hex(32);
      return [
        digits.slice(0, 8),
        digits.slice(8, 12),
        `4${digits.slice(13, 16)}`,
        `a${digits.slice(17, 20)}`,
        digits.slice(20),
      ].join("-");
    },
  };
  return random;
}

function normal(unit: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit());
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
}
