// What is said of a list of samples: never a mean alone.

export interface Summary {
  samples: number;
  mean: number;
  median: number;
  p95: number;
  min: number;
  max: number;
}

/** `share` from 0 to 1, by nearest rank: always a value that was measured. NaN for no samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1] ?? NaN;
}

/** The middle one, or the mean of the two in the middle. NaN for no samples. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[half]!;
  return (sorted[half - 1]! + sorted[half]!) / 2;
}

export function summarize(samples: readonly number[]): Summary {
  return {
    samples: samples.length,
    mean: samples.reduce((sum, each) => sum + each, 0) / samples.length,
    median: median(samples),
    p95: percentile(samples, 0.95),
    min: Math.min(...samples),
    max: Math.max(...samples),
  };
}

/** How far apart the samples lie, as a share of their median. */
export function spread(samples: readonly number[]): number {
  return (Math.max(...samples) - Math.min(...samples)) / median(samples);
}
