// The HTTP API as an OpenAPI 3.1 document, made from the contract's schemas: for clients in other languages.

import { z } from "zod";
import {
  Account,
  CancelAnswer,
  CancelRequest,
  ChangeMessage,
  GenerationImage,
  GenerationJob,
  GenerationModel,
  LogEntry,
  Problem,
  problems,
  Queue,
  SearchAnswer,
  SearchRequest,
  StartAnswer,
  StartRequest,
} from "../mod.ts";
import { SearchCursor, SearchItem } from "../search-answer.ts";
import { type PlainSchema, plainSchemas } from "./plain.ts";
import { rowOf } from "./rows.ts";

/** What the data API answers where a database function refuses; `hint` is a code of the catalogue. */
const DataProblem = z.object({
  code: z.string(),
  message: z.string(),
  details: z.string().nullable(),
  hint: z.string().nullable(),
});

const components = plainSchemas({
  Account,
  CancelAnswer,
  CancelRequest,
  ChangeMessage,
  DataProblem,
  DeletedImages: z.object({ deleted: z.array(z.uuid()) }),
  DeleteImagesRequest: z.object({ p_image_ids: z.array(z.uuid()) }),
  FavoriteRequest: z.object({ p_image_id: z.uuid(), p_favorite: z.boolean() }),
  GenerationImage,
  GenerationImageRow: rowOf(GenerationImage, { user_id: z.uuid() }),
  GenerationJob,
  GenerationJobRow: rowOf(GenerationJob, {
    user_id: z.uuid(),
    idempotency_key: z.uuid(),
    input_paths: z.array(z.string()),
  }),
  GenerationModelRow: rowOf(GenerationModel),
  LogEntryRow: rowOf(LogEntry),
  Problem,
  Queue,
  QueueRequest: z.object({ p_job_id: z.uuid() }),
  SearchAnswer,
  SearchCursor,
  SearchItem,
  SearchRequest,
  SignedUrls: z.array(
    z.object({ path: z.string(), signedURL: z.string().nullable(), error: z.string().nullable() }),
  ),
  SignRequest: z.object({ expiresIn: z.number().int().positive(), paths: z.array(z.string()) }),
  StartAnswer,
  StartRequest,
});

type Name = keyof typeof components & string;
const ref = (name: Name): PlainSchema => ({ $ref: `#/components/schemas/${name}` });

interface Operation {
  operationId: string;
  summary: string;
  request?: Name;
  /** Status → the answer's schema, and what it means. */
  answers: Record<string, { schema: PlainSchema; description: string }>;
  parameters?: object[];
}

const traceHeader = {
  "x-trace-id": { schema: { type: "string" }, description: "To name to support; also on the job." },
};
const filter = (name: string, description: string, required = false) => ({
  name,
  in: "query",
  required,
  description,
  schema: { type: "string" },
});
const rowFilters = [
  filter("select", "Columns; all of them where it is left out."),
  filter("order", "For example `created_at.desc`."),
  filter("limit", "Rows at most; 1,000 where it is left out."),
];

/** The catalogue's problems, by status. */
function problemAnswers(): [string, object][] {
  const codes = Map.groupBy(Object.entries(problems), ([, { status }]) => String(status));
  return [...codes].map(([status, entries]) => [status, {
    description: entries.map(([code, { title }]) => `\`${code}\`: ${title}`).join("\n"),
    headers: {
      ...traceHeader,
      ...(entries.some(([, { extras }]) => (extras as readonly string[]).includes("retry_after_seconds")) && {
        "retry-after": { schema: { type: "string" }, description: "Seconds to wait." },
      }),
    },
    content: { "application/problem+json": { schema: ref("Problem") } },
  }]);
}

function callOf({ operationId, summary, request, answers, parameters }: Operation, errors: object): object {
  return {
    operationId,
    summary,
    ...(parameters && { parameters }),
    ...(request && {
      requestBody: { required: true, content: { "application/json": { schema: ref(request) } } },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { schema, description }]) => [status, {
          description,
          content: { "application/json": { schema } },
        }]),
      ),
      ...errors,
    },
  };
}

const functionErrors = Object.fromEntries(problemAnswers());
/** A function's answer names its trace. */
const ofFunction = (operation: Operation) => {
  const call = callOf(operation, functionErrors) as { responses: Record<string, object> };
  for (const status of Object.keys(operation.answers)) {
    call.responses[status] = { ...call.responses[status], headers: traceHeader };
  }
  return { post: call };
};
const dataErrors = {
  default: {
    description: "Refused; `hint` is a code of the catalogue where a function refused.",
    content: { "application/json": { schema: ref("DataProblem") } },
  },
};
const ofRpc = (operation: Operation) => ({ post: callOf(operation, dataErrors) });
const rows = (operationId: string, summary: string, row: Name, parameters: object[] = []) => ({
  get: callOf({
    operationId,
    summary,
    parameters: [...parameters, ...rowFilters],
    answers: { 200: { schema: { type: "array", items: ref(row) }, description: "The caller's rows." } },
  }, dataErrors),
});
const answer = (name: Name, description: string) => ({ schema: ref(name), description });

export const document = {
  openapi: "3.1.0",
  info: {
    title: "Genflow",
    version: "1",
    description:
      "Made from the zod contract by `npm run openapi`. Words that are listed as known may be joined by others: " +
      "decode them as strings. Everything is called with the project's publishable key and a user's token.",
  },
  servers: [{
    url: "https://{project}.supabase.co",
    variables: { project: { default: "project", description: "The project's reference." } },
  }],
  security: [{ publishableKey: [], userToken: [] }],
  paths: {
    "/functions/v1/start-generation": ofFunction({
      operationId: "startGeneration",
      summary: "Asks for pictures: one UUID a tap, the same for each try of it.",
      parameters: [{
        name: "Idempotency-Key",
        in: "header",
        required: true,
        schema: { type: "string", format: "uuid" },
      }],
      request: "StartRequest",
      answers: {
        202: answer("StartAnswer", "A new job."),
        200: answer("StartAnswer", "The same key again: the same job, as of now."),
      },
    }),
    "/functions/v1/cancel": ofFunction({
      operationId: "cancelGeneration",
      summary: "Cancels a job; repeatable.",
      request: "CancelRequest",
      answers: { 200: answer("CancelAnswer", "What became of it and of its credits.") },
    }),
    "/rest/v1/rpc/my_account": ofRpc({
      operationId: "myAccount",
      summary: "Balance, slots, and the number of the newest change.",
      answers: { 200: answer("Account", "As of now.") },
    }),
    "/rest/v1/rpc/queue_position": ofRpc({
      operationId: "queuePosition",
      summary: "Where a job stands, and why it waits.",
      request: "QueueRequest",
      answers: { 200: answer("Queue", "As of now.") },
    }),
    "/rest/v1/rpc/search_generations": ofRpc({
      operationId: "searchGenerations",
      summary: "A page of the profile; ask on with `next` as `after` until it is null.",
      request: "SearchRequest",
      answers: { 200: answer("SearchAnswer", "A page, which may be empty and not the last.") },
    }),
    "/rest/v1/rpc/set_favorite": ofRpc({
      operationId: "setFavorite",
      summary: "Marks a picture as a favorite, or not.",
      request: "FavoriteRequest",
      answers: { 200: answer("GenerationImage", "The picture from now on.") },
    }),
    "/rest/v1/rpc/delete_images": ofRpc({
      operationId: "deleteImages",
      summary: "Deletes up to 100 pictures: gone from the profile at once, their files soon after.",
      request: "DeleteImagesRequest",
      answers: { 200: answer("DeletedImages", "Those that were deleted.") },
    }),
    "/rest/v1/generation_models": rows("models", "The catalogue.", "GenerationModelRow", [
      filter("enabled", "`is.true`: what may be asked now."),
    ]),
    "/rest/v1/generation_jobs": rows("jobs", "Jobs; with `seq=gt.N` what has changed.", "GenerationJobRow", [
      filter("id", "`eq.<uuid>`."),
      filter("seq", "`gt.<number>`."),
    ]),
    "/rest/v1/generation_images": rows(
      "images",
      "Pictures; one with `deleted_at` is gone.",
      "GenerationImageRow",
      [
        filter("job_id", "`eq.<uuid>`."),
        filter("seq", "`gt.<number>`."),
      ],
    ),
    "/rest/v1/generation_events": rows("logs", "What happened to a job.", "LogEntryRow", [
      filter("job_id", "`eq.<uuid>`.", true),
    ]),
    "/storage/v1/object/sign/generations": ofRpc({
      operationId: "signImages",
      summary: "Addresses of pictures by their `path` or `thumb_path`, below /storage/v1, for a while.",
      request: "SignRequest",
      answers: { 200: answer("SignedUrls", "One for each path that is the caller's.") },
    }),
  },
  components: {
    schemas: components,
    securitySchemes: {
      publishableKey: { type: "apiKey", in: "header", name: "apikey" },
      userToken: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
    },
  },
};
