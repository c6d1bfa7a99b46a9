// Errors of /storage/v1 as hosted answers them: the HTTP status is 400 whatever went wrong, the body has the real
// one. The exceptions have a `httpStatus` of their own.

interface Fault {
  code: string;
  statusCode: number;
  /** What `error` was before there was `code`; the same as `code` for most. */
  error: string;
  message: string;
  httpStatus: number;
}

export class StorageError extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message);
    this.name = "StorageError";
    this.fault = fault;
  }
  toResponse(): Response {
    const { statusCode, error, code, message, httpStatus } = this.fault;
    return Response.json({ statusCode: String(statusCode), error, code, message }, { status: httpStatus });
  }
}

function fault(code: string, statusCode: number, message: string, more: Partial<Fault> = {}): StorageError {
  return new StorageError({ code, statusCode, error: code, message, httpStatus: 400, ...more });
}

export const noSuchBucket = () =>
  fault("NoSuchBucket", 404, "Bucket not found", { error: "Bucket not found" });
export const noSuchKey = () => fault("NoSuchKey", 404, "Object not found", { error: "not_found" });
const duplicate = (code: string) => fault(code, 409, "The resource already exists", { error: "Duplicate" });
export const keyExists = () => duplicate("KeyAlreadyExists");
export const bucketExists = () => duplicate("BucketAlreadyExists");
export const bucketNotEmpty = () =>
  fault("ResourceNotEmpty", 409, "The bucket you tried to delete is not empty");
export const invalidKey = (key: string) => fault("InvalidKey", 400, `Invalid key: ${key}`);
export const invalidBucketName = () =>
  fault("InvalidBucketName", 400, "Bucket name invalid", { error: "Invalid Input" });
/** A body, query or header that is not of the route's form, in the words of the schema checker. */
export const malformed = (message: string) => fault("InvalidRequest", 400, message, { error: "Error" });
export const noContent = () => fault("InvalidRequest", 400, "No content provided");
export const invalidSizeLimit = () =>
  fault("InvalidRequest", 400, "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B");
export const tooLarge = () =>
  fault("EntityTooLarge", 413, "The object exceeded the maximum allowed size", {
    error: "Payload too large",
  });
export const invalidMimeType = (mimeType: string) =>
  fault("InvalidMimeType", 415, `mime type ${mimeType} is not supported`, { error: "invalid_mime_type" });
/** By a policy, a grant, or because the caller's own token is not good. */
export const accessDenied = (message: string) =>
  fault("AccessDenied", 403, message, { error: "Unauthorized" });
/** The token in a signed URL. */
export const invalidJwt = (message: string) => fault("InvalidJWT", 400, message);
export const invalidSignature = (message = "Invalid signature") => fault("InvalidSignature", 400, message);
export const internal = () =>
  fault("InternalError", 500, "Internal Server Error", { error: "Internal", httpStatus: 500 });

/** Image transformation without the plan for it: refused before anything is looked at, with its true status. */
export const notEnabled = () =>
  fault("FeatureNotEnabled", 403, "feature not enabled for this tenant", { httpStatus: 403 });

/** No route of this service: the web framework's own answer, with its true status. */
export function noRoute(method: string, path: string): Response {
  const message = `Route ${method}:${path} not found`;
  return Response.json({ message, error: "Not Found", statusCode: 404 }, { status: 404 });
}

/** By SQLSTATE: what the service makes of an error of the database. */
const ofDatabase: Record<string, (message: string) => StorageError> = {
  "42501": (message) =>
    accessDenied(
      message.includes("row-level security") ? "new row violates row-level security policy" : message,
    ),
  "23505": () => duplicate("ResourceAlreadyExists"),
  "23503": () => fault("InvalidRequest", 404, "The related resource does not exist"),
  "22P02": (message) => fault("InvalidParameter", 400, message),
  "57014": () =>
    fault("DatabaseTimeout", 544, "The connection to the database timed out", { httpStatus: 544 }),
};

/** What a database error means to the caller; whatever is none is passed on. */
export function fromDatabase(error: unknown): unknown {
  const isAnswer = error instanceof Error && error.name === "PostgresError" && "code" in error;
  if (!isAnswer) return error;
  const code = String(error.code);
  return ofDatabase[code]?.(error.message) ??
    fault("DatabaseError", 500, `database error, code: ${code}`, { httpStatus: 500 });
}

/** For `catch`: the database's "already there" said of a key or a bucket. */
export function alreadyThere(exists: () => StorageError): (error: unknown) => never {
  return (error) => {
    throw error instanceof StorageError && error.fault.code === "ResourceAlreadyExists" ? exists() : error;
  };
}
