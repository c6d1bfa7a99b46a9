// /storage/v1: buckets, objects, signed URLs, on storage.buckets and storage.objects of the platform and on files.
// Not here, and so answered 404: signed resumable uploads, S3, list-v2. Image transformation answers as on a plan without it.
//
// Own code and not @supabase/lite's, whose storage lists whole trees instead of folders, reads no multipart body as
// storage-js sends it, ignores `image/*`, has no limit on streams, no ranges, and other bodies for copy, info and sign.

import { join } from "node:path";
import { bearerOf, type Callers, type Refusal, refuseKey } from "../caller.ts";
import type { Log } from "../../log.ts";
import { openAccess } from "./access.ts";
import { openBlobs } from "./blobs.ts";
import * as buckets from "./buckets.ts";
import { accessDenied, internal, malformed, noRoute, notEnabled, StorageError } from "./errors.ts";
import * as objects from "./objects.ts";
import { openParts } from "./parts.ts";
import * as relocate from "./relocate.ts";
import { resumable } from "./resumable.ts";
import { createSignedUrls } from "./signed.ts";
import { checkBucketName } from "./rules.ts";
import type { Store } from "./store.ts";

export interface Storage {
  handle(request: Request): Promise<Response>;
  stop(): Promise<void>;
}

export interface StorageOptions {
  adminUrl: string;
  /** Where the bytes are kept. */
  directory: string;
  /** Signs URLs. */
  secret: string;
  callers: Callers;
  log: Log;
}

interface Call extends Omit<objects.ObjectCall, "bucket" | "name"> {
  path: string;
}

type Route = [
  methods: string,
  path: RegExp,
  handler: (call: objects.ObjectCall & buckets.BucketCall) => Promise<Response>,
];

// The rights are in the URL, the object is public or the plan forbids it: no key, no token.
const openRoutes: Route[] = [
  ["GET HEAD", /^\/render\/image\//, () => Promise.reject(notEnabled())],
  ["GET HEAD", /^\/object\/info\/public\/([^/]+)\/(.+)$/, objects.infoPublic],
  ["GET HEAD", /^\/object\/public\/([^/]+)\/(.+)$/, objects.getPublic],
  ["GET HEAD", /^\/object\/sign\/([^/]+)\/(.+)$/, objects.getSigned],
  ["PUT", /^\/object\/upload\/sign\/([^/]+)\/(.+)$/, objects.putSigned],
];

const routes: Route[] = [
  ["GET", /^\/bucket\/?$/, buckets.listBuckets],
  ["POST", /^\/bucket\/?$/, buckets.createBucket],
  ["POST", /^\/bucket\/([^/]+)\/empty$/, buckets.emptyBucket],
  ["GET", /^\/bucket\/([^/]+)$/, buckets.getBucket],
  ["PUT", /^\/bucket\/([^/]+)$/, buckets.updateBucket],
  ["DELETE", /^\/bucket\/([^/]+)$/, buckets.deleteBucket],
  ["GET", /^\/object\/info\/(?:authenticated\/)?([^/]+)\/(.+)$/, objects.info],
  ["POST", /^\/object\/list-v2\//, notHere],
  ["POST", /^\/object\/list\/([^/]+)$/, objects.listFolder],
  ["POST", /^\/object\/move$/, relocate.move],
  ["POST", /^\/object\/copy$/, relocate.copy],
  ["POST", /^\/object\/upload\/sign\/([^/]+)\/(.+)$/, objects.signUpload],
  ["POST", /^\/object\/sign\/([^/]+)\/(.+)$/, objects.sign],
  ["POST", /^\/object\/sign\/([^/]+)$/, objects.signMany],
  ["GET HEAD", /^\/object\/(?:authenticated\/)?([^/]+)\/(.+)$/, objects.get],
  ["POST", /^\/object\/([^/]+)\/(.+)$/, (call) => objects.put(call, false)],
  ["PUT", /^\/object\/([^/]+)\/(.+)$/, (call) => objects.put(call, true)],
  ["DELETE", /^\/object\/([^/]+)\/(.+)$/, objects.removeOne],
  ["DELETE", /^\/object\/([^/]+)$/, objects.removeMany],
  ["POST HEAD PATCH DELETE", /^\/upload\/resumable(?!\/sign(?:\/|$))/, resumable],
];

const nobody = { role: "anon", userId: null, claims: { role: "anon" } };

export async function startStorage(
  { adminUrl, directory, secret, callers, log }: StorageOptions,
): Promise<Storage> {
  const store: Store = {
    access: openAccess(adminUrl),
    blobs: openBlobs(directory),
    parts: await openParts(join(directory, "resumable")),
    signed: createSignedUrls(secret),
  };
  return {
    async handle(request) {
      const url = new URL(request.url);
      try {
        const path = pathOf(url);
        if (path === "/status") return Response.json({ status: "ok" });
        const call = { store, request, url, path, caller: nobody };
        const open = answer(openRoutes, call);
        if (open) return await open;
        const identity = await callers.identify(request.headers, url, "optional");
        const refused = identity.caller ? null : refuseKey(identity.refused);
        if (refused) return refused;
        checkToken(request.headers, url, identity.refused);
        const routed = identity.caller && answer(routes, { ...call, caller: identity.caller });
        return routed ? await routed : noRoute(request.method, path);
      } catch (error) {
        if (error instanceof StorageError) return error.toResponse();
        log(`storage: ${request.method} failed: ${error instanceof Error ? error.message : String(error)}`);
        return internal().toResponse();
      }
    },
    stop: () => store.access.stop(),
  };
}

/** What would otherwise be taken for an upload. */
function notHere({ request, url }: objects.ObjectCall): Promise<Response> {
  return Promise.resolve(noRoute(request.method, pathOf(url)));
}

function pathOf(url: URL): string {
  try {
    return decodeURIComponent(url.pathname.replace(/^\/storage\/v1/, ""));
  } catch {
    throw malformed(`'${url.pathname}' is not a valid url component`);
  }
}

/**
 * The service behind the gateway knows tokens only. A key in `apikey` is changed into one by the gateway; a key as
 * a bearer token is not, and no key at all is no request of an anonymous user.
 */
function checkToken(headers: Headers, url: URL, refused: Refusal | undefined): void {
  const bearer = bearerOf(headers);
  const hasKey = headers.has("apikey") || url.searchParams.has("apikey");
  if (!bearer && !hasKey) throw malformed("headers must have required property 'authorization'");
  if (bearer?.startsWith("sb_") ? !hasKey : bearer && bearer.split(".").length !== 3) {
    throw accessDenied("Invalid Compact JWS");
  }
  if (refused) {
    throw accessDenied(
      refused === "expired" ? '"exp" claim timestamp check failed' : "signature verification failed",
    );
  }
}

function answer(table: Route[], call: Call): Promise<Response> | null {
  for (const [methods, pattern, handler] of table) {
    if (!methods.split(" ").includes(call.request.method)) continue;
    const match = pattern.exec(call.path);
    if (!match) continue;
    const [, first = "", rest = ""] = match;
    if (rest !== "") checkBucketName(first);
    return handler({ ...call, bucket: first, id: first, name: rest });
  }
  return null;
}
