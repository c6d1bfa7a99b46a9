// Storage: how it says no, to the letter.

import { afterAll, beforeAll, expect, test } from "vitest";
import { createTokens } from "../../supabase/local/gateway/mod.ts";
import { loadKeys } from "../../supabase/local/keys.ts";
import {
  type Answer,
  image,
  openProject,
  ownFolders,
  stack,
  type StorageProject,
} from "./storage-project.ts";

const bucket = "trap-refusals";
let project: StorageProject;
const inFolder = (name: string) => `${project.userId}/${name}`;
const files = () => project.client.storage.from(bucket);

beforeAll(async () => {
  project = await openProject();
  await ownFolders(project, bucket, { bytes: 1000, mimeTypes: ["image/*"] });
  await files().upload(inFolder("taken.png"), image(10));
});
afterAll(() => project?.stop());

const png = { "content-type": "image/png" };
const asService = { apikey: stack.secretKey, "content-type": "application/json" };
const put = (path: string, bytes = 10, headers: Record<string, string> = png) =>
  project.call("POST", `/object/${bucket}/${path}`, {
    headers: { ...project.headers, ...headers },
    body: new Uint8Array(bytes),
  });
const createBucket = (body: Record<string, unknown>) =>
  project.call("POST", "/bucket", { headers: asService, body: JSON.stringify(body) });
const withToken = (authorization: string) =>
  project.call("GET", `/object/${bucket}/x`, { headers: { apikey: stack.publishableKey, authorization } });
const body = (statusCode: string, error: string, code: string, message: string) => ({
  statusCode,
  error,
  code,
  message,
});
const denied = (message: string) => body("403", "Unauthorized", "AccessDenied", message);
const malformed = (message: string) => body("400", "Error", "InvalidRequest", message);
const duplicate = (code: string) => body("409", "Duplicate", code, "The resource already exists");

const tooLarge = () =>
  body("413", "Payload too large", "EntityTooLarge", "The object exceeded the maximum allowed size");

test.each<[string, () => Promise<Answer>, () => unknown]>([
  [
    "a missing object",
    () => project.call("GET", `/object/authenticated/${bucket}/${inFolder("none.png")}`),
    () => body("404", "not_found", "NoSuchKey", "Object not found"),
  ],
  [
    "a missing bucket",
    () => project.call("GET", "/object/authenticated/nowhere/none.png"),
    () => body("404", "Bucket not found", "NoSuchBucket", "Bucket not found"),
  ],
  [
    "a private bucket, asked for in public",
    () => project.call("GET", `/object/public/${bucket}/${inFolder("taken.png")}`, { headers: {} }),
    () => body("404", "Bucket not found", "NoSuchBucket", "Bucket not found"),
  ],
  ["a key that is taken", () => put(inFolder("taken.png")), () => duplicate("KeyAlreadyExists")],
  [
    "what a policy denies",
    () => put("of-another/x.png"),
    () => denied("new row violates row-level security policy"),
  ],
  [
    "deleting what is another's",
    async () => {
      await project.service.storage.from(bucket).upload("of-another/y.png", image(10), { upsert: true });
      return await project.call("DELETE", `/object/${bucket}/of-another/y.png`);
    },
    () => denied("Access denied"),
  ],
  [
    "a character that no key may have",
    () => put(inFolder("a%5B1%5D.png")),
    () => body("400", "InvalidKey", "InvalidKey", `Invalid key: ${inFolder("a[1].png")}`),
  ],
  [
    "another media type",
    () => put(inFolder("a.txt"), 10, { "content-type": "text/plain" }),
    () => body("415", "invalid_mime_type", "InvalidMimeType", "mime type text/plain is not supported"),
  ],
  [
    "a file over the limit",
    () => put(inFolder("big.png"), 1001),
    tooLarge,
  ],
  ["a token that is none", () => withToken("Bearer nothing"), () => denied("Invalid Compact JWS")],
  [
    "a token of another project",
    () => withToken(`Bearer ${project.token.slice(0, -8)}AAAAAAAA`),
    () => denied("signature verification failed"),
  ],
  [
    "an expired token",
    async () => {
      const { signingKey } = await loadKeys(stack.dataDirectory);
      const tokens = await createTokens({ signingKey, issuer: `${stack.url}/auth/v1` });
      const claims = { sub: project.userId, role: "authenticated" };
      return await withToken(`Bearer ${await tokens.sign(claims, -60)}`);
    },
    () => denied('"exp" claim timestamp check failed'),
  ],
  [
    "no token at all",
    () => project.call("GET", `/object/${bucket}/x`, { headers: {} }),
    () => malformed("headers must have required property 'authorization'"),
  ],
  [
    "a secret key as bearer token alone",
    () => project.call("GET", "/bucket", { headers: { authorization: `Bearer ${stack.secretKey}` } }),
    () => denied("Invalid Compact JWS"),
  ],
  [
    "a body without its list",
    () =>
      project.call("DELETE", `/object/${bucket}`, {
        headers: { ...project.headers, "content-type": "application/json" },
        body: '{"prefixes": []}',
      }),
    () => malformed("body/prefixes must NOT have fewer than 1 items"),
  ],
  [
    "a signed URL without its token",
    () => project.call("GET", `/object/sign/${bucket}/x`, { headers: {} }),
    () => malformed("querystring must have required property 'token'"),
  ],
  [
    "a signed URL with a made-up token",
    () => project.call("GET", `/object/sign/${bucket}/x?token=nothing`, { headers: {} }),
    () => body("400", "InvalidJWT", "InvalidJWT", "Invalid Compact JWS"),
  ],
  [
    "a signed URL of another object",
    async () => {
      const { data } = await files().createSignedUrl(inFolder("taken.png"), 60);
      const { search } = new URL(data?.signedUrl ?? "");
      return await project.call("GET", `/object/sign/${bucket}/x${search}`, { headers: {} });
    },
    () => body("400", "InvalidSignature", "InvalidSignature", "Invalid signature"),
  ],
  [
    "an upload's token for a download",
    async () => {
      const { data } = await files().createSignedUploadUrl(inFolder("new.png"));
      const path = `/object/sign/${bucket}/${inFolder("new.png")}?token=${data?.token}`;
      return await project.call("GET", path, { headers: {} });
    },
    () => body("400", "InvalidSignature", "InvalidSignature", "Token is not scoped for download"),
  ],
  [
    "a bucket that exists",
    () => createBucket({ name: bucket }),
    () => duplicate("BucketAlreadyExists"),
  ],
  [
    "a bucket's name with a slash",
    () => createBucket({ name: "a/b" }),
    () => body("400", "Invalid Input", "InvalidBucketName", "Bucket name invalid"),
  ],
  [
    "a bucket's limit over the project's",
    () => createBucket({ name: "trap-large", file_size_limit: "53MB" }),
    tooLarge,
  ],
  [
    "a size in a unit that it does not know",
    () => createBucket({ name: "trap-unit", file_size_limit: "5MiB" }),
    () =>
      body(
        "400",
        "InvalidRequest",
        "InvalidRequest",
        "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B",
      ),
  ],
  [
    "a media type for everything",
    () => createBucket({ name: "trap-types", allowed_mime_types: ["*/*"] }),
    () => body("415", "invalid_mime_type", "InvalidMimeType", "mime type */* is not supported"),
  ],
  [
    "a bucket that is not empty",
    () => project.call("DELETE", `/bucket/${bucket}`, { headers: asService }),
    () => body("409", "ResourceNotEmpty", "ResourceNotEmpty", "The bucket you tried to delete is not empty"),
  ],
])("trap 26: %s is HTTP 400 with the real code in the body", async (_what, ask, expected) => {
  expect(await ask()).toEqual({ status: 400, body: expected() });
});

test("trap 26: so whoever asks the client for the HTTP status never learns that it was 404 or 409", async () => {
  const missing = await files().info(inFolder("none.png"));
  expect(missing.error).toMatchObject({ status: 400, statusCode: "404" });
  const taken = await files().upload(inFolder("taken.png"), image(10));
  expect(taken.error).toMatchObject({ status: 400, statusCode: "409" });
});

test.each([["POST", "/upload/resumable/sign"], ["GET", "/s3"], ["POST", `/object/list-v2/${bucket}`]])(
  "trap 26: %s %s, which is not there, is a true 404 of the web framework",
  async (method, path) => {
    expect(await project.call(method, path)).toEqual({
      status: 404,
      body: { statusCode: 404, error: "Not Found", message: `Route ${method}:${path} not found` },
    });
  },
);
