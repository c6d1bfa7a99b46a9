// Random numbers that are the same for the same text, so a picture can be drawn again.

export interface Random {
  /** From `low` up to, not including, `high`. */
  between(low: number, high: number): number;
  whole(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
}

export function createRandom(text: string): Random {
  const hash = createHash(text);
  let [a, b, c, d] = [hash(), hash(), hash(), hash()];
  // sfc32: small, fast, and good enough that neighbouring seeds look unrelated.
  const next = (): number => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let round = 0; round < 12; round++) next();
  return {
    between: (low, high) => low + next() * (high - low),
    whole: (low, high) => Math.floor(low + next() * (high - low + 1)),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
  };
}

/** xmur3: one 32-bit number after the other from a text. */
function createHash(text: string): () => number {
  let state = 1779033703 ^ text.length;
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 3432918353);
    state = (state << 13) | (state >>> 19);
  }
  return () => {
    state = Math.imul(state ^ (state >>> 16), 2246822507);
    state = Math.imul(state ^ (state >>> 13), 3266489909);
    state ^= state >>> 16;
    return state >>> 0;
  };
}

/** Smooth noise along a line, −1 … 1: octaves of interpolated random values, each half as high and twice as fine. */
export function createNoise(random: Random, octaves: number): (x: number) => number {
  const tables = Array.from(
    { length: octaves },
    () => Array.from({ length: 64 }, () => random.between(-1, 1)),
  );
  return (x) => {
    let value = 0;
    let height = 1;
    let total = 0;
    for (const [octave, table] of tables.entries()) {
      const at = x * 2 ** octave;
      const cell = Math.floor(at);
      const part = at - cell;
      const smooth = part * part * (3 - 2 * part);
      const left = table[((cell % 64) + 64) % 64] ?? 0;
      const right = table[(((cell + 1) % 64) + 64) % 64] ?? 0;
      value += (left + (right - left) * smooth) * height;
      total += height;
      height /= 2;
    }
    return value / total;
  };
}
