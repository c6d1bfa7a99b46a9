// /control: what a test may do to the stand-in, and what it may see of it.

import * as z from "zod";
import { readJson } from "./routes/reply.ts";
import { Settings } from "./settings.ts";
import type { World } from "./world.ts";

type Act = (world: World, body: Record<string, unknown>) => Promise<Response | null> | Response | null;

/** POST to these; what answers null is answered with the journal. */
const acts: Readonly<Record<string, Act>> = {
  "/control": change,
  "/control/reset": (world) => {
    world.reset();
    return null;
  },
  /** `{"seconds"}`: what falls due meanwhile happens at once. */
  "/control/advance": async (world, body) => {
    const { data } = z.strictObject({ seconds: z.number().nonnegative() }).safeParse(body);
    if (data === undefined) return Response.json({ error: "seconds are required" }, { status: 400 });
    await world.clock.advance(data.seconds * 1000);
    return null;
  },
  /** `{"usd"}`: what the account holds from now on. */
  "/control/balance": (world, body) => {
    const { data } = z.strictObject({ usd: z.number() }).safeParse(body);
    if (data === undefined) return Response.json({ error: "usd is required" }, { status: 400 });
    world.account.balanceUsd = data.usd;
    return null;
  },
  "/control/rotate-secret": (world) => {
    world.rotateSecret();
    return null;
  },
  /** `{"id"}`: the callback of an ended task once more. */
  "/control/redeliver": (world, body) => {
    const task = world.tasks.get(String(body["id"]));
    if (task === undefined) return Response.json({ error: "no such task" }, { status: 404 });
    if (!world.redeliver(task)) return Response.json({ error: "no callback to repeat" }, { status: 409 });
    return Response.json({ redelivering: task.id });
  },
};

export async function serveControl(world: World, request: Request, path: string): Promise<Response> {
  if (request.method === "GET") return Response.json(journal(world));
  const act = acts[path];
  if (act === undefined) return Response.json({ error: "no such control" }, { status: 404 });
  return await act(world, await readJson(request) ?? {}) ?? Response.json(journal(world));
}

function change(world: World, body: Record<string, unknown>): Response | null {
  const settings = Settings.partial().safeParse(body);
  if (!settings.success) return Response.json({ error: settings.error.issues }, { status: 400 });
  world.change(settings.data);
  return null;
}

/** What happened so far; no prompts. */
function journal(world: World) {
  return {
    settings: world.settings,
    webhookSecret: world.webhookSecret,
    balanceUsd: world.account.balanceUsd,
    aheadSeconds: world.clock.aheadMs / 1000,
    dueInSeconds: world.clock.dueInSeconds(),
    predictions: [...world.tasks.values()].map(({ id, model, status, createdAtMs, outputs, callbacks }) => ({
      id,
      model: model.id,
      status,
      createdAt: new Date(createdAtMs).toISOString(),
      outputs: outputs.map(({ path, sha256 }) => ({ path, sha256 })),
      callbacks,
    })),
  };
}
