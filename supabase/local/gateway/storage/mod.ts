// /storage/v1: buckets, objects, signed URLs, on storage.buckets and storage.objects of the platform and on files.
// Not here: resumable uploads, S3, image transformation (a paid plan's feature), list-v2.
//
// Own code and not @supabase/lite's, whose storage lists whole trees instead of folders, reads no multipart body as
// storage-js sends it, ignores `image/*`, has no limit on streams, no ranges, and other bodies for copy, info and sign.

import { type Callers, refuseKey } from "../caller.ts";
import type { Log } from "../../log.ts";
import { openAccess } from "./access.ts";
import { openBlobs } from "./blobs.ts";
import * as buckets from "./buckets.ts";
import { internal, invalidJwt, noRoute, notEnabled, StorageError } from "./errors.ts";
import * as objects from "./objects.ts";
import { createSignedUrls } from "./signed.ts";
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

// The rights are in the URL or the object is public: no key, no token.
const openRoutes: Route[] = [
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
  ["GET", /^\/object\/info\/(?:authenticated\/|public\/)?([^/]+)\/(.+)$/, objects.info],
  ["POST", /^\/object\/list\/([^/]+)$/, objects.listFolder],
  ["POST", /^\/object\/move$/, objects.move],
  ["POST", /^\/object\/copy$/, objects.copy],
  ["POST", /^\/object\/upload\/sign\/([^/]+)\/(.+)$/, objects.signUpload],
  ["POST", /^\/object\/sign\/([^/]+)\/(.+)$/, objects.sign],
  ["POST", /^\/object\/sign\/([^/]+)$/, objects.signMany],
  ["GET HEAD", /^\/object\/(?:authenticated\/)?([^/]+)\/(.+)$/, objects.get],
  ["POST", /^\/object\/([^/]+)\/(.+)$/, (call) => objects.put(call, false)],
  ["PUT", /^\/object\/([^/]+)\/(.+)$/, (call) => objects.put(call, true)],
  ["DELETE", /^\/object\/([^/]+)\/(.+)$/, objects.removeOne],
  ["DELETE", /^\/object\/([^/]+)$/, objects.removeMany],
  ["GET HEAD", /^\/render\/image\//, () => Promise.reject(notEnabled())],
];

const nobody = { role: "anon", userId: null, claims: { role: "anon" } };

export function startStorage({ adminUrl, directory, secret, callers, log }: StorageOptions): Storage {
  const store: Store = {
    access: openAccess(adminUrl),
    blobs: openBlobs(directory),
    signed: createSignedUrls(secret),
  };
  return {
    async handle(request) {
      const url = new URL(request.url);
      const path = decodeURIComponent(url.pathname.replace(/^\/storage\/v1/, ""));
      if (path === "/status") return Response.json({ status: "ok" });
      const call = { store, request, url, path, caller: nobody };
      try {
        const open = answer(openRoutes, call);
        if (open) return await open;
        const identity = await callers.identify(request.headers, url, "optional");
        if (!identity.caller) {
          const refused = refuseKey(identity.refused);
          if (refused) return refused;
          throw invalidJwt(identity.refused === "expired" ? "jwt expired" : "invalid signature");
        }
        const routed = answer(routes, { ...call, caller: identity.caller });
        if (!routed) throw noRoute(`${request.method}:${path}`);
        return await routed;
      } catch (error) {
        if (error instanceof StorageError) return error.toResponse();
        log(`storage: ${request.method} failed: ${error instanceof Error ? error.message : String(error)}`);
        return internal().toResponse();
      }
    },
    stop: () => store.access.stop(),
  };
}

function answer(table: Route[], call: Call): Promise<Response> | null {
  for (const [methods, pattern, handler] of table) {
    if (!methods.split(" ").includes(call.request.method)) continue;
    const match = pattern.exec(call.path);
    if (!match) continue;
    const [, first = "", rest = ""] = match;
    return handler({ ...call, bucket: first, id: first, name: rest });
  }
  return null;
}
