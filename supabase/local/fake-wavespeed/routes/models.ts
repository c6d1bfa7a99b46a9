// The catalogue and its prices.

import * as z from "zod";
import { type FakeModel, fakeModels, priceOf, schemaOf } from "../catalogue.ts";
import type { World } from "../world.ts";
import { data, notFound, readBody, refuse } from "./reply.ts";

/** All of them at once: the live list is unpaged too. */
export function list(world: World): Response {
  return data(fakeModels.map((model, index) => tellModel(world, model, index)));
}

function tellModel(world: World, model: FakeModel, index: number) {
  const perPicture = "num_images" in model.schema.properties;
  return {
    model_id: model.id,
    name: model.id,
    description: `Stand-in for ${model.id}`,
    type: model.type,
    base_price: model.priceUsd,
    sort_order: index + 1,
    // JSONata on the inputs.
    formula: perPicture ? `${model.priceUsd} * num_images` : String(model.priceUsd),
    api_schema: {
      api_schemas: [{
        type: "model_run",
        method: "POST",
        server: world.origin,
        api_path: `/api/v3/${model.id}`,
        request_schema: schemaOf(model, world.settings.commonFlags),
      }],
    },
  };
}

/** For these inputs; without them, for the model's own defaults. */
export async function price(world: World, request: Request): Promise<Response> {
  const Query = z.object({ model_id: z.string(), inputs: z.record(z.string(), z.unknown()).default({}) });
  const query = await readBody(request, Query);
  if (query === null) return refuse(world.settings, 400, "model_id is required");
  const model = fakeModels.find(({ id }) => id === query.model_id);
  if (model === undefined) return notFound(world.settings, "Model not found");
  const usd = priceOf(model, query.inputs);
  return data({ model_id: model.id, price: usd, discounted_price: usd, ...currencyOf(world) });
}

export async function pricing(world: World, request: Request): Promise<Response> {
  const query = await readBody(request, z.object({ model_id: z.string() }));
  if (query === null) return refuse(world.settings, 400, "model_id is required");
  const model = fakeModels.find(({ id }) => id === query.model_id);
  if (model === undefined) return notFound(world.settings, "Model not found");
  return data({ model_id: model.id, unit_price: model.priceUsd, ...currencyOf(world) });
}

function currencyOf({ settings }: World) {
  return settings.priceCurrency ? { currency: "USD" } : {};
}
