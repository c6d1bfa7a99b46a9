// Amounts of money.

/** Fractions of a cent add up to long tails in binary. */
export function roundUsd(usd: number): number {
  return Math.round(usd * 1_000_000) / 1_000_000;
}
