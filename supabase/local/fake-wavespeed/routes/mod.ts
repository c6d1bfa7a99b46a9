// The provider's HTTP API, as its documentation and traffic describe it: which route does what, who may ask, and
// what becomes of an answer that is to be spoilt.

import { type Endpoint, strikes } from "../settings.ts";
import type { World } from "../world.ts";
import * as account from "./account.ts";
import * as media from "./media.ts";
import * as models from "./models.ts";
import * as predictions from "./predictions.ts";
import { notFound, refuse, type Reply, verbatim } from "./reply.ts";
import { submit } from "./submit.ts";

type Handle = (world: World, request: Request, name: string) => Promise<Reply> | Reply;

interface Route {
  /** The one group, if any, is handed on as `name`. */
  line: RegExp;
  endpoint: Endpoint;
  handle: Handle;
  /** Only in old pages of the documentation. */
  isOld?: true;
}

const routes: readonly Route[] = [
  { line: /^GET predictions\/([^/]+)\/result$/, endpoint: "result", handle: predictions.result },
  { line: /^GET predictions\/([^/]+)$/, endpoint: "result", handle: predictions.shortResult },
  { line: /^DELETE predictions\/([^/]+)$/, endpoint: "delete", handle: predictions.deleteOne },
  { line: /^POST predictions\/delete$/, endpoint: "delete", handle: predictions.deleteMany },
  { line: /^POST predictions$/, endpoint: "list", handle: predictions.list },
  { line: /^GET predictions$/, endpoint: "list", handle: predictions.oldList, isOld: true },
  { line: /^GET balance$/, endpoint: "account", handle: account.balance },
  { line: /^GET account\/balance$/, endpoint: "account", handle: account.oldBalance, isOld: true },
  { line: /^GET account\/usage$/, endpoint: "account", handle: account.oldUsage, isOld: true },
  { line: /^POST user\/usage_stats$/, endpoint: "account", handle: account.usage },
  { line: /^POST billings\/search$/, endpoint: "account", handle: account.searchBillings },
  { line: /^GET webhook\/secret$/, endpoint: "account", handle: account.webhookSecret },
  { line: /^GET models$/, endpoint: "models", handle: models.list },
  { line: /^POST model\/price$/, endpoint: "models", handle: models.price },
  { line: /^POST model\/pricing$/, endpoint: "models", handle: models.pricing },
  { line: /^POST media\/upload\/binary$/, endpoint: "media", handle: media.uploadBinary },
  { line: /^POST media\/uploads$/, endpoint: "media", handle: media.announce },
  { line: /^POST upload$/, endpoint: "media", handle: media.oldUpload, isOld: true },
  // Model ids hold slashes, so whatever else is posted is one.
  { line: /^POST (.+)$/, endpoint: "submit", handle: submit },
];

/** `path` is what follows `/api/v3/`. */
export async function serveApi(world: World, request: Request, path: string): Promise<Reply> {
  const { settings } = world;
  if (request.headers.get("authorization") !== `Bearer ${world.apiKey}`) {
    return refuse(settings, 401, "Invalid API key");
  }
  if (settings.account === "suspended") return refuse(settings, 403, "Your account is suspended");
  if (settings.account === "role") return refuse(settings, 403, "This API key lacks the role inference");
  const line = `${request.method} ${path}`;
  const isServed = ({ isOld }: Route) => isOld !== true || settings.oldRoutes === "served";
  for (const route of routes) {
    const match = isServed(route) ? route.line.exec(line) : null;
    if (match === null) continue;
    return await spoil(world, route.endpoint, await route.handle(world, request, match[1] ?? ""));
  }
  return notFound(settings, "Not found");
}

async function spoil(world: World, endpoint: Endpoint, reply: Reply): Promise<Reply> {
  const { settings } = world;
  const concerns = (fault: { endpoint: string }) => fault.endpoint === "any" || fault.endpoint === endpoint;
  if (concerns(settings.slowness) && strikes(settings, "slowAnswers")) {
    await world.sleep(settings.slowness.ms);
  }
  if (!(reply instanceof Response)) return reply;
  if (!concerns(settings.breakage) || !strikes(settings, "breakAnswers")) return reply;
  const { how } = settings.breakage;
  switch (how) {
    case "replaced":
      return verbatim(settings.breakage);
    case "truncated": {
      const text = await reply.text();
      return new Response(text.slice(0, text.length / 2), reply);
    }
    case "cut":
      return { cut: "half", response: reply };
    case "dropped":
      return { cut: "dropped", response: reply };
  }
}
