// Errors of /storage/v1 as hosted answers them: the HTTP status is 400 whatever went wrong, the body has the real one.

interface Fault {
  code: string;
  statusCode: number;
  error: string;
  message: string;
}

export class StorageError extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message);
    this.name = "StorageError";
    this.fault = fault;
  }
  toResponse(): Response {
    const { statusCode, error, code, message } = this.fault;
    const status = statusCode === 500 || statusCode === 401 ? statusCode : 400;
    return Response.json({ statusCode: String(statusCode), error, code, message }, { status });
  }
}

function fault(code: string, statusCode: number, error: string, message: string): StorageError {
  return new StorageError({ code, statusCode, error, message });
}

export const noSuchBucket = () => fault("NoSuchBucket", 404, "Bucket not found", "Bucket not found");
export const noSuchKey = () => fault("NoSuchKey", 404, "not_found", "Object not found");
export const keyExists = () => fault("KeyAlreadyExists", 409, "Duplicate", "The resource already exists");
export const bucketNotEmpty = () =>
  fault("InvalidRequest", 409, "InvalidRequest", "The bucket you tried to delete is not empty");
export const invalidKey = (key: string) => fault("InvalidKey", 400, "InvalidKey", `Invalid key: ${key}`);
export const invalidRequest = (message: string) => fault("InvalidRequest", 400, "InvalidRequest", message);
export const tooLarge = () =>
  fault("EntityTooLarge", 413, "Payload too large", "The object exceeded the maximum allowed size");
export const invalidMimeType = (mimeType: string) =>
  fault("InvalidMimeType", 415, "invalid_mime_type", `mime type ${mimeType} is not supported`);
export const accessDenied = () =>
  fault("AccessDenied", 403, "Unauthorized", "new row violates row-level security policy");
export const invalidJwt = (message: string) => fault("InvalidJWT", 401, "Unauthorized", message);
export const invalidSignature = (message: string) => fault("InvalidJWT", 400, "InvalidJWT", message);
export const noRoute = (route: string) => fault("NotFound", 404, "Not Found", `Route ${route} not found`);
export const notEnabled = () =>
  fault(
    "FeatureNotEnabled",
    403,
    "FeatureNotEnabled",
    "Image transformations are not enabled (a paid plan's feature)",
  );
export const internal = () => fault("InternalError", 500, "Internal", "Internal Server Error");

/** What a database error means to the caller; anything else is passed on. */
export function fromDatabase(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "42501") return accessDenied();
  if (code === "23505") return keyExists();
  if (code === "23503") return noSuchBucket();
  return error;
}
