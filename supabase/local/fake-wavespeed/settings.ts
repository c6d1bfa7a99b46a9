// What a test may change of the stand-in while it runs: one table, from which the README's is made. Faults are data;
// where the provider's sources disagree, each reading is a value of a switch, and the first is the likelier one.

import * as z from "zod";
import { custom, flag, limit, oneOf, rowOf, text, times, whole } from "./setting.ts";

const Endpoints = z.enum(["any", "submit", "result", "list", "delete", "media", "account", "models"]);

const life = {
  latencyMs: whole(1500, "from the start of a task to its end"),
  pickupMs: whole(0, "how long a task is `created` before it is `processing`"),
  initialStatus: oneOf(["created", "processing"], "what a submit answers", "traffic / examples and fixtures"),
  runningStatus: text("processing", "what a running task is called", "`pending` in fixtures"),
  failTasks: times("tasks fail as `failure` says"),
  failure: custom(
    z.strictObject({ code: z.number().int(), message: z.string() }),
    { code: 1405, message: "The task failed." },
    "`{code, message}`",
    "`data.code` and `data.error` of failing tasks",
  ),
  endTasks: times("tasks end without pictures, in the status `ending`"),
  ending: text(
    "cancelled",
    "that status: cancelled, timeout, deleted, or one that nobody knows",
    "what yields them is documented nowhere",
  ),
  emptyOutputs: times("tasks complete without outputs"),
  moderateWords: custom(
    z.array(z.string()),
    [],
    "**none**, words",
    "a prompt with one of them fails with 1200",
  ),
  inlineMedia: flag(false, "`data:` URIs are taken as media", "two clients send them, no page promises it"),
};

const submit = {
  unknownKeys: oneOf(["drop", "reject"], "inputs that the model does not know", "the vendor's CLI / schemas"),
  commonFlags: flag(
    true,
    "the models take `enable_sync_mode` and `enable_base64_output`",
    "most do, some do not",
  ),
  webhookInBody: flag(false, "`webhook_url` in the body is heeded", "an old page only"),
  holdSubmitAnswers: flag(false, "the task is made, the answer waits until this is false again"),
  dropSubmitAnswers: times("the task is made and the connection cut"),
  rejectSubmits: times("no task is made, the answer is `rejection`"),
  rejection: custom(
    z.strictObject({
      httpStatus: z.number().int().min(200).max(599),
      body: z.unknown().optional(),
      headers: z.record(z.string(), z.string()),
    }),
    {
      httpStatus: 429,
      body: { code: 429, message: "You have reached your concurrency limit", data: null },
      headers: {},
    },
    "`{httpStatus, body, headers}`",
    "any status; a text for a body is sent as it is, HTML for instance",
  ),
  syncLimitMs: whole(
    90_000,
    "how long a synchronous submit waits",
    "90 s in the SDKs' tests, 120 s elsewhere",
  ),
  syncTimeout: oneOf(
    ["answer", "gateway"],
    "then: 200 `processing` with code 5004, or 504 with HTML; the task goes on",
    "SDKs / docs",
  ),
};

const limits = {
  concurrency: whole(3, "open tasks at once; 3 is the first tier", "", 1),
  concurrencyMode: oneOf(["reject", "wait"], "what happens above it", "observed 429 / docs: waits"),
  imagesPerMinute: limit(null, "pictures a minute, counted from each full minute; 10 in the first tier"),
  retryAfter: oneOf(["none", "seconds", "date"], "`Retry-After` of a 429", "documented nowhere"),
};

const answers = {
  refusalForm: oneOf(
    ["frame", "error", "detail", "errors"],
    'how a refusal is told: `{code, message}`, `{"error"}`, `{"detail"}` or `{"errors"}`',
    "four shapes in the vendor's own clients",
  ),
  errorCodes: flag(false, "refused inputs carry `error_code` 1400 or 1401", "optional in the CLI"),
  notFoundForm: oneOf(["frame", "text"], "the body of a 404", "unknown"),
  account: oneOf(["active", "suspended", "role"], "suspended and a key without a role answer 403"),
  creditsRefusal: oneOf(
    ["402", "400", "403", "code 1407", "task 1407"],
    "an account without credits: a status, 200 with code 1407, or a task that fails with it",
    "documented without a status",
  ),
  breakAnswers: times("answers of `breakage.endpoint` are spoilt, after what was asked for was done"),
  breakage: custom(
    z.strictObject({
      endpoint: Endpoints,
      how: z.enum(["replaced", "truncated", "cut", "dropped"]),
      httpStatus: z.number().int().min(200).max(599),
      body: z.unknown().optional(),
      headers: z.record(z.string(), z.string()),
    }),
    {
      endpoint: "result",
      how: "replaced",
      httpStatus: 502,
      body: "<html>Bad Gateway</html>",
      headers: { "content-type": "text/html" },
    },
    "`{endpoint, how, …}`",
    "replaced by status and body, truncated (half a JSON), cut (half of the bytes) or dropped",
  ),
  slowAnswers: times("answers of `slowness.endpoint` come late"),
  slowness: custom(
    z.strictObject({ endpoint: Endpoints, ms: z.number().int().nonnegative() }),
    { endpoint: "any", ms: 5000 },
    "`{endpoint, ms}`",
    "by how much",
  ),
};

const results = {
  resultUrl: oneOf(["long", "short"], "`urls.get`, with `/result` or without", "traffic and SDKs / docs"),
  shortResultUrl: oneOf(["served", "gone"], "`GET /predictions/{id}`", "docs / no SDK"),
  omitFlags: flag(false, "results lack `has_nsfw_contents`", "missing in recent traffic"),
  flagOutputs: flag(false, "completed results are flagged"),
  timing: oneOf(["timings", "executionTime", "both"], "where the duration stands", "recent / older results"),
  emptyError: oneOf(["text", "absent"], "`error` of a task without one", "both observed"),
  inputInResults: flag(false, "results and callbacks echo the input", "webhook docs: possible; not observed"),
  outputForm: oneOf(["url", "object"], "an output is a URL or `{url}`", "one client takes both"),
  expiredOutput: oneOf(["403", "404"], "a picture or an upload after 7 days", "unknown"),
};

const listing = {
  listTotal: flag(false, "the list says `total`", "only in the older page"),
  echoInputs: flag(true, "the list echoes inputs", "a type in the CLI / third parties saw none"),
  listInput: oneOf(["input", "inputs"], "under which name", "the CLI knows both"),
  listLagMs: whole(0, "a new task is not in the list for so long"),
  oldDelete: oneOf(
    ["finished", "stops", "off"],
    "`DELETE /predictions/{id}`: only ended tasks, running ones too, or 404",
    "old page: hints at stopping; newer pages lack it",
  ),
  stoppedStatus: oneOf(["deleted", "cancelled"], "a stopped task's end", "unknown"),
  oldRoutes: oneOf(
    ["gone", "served"],
    "`GET /predictions`, `/account/balance`, `/account/usage`, `POST /upload`",
    "old pages only",
  ),
};

const money = {
  refundDelayMs: whole(0, "from a failure to its refund", "docs: within 3 h"),
  refundModerated: flag(true, "moderated tasks are refunded too", "not stated"),
  refundStopped: flag(false, "tasks stopped by a deletion are refunded", "old page: in part"),
  priceCurrency: flag(true, "prices name their currency", "optional"),
  billingPaging: oneOf(["total", "has_more"], "how `/billings/search` tells of more pages", "docs / CLI"),
  maxUploadBytes: whole(200 * 1024 * 1024, "a larger file is refused with 413", "20 MB … 300 MB by page"),
};

const callbacks = {
  dropCallbacks: times("the callback is lost"),
  badSignatures: times("its signature does not verify"),
  callbackAgeSeconds: custom(
    z.number().int(),
    0,
    "**0**",
    "age of `webhook-timestamp`, correctly signed; receivers take ±300",
  ),
  signature: oneOf(
    ["v3", "v3-whole", "v1"],
    "key without `whsec_`; with it; Standard Webhooks",
    "newer page / older page / what libraries expect",
  ),
  webhookId: oneOf(["prediction", "delivery"], "`webhook-id` is the task's, or new each time", "not stated"),
  secretForm: oneOf(
    ["secret", "webhook_secret", "text", "bare"],
    "`GET /webhook/secret`: `data.secret`, `data.webhook_secret`, `data`, or `secret` without a frame",
    "undocumented",
  ),
  callbackEnds: oneOf(
    ["documented", "all"],
    "callbacks for completed and failed, or also for cancelled, timeout and deleted",
    "undocumented",
  ),
  callbackRetries: whole(3, "repetitions until a 2xx", "an old page"),
  callbackRetryMs: whole(500, "before the first one; twice as long before each next", "unpublished"),
  callbackAnswerMs: whole(5000, "how long the endpoint may take", "20 minutes in one copy of a page", 1),
  callbackDelayMs: whole(0, "from the task's end to its callback"),
  callbackFirst: times("the submit's answer waits until the callback was delivered"),
  duplicateCallbacks: times("the callback is sent twice at once"),
  reorderCallbacks: times("the callback waits until another one was delivered"),
};

/** In the README's order. */
export const sections = {
  "The life of a task": life,
  "Submit": submit,
  "Limits": limits,
  "Answers": answers,
  "Results and outputs": results,
  "List and deletion": listing,
  "Money and uploads": money,
  "Callbacks": callbacks,
};

export const Settings = z.strictObject({
  ...life,
  ...submit,
  ...limits,
  ...answers,
  ...results,
  ...listing,
  ...money,
  ...callbacks,
});
export type Settings = z.infer<typeof Settings>;
export type Endpoint = Exclude<z.infer<typeof Endpoints>, "any">;

export const defaultSettings: Settings = Settings.parse(
  Object.fromEntries(Object.entries(Settings.shape).map(([name, schema]) => [name, rowOf(schema).initial])),
);

/** Predictions, pictures and uploads live so long. */
export const retentionMs = 7 * 24 * 60 * 60 * 1000;

type Countable = {
  [Name in keyof Settings]: number | boolean extends Settings[Name] ? Name : never;
}[keyof Settings];

/** Whether a fault strikes now; counts it down. */
export function strikes(settings: Settings, fault: Countable): boolean {
  const times = settings[fault];
  if (typeof times === "boolean") return times;
  if (times === 0) return false;
  settings[fault] = times - 1;
  return true;
}
