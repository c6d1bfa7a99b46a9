// A fresh database for each contestant, made ready for it.

import type { Ground, Owner, Plot } from "../ground.ts";
import { layFloor } from "./floor.ts";
import { addUsers, widenLimits } from "./people.ts";

export interface Field {
  plots: Readonly<Record<Owner, Plot>>;
  /** Who may start jobs on our plot. */
  userIds: readonly string[];
  close(): Promise<void>;
}

export async function openField(
  ground: Ground,
  { users, floorRows }: { users: number; floorRows: number },
): Promise<Field> {
  const plots = {
    genflow: await ground.open("genflow"),
    floor: await ground.open("floor"),
    "pg-boss": await ground.open("pg-boss"),
    "graphile-worker": await ground.open("graphile-worker"),
  };
  await widenLimits(plots.genflow.admin);
  await layFloor(plots.floor, floorRows);
  return {
    plots,
    userIds: await addUsers(plots.genflow.admin, users),
    async close() {
      for (const plot of Object.values(plots)) await plot.close();
    },
  };
}
