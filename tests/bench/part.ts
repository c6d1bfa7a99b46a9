// A part of a benchmark: measured alone or with the others, on one ground.

import type { Ground } from "./ground.ts";
import type { PartReport } from "./report.ts";
import type { Sizes } from "./sizes.ts";

export type Finding = Pick<PartReport, "settings" | "tables" | "verdicts" | "samples">;

export interface Part {
  name: string;
  measure(ground: Ground, sizes: Sizes): Promise<Finding>;
}
