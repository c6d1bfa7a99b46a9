// The provider's HTTP API, as its documentation and traffic describe it.

import * as z from "zod";
import { fakeModels, resolveInput } from "./catalogue.ts";
import { strikes } from "./control.ts";
import { isOpen } from "./task.ts";
import type { World } from "./world.ts";

export type Reply = Response | "cut";

const List = z.object({
  page: z.number().int().positive().default(1),
  page_size: z.number().int().min(1).max(100).default(100),
  model: z.string().optional(),
  status: z.string().optional(),
  created_after: z.iso.datetime({ offset: true }).optional(),
  created_before: z.iso.datetime({ offset: true }).optional(),
});

function data(value: unknown): Response {
  return Response.json({ code: 200, message: "success", data: value });
}

function refuse(status: number, message: string): Response {
  return Response.json({ code: status, message, data: null }, { status });
}

/** `path` is what follows `/api/v3/`. */
export async function serveApi(world: World, request: Request, path: string): Promise<Reply> {
  if (request.headers.get("authorization") !== `Bearer ${world.apiKey}`) {
    return refuse(401, "Invalid API key");
  }
  const route = `${request.method} ${path}`;
  const result = /^(GET|DELETE) predictions\/([^/]+)(\/result)?$/.exec(route);
  if (result) {
    const task = world.tasks.get(result[2] ?? "");
    if (task === undefined) return refuse(404, "Prediction not found");
    if (result[1] === "GET") return data(world.prediction(task));
    world.delete(task);
    return data({ id: task.id, status: task.status });
  }
  switch (route) {
    case "GET balance":
      return data({ balance: Math.round(world.balanceUsd * 1000) / 1000 });
    case "GET models":
      return data(fakeModels.map(catalogueEntry));
    case "GET webhook/secret":
      return data({ secret: world.webhookSecret });
    case "POST predictions":
      return await list(world, request);
    case "POST predictions/delete":
      return await deleteMany(world, request);
    case "POST media/upload/binary":
      return await uploadBinary(world, request);
    case "POST media/uploads":
      return await prepareUpload(world, request);
  }
  return request.method === "POST" ? await submit(world, request, path) : refuse(404, "Not found");
}

async function submit(world: World, request: Request, modelId: string): Promise<Reply> {
  const { settings } = world;
  if (strikes(settings, "rejectSubmits")) {
    const { httpStatus, body, headers } = settings.rejection;
    return typeof body === "string"
      ? new Response(body, { status: httpStatus, headers })
      : Response.json(body, { status: httpStatus, headers });
  }
  const model = fakeModels.find(({ id }) => id === modelId);
  if (model === undefined) return refuse(404, "Model not found");
  const given = await readJson(request);
  if (given === null) return refuse(400, "The body is not a JSON object");
  const resolved = resolveInput(model, given);
  if (!resolved.ok) return refuse(400, resolved.problem);
  const webhookUrl = new URL(request.url).searchParams.get("webhook");
  if (resolved.input["enable_base64_output"] === true && webhookUrl !== null) {
    return Response.json({ error: "webhook callback does not support base64 output" }, { status: 400 });
  }
  if (settings.concurrencyMode === "reject" && world.openTasks().length >= settings.concurrency) {
    return refuse(429, "You have reached your concurrency limit");
  }
  const task = world.accept(model, resolved.input, webhookUrl);
  const answer = {
    ...world.prediction(task),
    status: "created",
    input: task.input,
    created_at: new Date(task.createdAtMs).toISOString(),
  };
  if (strikes(settings, "dropSubmitAnswers")) return "cut";
  await world.answersFlow();
  return data(answer);
}

async function list(world: World, request: Request): Promise<Response> {
  const query = List.safeParse(await readJson(request));
  if (!query.success) return refuse(400, "Invalid parameters");
  const { page, page_size: size, model, status, created_after: after, created_before: before } = query.data;
  // Tasks are kept in the order of their making, which several of one millisecond would not tell.
  const matching = [...world.tasks.values()].reverse().filter((task) =>
    (model === undefined || task.model.id === model) &&
    (status === undefined || task.status === status) &&
    (after === undefined || task.createdAtMs >= Date.parse(after)) &&
    (before === undefined || task.createdAtMs <= Date.parse(before))
  );
  const items = matching.slice((page - 1) * size, page * size)
    .map((task) => ({
      ...world.prediction(task),
      ...(world.settings.echoInputs ? { input: task.input } : {}),
    }));
  return data({ page, items, total: matching.length });
}

async function deleteMany(world: World, request: Request): Promise<Response> {
  const ids = z.object({ ids: z.array(z.string()) }).safeParse(await readJson(request));
  if (!ids.success) return refuse(400, "ids are required");
  const gone = ids.data.ids.filter((id) => {
    const task = world.tasks.get(id);
    return task !== undefined && !isOpen(task) && world.tasks.delete(id);
  });
  return data({ deleted_count: gone.length });
}

async function uploadBinary(world: World, request: Request): Promise<Response> {
  const file = await request.formData().then((form) => form.get("file"), () => null);
  if (!(file instanceof File)) return refuse(400, "file is required");
  const name = world.addUpload({ bytes: new Uint8Array(await file.arrayBuffer()), contentType: file.type });
  return data({
    type: file.type.split("/")[0],
    download_url: `${world.origin}/upload/${name}`,
    filename: file.name,
    size: file.size,
  });
}

async function prepareUpload(world: World, request: Request): Promise<Response> {
  const asked = z.object({ filename: z.string(), size: z.number(), content_type: z.string().optional() })
    .safeParse(await readJson(request));
  if (!asked.success) return refuse(400, "filename and size are required");
  const url = `${world.origin}/upload/${world.addUpload(null)}`;
  const headers = { "content-type": asked.data.content_type ?? "application/octet-stream" };
  const { filename, size } = asked.data;
  return data({ download_url: url, filename, size, upload: { method: "PUT", url, headers } });
}

function catalogueEntry({ id, priceUsd, schema }: typeof fakeModels[number]) {
  return {
    model_id: id,
    name: id,
    description: "",
    type: "text-to-image",
    base_price: priceUsd,
    api_schema: {
      api_schemas: [{ type: "model_run", method: "POST", api_path: `/api/v3/${id}`, request_schema: schema }],
    },
  };
}

export async function readJson(request: Request): Promise<Record<string, unknown> | null> {
  const value: unknown = await request.json().catch(() => null);
  return z.record(z.string(), z.unknown()).safeParse(value).data ?? null;
}
