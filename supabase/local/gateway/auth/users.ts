// Rows of auth.users and auth.identities, and the user object that supabase-js shows.

import type { Sql, TransactionSql } from "postgres";
import { emailTaken, userNotFound } from "./errors.ts";

export type Db = Sql | TransactionSql;

export interface UserRow {
  id: string;
  aud: string;
  role: string;
  email: string | null;
  encrypted_password: string | null;
  email_confirmed_at: Date | null;
  last_sign_in_at: Date | null;
  raw_app_meta_data: Record<string, unknown> | null;
  raw_user_meta_data: Record<string, unknown> | null;
  is_anonymous: boolean;
  banned_until: Date | null;
  created_at: Date;
  updated_at: Date;
}

export interface NewUser {
  id?: string;
  email: string | null;
  passwordHash: string | null;
  confirmed: boolean;
  userMetadata?: Record<string, unknown>;
  appMetadata?: Record<string, unknown>;
}

export interface UserChange {
  email?: string;
  passwordHash?: string;
  confirmed?: boolean;
  userMetadata?: Record<string, unknown>;
  appMetadata?: Record<string, unknown>;
  bannedUntil?: Date | null;
}

const UNIQUE_VIOLATION = "23505";

const columns = [
  "id",
  "aud",
  "role",
  "email",
  "encrypted_password",
  "email_confirmed_at",
  "last_sign_in_at",
  "raw_app_meta_data",
  "raw_user_meta_data",
  "is_anonymous",
  "banned_until",
  "created_at",
  "updated_at",
];

export async function insertUser(db: Db, user: NewUser): Promise<UserRow> {
  const anonymous = user.email === null;
  const app = user.appMetadata ?? {};
  const appMetadata = anonymous ? app : { provider: "email", providers: ["email"], ...app };
  // A violated constraint would put the address into the database's log.
  const [row] = await db<UserRow[]>`
    insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data,
      raw_user_meta_data, is_anonymous, created_at, updated_at)
    values (coalesce(${
    user.id ?? null
  }::uuid, gen_random_uuid()), 'authenticated', 'authenticated', ${user.email},
      ${user.passwordHash}, case when ${user.confirmed} then now() end, ${db.json(plain(appMetadata))},
      ${db.json(plain(user.userMetadata ?? {}))}, ${anonymous}, now(), now())
    on conflict do nothing
    returning ${db(columns)}`;
  if (!row) throw emailTaken();
  if (user.email !== null) await insertIdentity(db, row);
  return row;
}

async function insertIdentity(db: Db, user: UserRow): Promise<void> {
  const data = { sub: user.id, email: user.email, email_verified: user.email_confirmed_at !== null };
  await db`
    insert into auth.identities (id, provider, provider_id, user_id, identity_data, created_at, updated_at)
    values (gen_random_uuid(), 'email', ${user.id}, ${user.id}, ${db.json(plain(data))}, now(), now())`;
}

export async function findUser(db: Db, id: string): Promise<UserRow | null> {
  const [row] = await db<UserRow[]>`select ${db(columns)} from auth.users where id = ${id}::uuid`;
  return row ?? null;
}

export async function findUserByEmail(db: Db, email: string): Promise<UserRow | null> {
  const [row] = await db<UserRow[]>`select ${db(columns)} from auth.users where email = ${email}`;
  return row ?? null;
}

export async function listUsers(db: Db, page: number, perPage: number): Promise<UserRow[]> {
  return await db<UserRow[]>`
    select ${db(columns)} from auth.users order by created_at desc limit ${perPage} offset ${
    (page - 1) * perPage
  }`;
}

export async function changeUser(db: Db, id: string, change: UserChange): Promise<UserRow> {
  const before = await findUser(db, id);
  if (!before) throw userNotFound();
  const owner = change.email === undefined ? null : await findUserByEmail(db, change.email);
  if (owner !== null && owner.id !== id) throw emailTaken();
  const becomesEmailUser = before.email === null && change.email !== undefined;
  const appMetadata = {
    ...before.raw_app_meta_data,
    ...(becomesEmailUser ? { provider: "email", providers: ["email"] } : {}),
    ...change.appMetadata,
  };
  const confirmed = change.confirmed ?? change.email !== undefined;
  const [row] = await taken(db<UserRow[]>`
    update auth.users set
      email = coalesce(${change.email ?? null}, email),
      encrypted_password = coalesce(${change.passwordHash ?? null}, encrypted_password),
      email_confirmed_at = case when ${confirmed} then coalesce(email_confirmed_at, now()) else email_confirmed_at end,
      raw_app_meta_data = ${db.json(plain(appMetadata))},
      raw_user_meta_data = ${db.json(plain({ ...before.raw_user_meta_data, ...change.userMetadata }))},
      is_anonymous = is_anonymous and not ${becomesEmailUser},
      banned_until = ${change.bannedUntil === undefined ? before.banned_until : change.bannedUntil},
      updated_at = now()
    where id = ${id}::uuid
    returning ${db(columns)}`);
  if (!row) throw userNotFound();
  if (becomesEmailUser) await insertIdentity(db, row);
  return row;
}

export async function deleteUser(db: Db, id: string): Promise<void> {
  const gone = await db`delete from auth.users where id = ${id}::uuid`;
  if (gone.count === 0) throw userNotFound();
}

export function showUser(user: UserRow): Record<string, unknown> {
  const { email } = user;
  return {
    id: user.id,
    aud: user.aud,
    role: user.role,
    email: email ?? "",
    phone: "",
    email_confirmed_at: user.email_confirmed_at,
    confirmed_at: user.email_confirmed_at,
    last_sign_in_at: user.last_sign_in_at,
    app_metadata: user.raw_app_meta_data ?? {},
    user_metadata: user.raw_user_meta_data ?? {},
    identities: email === null ? [] : [{
      id: user.id,
      user_id: user.id,
      identity_data: { sub: user.id, email },
      provider: "email",
      created_at: user.created_at,
      updated_at: user.updated_at,
    }],
    created_at: user.created_at,
    updated_at: user.updated_at,
    is_anonymous: user.is_anonymous,
  };
}

async function taken<T>(query: PromiseLike<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === UNIQUE_VIOLATION) throw emailTaken();
    throw error;
  }
}

// postgres.js types its JSON values closely; what arrives here came out of JSON.parse or is a literal above.
function plain(value: Record<string, unknown>): Record<string, string> {
  return value as Record<string, string>;
}
