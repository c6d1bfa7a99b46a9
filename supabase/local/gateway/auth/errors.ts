// Errors of /auth/v1 in the shape supabase-js reads: `{code, error_code, msg}`.

export class AuthError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "AuthError";
    this.status = status;
    this.code = code;
  }
  toResponse(): Response {
    return Response.json({ code: this.status, error_code: this.code, msg: this.message }, {
      status: this.status,
    });
  }
}

export const invalidCredentials = () =>
  new AuthError(400, "invalid_credentials", "Invalid login credentials");
export const emailTaken = () => new AuthError(422, "user_already_exists", "User already registered");
export const userNotFound = () => new AuthError(404, "user_not_found", "User not found");
export const notAdmin = () => new AuthError(403, "not_admin", "User not allowed");
export const noAuthorization = () =>
  new AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token");
export const sessionNotFound = () =>
  new AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist");
export const refreshTokenNotFound = () =>
  new AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found");
export const refreshTokenUsed = () =>
  new AuthError(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used");
export const invalid = (message: string) => new AuthError(400, "validation_failed", message);
export const weakPassword = (minimum: number) =>
  new AuthError(422, "weak_password", `Password should be at least ${minimum} characters.`);
export const notHere = (what: string) =>
  new AuthError(
    501,
    "not_supported_locally",
    `${what} needs mail or an outside service, which this stack has not`,
  );
