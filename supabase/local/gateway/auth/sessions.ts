// Sessions: an access token of one hour and a refresh token that rotates, as on hosted.

import { randomBytes, randomUUID } from "node:crypto";
import type { Sql } from "postgres";
import type { Tokens } from "../tokens.ts";
import { invalidCredentials, refreshTokenNotFound, refreshTokenUsed } from "./errors.ts";
import { type Db, findUser, showUser, type UserRow } from "./users.ts";

const ACCESS_TOKEN_SECONDS = 3600;
/** A refresh token may be used twice within this time: two tabs or a lost answer, not a theft. */
const REUSE_SECONDS = 10;

export type SignInMethod = "password" | "anonymous";

interface RefreshTokenRow {
  token: string;
  session_id: string;
  user_id: string;
  revoked: boolean;
  reusable: boolean;
}

export async function openSession(
  db: Db,
  tokens: Tokens,
  user: UserRow,
  method: SignInMethod,
): Promise<Record<string, unknown>> {
  const sessionId = randomUUID();
  const refreshToken = newRefreshToken();
  await db`
    insert into auth.sessions (id, user_id, aal, created_at, updated_at)
    values (${sessionId}, ${user.id}, 'aal1', now(), now())`;
  await db`
    insert into auth.refresh_tokens (id, token, user_id, session_id, revoked, created_at, updated_at)
    values (gen_random_uuid(), ${refreshToken}, ${user.id}, ${sessionId}, false, now(), now())`;
  const [signedIn] = await db<{ last_sign_in_at: Date }[]>`
    update auth.users set last_sign_in_at = now() where id = ${user.id} returning last_sign_in_at`;
  return await showSession(tokens, { ...user, ...signedIn }, { sessionId, refreshToken, method });
}

export async function refreshSession(
  sql: Sql,
  tokens: Tokens,
  refreshToken: string,
): Promise<Record<string, unknown>> {
  const outcome = await sql.begin(async (db) => {
    const [row] = await db<RefreshTokenRow[]>`
      select token, session_id, user_id, revoked,
        updated_at > now() - make_interval(secs => ${REUSE_SECONDS}) as reusable
      from auth.refresh_tokens where token = ${refreshToken} for update`;
    if (!row) throw refreshTokenNotFound();
    if (row.revoked && !row.reusable) {
      // Somebody else holds a copy: the whole session ends. Committed, so the refusal is not thrown in here.
      await db`delete from auth.sessions where id = ${row.session_id}`;
      return "reused" as const;
    }
    const user = await findUser(db, row.user_id);
    if (!user) throw refreshTokenNotFound();
    refuseBanned(user);
    const next = newRefreshToken();
    await db`update auth.refresh_tokens set revoked = true, updated_at = now() where token = ${refreshToken} and not revoked`;
    await db`
      insert into auth.refresh_tokens (id, token, user_id, session_id, parent, revoked, created_at, updated_at)
      values (gen_random_uuid(), ${next}, ${user.id}, ${row.session_id}, ${refreshToken}, false, now(), now())`;
    const method = user.is_anonymous ? "anonymous" : "password";
    return await showSession(tokens, user, { sessionId: row.session_id, refreshToken: next, method });
  });
  if (outcome === "reused") throw refreshTokenUsed();
  return outcome;
}

export async function sessionExists(db: Db, sessionId: string): Promise<boolean> {
  return (await db`select id from auth.sessions where id = ${sessionId}::uuid`).length > 0;
}

export async function endSessions(
  db: Db,
  userId: string,
  sessionId: string,
  scope: "global" | "local" | "others",
): Promise<void> {
  await db`
    delete from auth.sessions
    where user_id = ${userId}
      and (${scope} = 'global' or (id = ${sessionId}::uuid) = (${scope} = 'local'))`;
}

export function refuseBanned(user: UserRow): void {
  if (user.banned_until && user.banned_until > new Date()) throw invalidCredentials();
}

async function showSession(
  tokens: Tokens,
  user: UserRow,
  session: { sessionId: string; refreshToken: string; method: SignInMethod },
): Promise<Record<string, unknown>> {
  const now = Math.floor(Date.now() / 1000);
  const accessToken = await tokens.sign({
    sub: user.id,
    email: user.email ?? "",
    phone: "",
    app_metadata: user.raw_app_meta_data ?? {},
    user_metadata: user.raw_user_meta_data ?? {},
    role: user.role,
    aal: "aal1",
    amr: [{ method: session.method, timestamp: now }],
    session_id: session.sessionId,
    is_anonymous: user.is_anonymous,
  }, ACCESS_TOKEN_SECONDS);
  return {
    access_token: accessToken,
    token_type: "bearer",
    expires_in: ACCESS_TOKEN_SECONDS,
    expires_at: now + ACCESS_TOKEN_SECONDS,
    refresh_token: session.refreshToken,
    user: showUser(user),
  };
}

function newRefreshToken(): string {
  return randomBytes(9).toString("base64url");
}
