// Lines and areas as SVG path data.

export interface Point {
  x: number;
  y: number;
}

export function outline(points: readonly Point[]): string {
  return points.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${n(x)} ${n(y)}`).join("");
}

/** The area from a line down to `bottom`. */
export function fill(points: readonly Point[], bottom: number): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return "";
  return `${outline(points)}L${n(last.x)} ${n(bottom)}L${n(first.x)} ${n(bottom)}Z`;
}

export function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.ceil((to - from) / step) + 2 }, (_, index) => from + index * step);
}

/** One decimal is a tenth of a thousandth: shorter documents, same picture. */
export function n(value: number): string {
  return value.toFixed(1);
}
