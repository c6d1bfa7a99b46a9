// The catalogue: what may be asked, kept for a while, and the check of what is asked against it.

import * as z from "zod";
import { columnsOf, GenerationModel, type StartRequest } from "../contract/mod.ts";
import type { Backend } from "./backend.ts";
import type { Clock } from "./clock.ts";
import { refusal } from "./error.ts";
import { throwIfAborted } from "./signal.ts";

/** Prices and models change by an operator's hand. */
const keptMs = 10 * 60_000;

/** Answers the enabled models in the catalogue's order; the same array for ten minutes. */
export function createModels(
  backend: Backend,
  clock: Clock,
): (signal?: AbortSignal) => Promise<GenerationModel[]> {
  let kept: { models: Promise<GenerationModel[]>; untilMs: number } | null = null;
  const read = () =>
    backend.rows(
      (supabase) =>
        supabase.from("generation_models").select(columnsOf(GenerationModel)).eq("enabled", true).order(
          "sort_order",
        ),
      z.array(GenerationModel),
    );
  return async (signal) => {
    if (kept === null || clock.now() >= kept.untilMs) {
      const models = read();
      kept = { models, untilMs: clock.now() + keptMs };
      models.catch(() => kept = null);
    }
    const models = await kept.models;
    throwIfAborted(signal);
    return models;
  };
}

/** Throws what the backend would answer, in its words; what a retry leaves out is the backend's to know. */
export function checkRequest(request: StartRequest, models: readonly GenerationModel[]): void {
  const { modelId, prompt, aspectRatio, numImages, inputPaths, retryOf } = request;
  const missing = Object.entries({ modelId, prompt, aspectRatio }).filter(([, value]) => value === undefined);
  if (retryOf === undefined && missing.length > 0) {
    throw refusal("invalid_request", { fields: missing.map(([name]) => name) });
  }
  if (modelId === undefined) return;
  const model = models.find(({ id }) => id === modelId);
  if (!model) throw refusal("unknown_model", { fields: ["modelId"], allowed: models.map(({ id }) => id) });
  if (aspectRatio !== undefined && !model.aspectRatios.includes(aspectRatio)) {
    throw refusal("unsupported_aspect_ratio", { fields: ["aspectRatio"], allowed: model.aspectRatios });
  }
  // Characters as Postgres counts them, not UTF-16's.
  const length = prompt === undefined ? null : [...prompt].length;
  if (length !== null && (prompt!.trim() === "" || length > model.maxPromptCharacters)) {
    throw refusal("invalid_prompt", {
      fields: ["prompt"],
      allowed: [`1 to ${model.maxPromptCharacters} characters`],
    });
  }
  if (numImages !== undefined && numImages > model.maxImages) {
    throw refusal("unsupported_image_count", { fields: ["numImages"], allowed: span(1, model.maxImages) });
  }
  const inputs = inputPaths?.length ?? (retryOf === undefined ? 0 : null);
  if (inputs !== null && (inputs < model.minInputs || inputs > model.maxInputs)) {
    throw refusal("unsupported_input_count", {
      fields: ["inputPaths"],
      allowed: span(model.minInputs, model.maxInputs),
    });
  }
}

function span(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, place) => from + place);
}
