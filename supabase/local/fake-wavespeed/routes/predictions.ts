// Results, the list, and both forms of deletion.

import * as z from "zod";
import { listedOf, storedAtMs } from "../prediction.ts";
import { isOpen } from "../task.ts";
import type { World } from "../world.ts";
import { data, notFound, readBody, refuse } from "./reply.ts";

const List = z.object({
  page: z.number().int().positive().default(1),
  page_size: z.number().int().min(1).max(100).default(100),
  model: z.string().optional(),
  status: z.string().optional(),
  created_after: z.iso.datetime({ offset: true }).optional(),
  created_before: z.iso.datetime({ offset: true }).optional(),
});

/** A task that failed is answered like any other: its failure stands in the prediction. */
export function result(world: World, _: Request, id: string): Response {
  const task = world.find(id);
  return task === undefined ? notFound(world.settings, "Prediction not found") : data(world.prediction(task));
}

export function shortResult(world: World, request: Request, id: string): Response {
  return world.settings.shortResultUrl === "gone"
    ? notFound(world.settings, "Not found")
    : result(world, request, id);
}

export async function list(world: World, request: Request): Promise<Response> {
  const query = await readBody(request, List);
  return query === null ? refuse(world.settings, 400, "Invalid parameters") : answerList(world, query);
}

export function oldList(world: World, request: Request): Response {
  const { page, page_size, ...texts } = Object.fromEntries(new URL(request.url).searchParams);
  const numbers = Object.entries({ page, page_size })
    .flatMap(([name, value]) => value === undefined ? [] : [[name, Number(value)]]);
  const query = List.safeParse({ ...texts, ...Object.fromEntries(numbers) });
  return query.success ? answerList(world, query.data) : refuse(world.settings, 400, "Invalid parameters");
}

function answerList(world: World, query: z.infer<typeof List>): Response {
  const { settings } = world;
  const { page, page_size: size, model, status, created_after: after, created_before: before } = query;
  const nowMs = world.clock.nowMs();
  // Tasks are kept in the order of their making, which several of one millisecond would not tell.
  const matching = [...world.tasks.values()].reverse().filter((task) =>
    world.find(task.id) !== undefined &&
    nowMs - task.createdAtMs >= settings.listLagMs &&
    (model === undefined || task.model.id === model) &&
    (status === undefined || task.status === status) &&
    (after === undefined || storedAtMs(task) >= Date.parse(after)) &&
    (before === undefined || storedAtMs(task) <= Date.parse(before))
  );
  const items = matching.slice((page - 1) * size, page * size)
    .map((task) => listedOf(task, world.origin, settings));
  return data({ page, items, ...(settings.listTotal ? { total: matching.length } : {}) });
}

/** Passes over the unknown and the running ones, as the current documentation has it. */
export async function deleteMany(world: World, request: Request): Promise<Response> {
  const asked = await readBody(request, z.object({ ids: z.array(z.string()) }));
  if (asked === null) return refuse(world.settings, 400, "ids are required");
  const gone = [...new Set(asked.ids)].map((id) => world.find(id))
    .filter((task) => task !== undefined)
    .filter((task) => !isOpen(task));
  for (const task of gone) world.delete(task);
  return data({ deleted_count: gone.length });
}

/** The form of an old page. It hints at stopping running tasks; other sources know of finished ones only. */
export function deleteOne(world: World, _: Request, id: string): Response {
  const { settings } = world;
  const task = settings.oldDelete === "off" ? undefined : world.find(id);
  if (task === undefined) return notFound(settings, "Prediction not found");
  const wasOpen = isOpen(task);
  if (wasOpen && settings.oldDelete === "finished") {
    return refuse(settings, 400, "The prediction is still running");
  }
  world.delete(task);
  return data({ id: task.id, status: wasOpen ? settings.stoppedStatus : "deleted" });
}
