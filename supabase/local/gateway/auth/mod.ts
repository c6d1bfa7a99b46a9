// /auth/v1: e-mail and password, anonymous users, refresh, sign-out, the admin API for users.
// Not here: mail (links, codes, recovery), OAuth, MFA; those answer 501.
//
// Own code and not @supabase/lite's, whose tokens are HS256 without kid, iss and session, which has neither anonymous
// users nor an admin API, and whose bcrypt costs 100 ms a sign-up.

import postgres from "postgres";
import type { Log } from "../../log.ts";
import { type Callers, refuseKey } from "../caller.ts";
import type { Tokens } from "../tokens.ts";
import { admin } from "./admin.ts";
import {
  AuthError,
  invalid,
  invalidCredentials,
  noAuthorization,
  notHere,
  sessionNotFound,
} from "./errors.ts";
import { hashPassword, passwordMatches } from "./passwords.ts";
import { type AuthCall, bodyOf, emailOf, recordOf, text } from "./call.ts";
import { endSessions, openSession, refreshSession, refuseBanned, sessionExists } from "./sessions.ts";
import { changeUser, findUser, findUserByEmail, insertUser, showUser } from "./users.ts";

export interface Auth {
  handle(request: Request): Promise<Response>;
  stop(): Promise<void>;
}

export interface AuthOptions {
  adminUrl: string;
  tokens: Tokens;
  callers: Callers;
  log: Log;
}

type Handler = (call: AuthCall) => Promise<unknown>;

const routes: Record<string, Handler> = {
  "GET /health": () =>
    Promise.resolve({ name: "GoTrue", version: "local", description: "Genflow local auth" }),
  "GET /settings": () =>
    Promise.resolve({ external: { email: true, anonymous_users: true }, mailer_autoconfirm: true }),
  "POST /signup": signUp,
  "POST /token": signIn,
  "GET /user": async (call) => showUser(await signedInUser(call)),
  "PUT /user": updateSelf,
  "POST /logout": signOut,
};

export function startAuth({ adminUrl, tokens, callers, log }: AuthOptions): Auth {
  const sql = postgres(adminUrl, {
    onnotice: () => {},
    // Hosted's auth service works as this role: a trigger on auth.users runs with its few rights, not with all.
    connection: { application_name: "auth", role: "supabase_auth_admin" },
  });
  return {
    async handle(request) {
      const url = new URL(request.url);
      const path = url.pathname.replace(/^\/auth\/v1/, "");
      if (path === "/.well-known/jwks.json") return Response.json(tokens.jwks);
      const identity = await callers.identify(request.headers, url, "required");
      if (!identity.caller) return refuseKey(identity.refused) ?? badToken(identity.refused).toResponse();
      try {
        const handler = routes[`${request.method} ${path}`] ??
          (path.startsWith("/admin/users") ? admin : null);
        if (!handler) throw notHere(`${request.method} ${path}`);
        const answer = await handler({
          sql,
          tokens,
          caller: identity.caller,
          method: request.method,
          url,
          body: await bodyOf(request),
        });
        return answer === null ? new Response(null, { status: 204 }) : Response.json(answer);
      } catch (error) {
        if (error instanceof AuthError) return error.toResponse();
        log(
          `auth: ${request.method} ${path} failed: ${error instanceof Error ? error.message : String(error)}`,
        );
        return new AuthError(500, "unexpected_failure", "Unexpected failure, see the stack's log")
          .toResponse();
      }
    },
    stop: () => sql.end({ timeout: 1 }),
  };
}

function badToken(reason: string): AuthError {
  const detail = reason === "expired" ? "token is expired" : "signature is invalid";
  return new AuthError(401, "bad_jwt", `invalid JWT: unable to parse or verify signature, ${detail}`);
}

async function signUp({ sql, tokens, body }: AuthCall): Promise<unknown> {
  const email = emailOf(body);
  const userMetadata = recordOf(body.data);
  if (email === null && typeof body.phone === "string") throw notHere("Signing up by phone");
  const passwordHash = email === null ? null : await hashPassword(text(body.password, "password"));
  return await sql.begin(async (db) => {
    const user = await insertUser(db, { email, passwordHash, confirmed: email !== null, userMetadata });
    return await openSession(db, tokens, user, email === null ? "anonymous" : "password");
  });
}

async function signIn({ sql, tokens, body, url }: AuthCall): Promise<unknown> {
  const grant = url.searchParams.get("grant_type");
  if (grant === "refresh_token") {
    return await refreshSession(sql, tokens, text(body.refresh_token, "refresh_token"));
  }
  if (grant !== "password") throw notHere(`grant_type ${grant}`);
  const email = emailOf(body);
  const user = email === null ? null : await findUserByEmail(sql, email);
  if (!await passwordMatches(text(body.password, "password"), user?.encrypted_password ?? null) || !user) {
    throw invalidCredentials();
  }
  refuseBanned(user);
  if (user.email_confirmed_at === null) {
    throw new AuthError(400, "email_not_confirmed", "Email not confirmed");
  }
  return await sql.begin((db) => openSession(db, tokens, user, "password"));
}

async function signedInUser({ sql, caller }: AuthCall) {
  if (caller.userId === null) throw noAuthorization();
  const user = await findUser(sql, caller.userId);
  if (!user) throw new AuthError(403, "user_not_found", "User from sub claim in JWT does not exist");
  const sessionId = caller.claims.session_id;
  if (typeof sessionId !== "string" || !await sessionExists(sql, sessionId)) throw sessionNotFound();
  return user;
}

async function updateSelf(call: AuthCall): Promise<unknown> {
  const user = await signedInUser(call);
  const { body, sql } = call;
  const email = emailOf(body) ?? undefined;
  const passwordHash = body.password === undefined
    ? undefined
    : await hashPassword(text(body.password, "password"));
  const change = { email, passwordHash, userMetadata: recordOf(body.data) };
  return showUser(await sql.begin((db) => changeUser(db, user.id, change)));
}

async function signOut(call: AuthCall): Promise<null> {
  const user = await signedInUser(call);
  const scope = call.url.searchParams.get("scope") ?? "global";
  if (scope !== "global" && scope !== "local" && scope !== "others") throw invalid(`Unknown scope ${scope}`);
  await endSessions(call.sql, user.id, String(call.caller.claims.session_id), scope);
  return null;
}
