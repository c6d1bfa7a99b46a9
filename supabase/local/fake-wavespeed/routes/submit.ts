// POST /{model id}: checks, debits, makes the task, and answers at once or, in sync mode, at its end.

import { fakeModels, pictureCount, priceOf } from "../catalogue.ts";
import { resolveInput } from "../input.ts";
import { secondsToNextMinute } from "../minute-window.ts";
import { submitAnswerOf } from "../prediction.ts";
import { strikes } from "../settings.ts";
import type { Task } from "../task.ts";
import type { World } from "../world.ts";
import { data, html, notFound, readJson, refuse, type Reply, verbatim } from "./reply.ts";

const creditsText = "Insufficient credits. Please top up your account.";

export async function submit(world: World, request: Request, modelId: string): Promise<Reply> {
  const { settings } = world;
  if (strikes(settings, "rejectSubmits")) return verbatim(settings.rejection);
  const model = fakeModels.find(({ id }) => id === modelId);
  if (model === undefined) return notFound(settings, "Model not found");
  const given = await readJson(request);
  if (given === null) return refuse(settings, 400, "The body is not a JSON object");
  const { webhookUrl, inputs } = splitWebhook(world, request, given);
  const resolved = resolveInput(model, inputs, settings);
  if (!resolved.ok) return refuse(settings, 400, resolved.problem, { errorCode: resolved.code });
  const { input } = resolved;
  if (input["enable_base64_output"] === true && webhookUrl !== null) {
    // Documented in this shape, whatever shape the others have.
    return Response.json({ error: "webhook callback does not support base64 output" }, { status: 400 });
  }
  const hasCredits = priceOf(model, input) <= world.account.balanceUsd;
  if (!hasCredits && settings.creditsRefusal !== "task 1407") return refuseWithoutCredits(world);
  const limited = refuseAboveLimits(world, pictureCount(input));
  if (limited !== null) return limited;

  const doom = hasCredits ? null : { code: 1407, message: creditsText };
  const task = world.accept(model, input, { webhookUrl, doom });
  const first = { ...submitAnswerOf(task, world.origin, settings), status: settings.initialStatus };
  const isCut = strikes(settings, "dropSubmitAnswers");
  if (strikes(settings, "callbackFirst")) await task.calledBack.promise;
  if (isCut) return { cut: "dropped", response: data(first) };
  const answer = input["enable_sync_mode"] === true ? await answerInSync(world, task) : data(first);
  await world.answersFlow();
  return answer;
}

function splitWebhook(world: World, request: Request, given: Record<string, unknown>) {
  const inQuery = new URL(request.url).searchParams.get("webhook");
  if (!world.settings.webhookInBody) return { webhookUrl: inQuery, inputs: given };
  const { webhook_url: inBody, ...inputs } = given;
  return { webhookUrl: inQuery ?? (typeof inBody === "string" ? inBody : null), inputs };
}

function refuseWithoutCredits({ settings }: World): Response {
  switch (settings.creditsRefusal) {
    case "402":
    case "400":
    case "403":
      return refuse(settings, Number(settings.creditsRefusal), creditsText);
    default:
      return Response.json({ code: 1407, message: creditsText, data: null });
  }
}

function refuseAboveLimits(world: World, pictures: number): Response | null {
  const { settings } = world;
  if (settings.concurrencyMode === "reject" && world.openTasks().length >= settings.concurrency) {
    return refuseForNow(world, "You have reached your concurrency limit", 1);
  }
  const nowMs = world.clock.nowMs();
  if (!world.images.take(pictures, settings.imagesPerMinute, nowMs)) {
    return refuseForNow(world, "You have reached your rate limit", secondsToNextMinute(nowMs));
  }
  return null;
}

function refuseForNow({ settings }: World, message: string, seconds: number): Response {
  const headers: Record<string, string> = {};
  if (settings.retryAfter === "seconds") headers["retry-after"] = String(seconds);
  // The receiver compares it with its own clock, not with one that a test has moved.
  if (settings.retryAfter === "date") {
    headers["retry-after"] = new Date(Date.now() + seconds * 1000).toUTCString();
  }
  return refuse(settings, 429, message, { headers });
}

/** The task goes on, whether or not it was waited for. */
async function answerInSync(world: World, task: Task): Promise<Response> {
  const { settings } = world;
  const limitMs = settings.syncLimitMs;
  if (await world.endsWithin(task, limitMs)) return data(submitAnswerOf(task, world.origin, settings));
  if (settings.syncTimeout === "gateway") return html(504, "Gateway Time-out");
  const answer = submitAnswerOf(task, world.origin, settings);
  return data({
    ...answer,
    status: "processing",
    code: 5004,
    error: `Sync mode timed out after ${limitMs / 1000} seconds. Query the result at ${urlOf(answer)}`,
  });
}

function urlOf({ urls }: Record<string, unknown>): string {
  return typeof urls === "object" && urls !== null && "get" in urls ? String(urls.get) : "";
}
