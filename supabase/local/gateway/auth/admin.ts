// The admin API for users (`supabase.auth.admin`): for the secret key only.

import { type AuthCall, emailOf, recordOf, text } from "./call.ts";
import { invalid, notAdmin, notHere, userNotFound } from "./errors.ts";
import { hashPassword } from "./passwords.ts";
import { changeUser, deleteUser, findUser, insertUser, listUsers, showUser } from "./users.ts";

const MAX_PER_PAGE = 1000;
const DEFAULT_PER_PAGE = 50;

export async function admin(call: AuthCall): Promise<unknown> {
  const { caller, url, method, sql } = call;
  if (caller.role !== "service_role") throw notAdmin();
  const [, id] = url.pathname.match(/\/admin\/users\/([^/]+)$/) ?? [];
  if (id === undefined) {
    if (method === "POST") return await create(call);
    if (method === "GET") return await list(call);
    throw notHere(`${method} ${url.pathname}`);
  }
  if (!/^[0-9a-f-]{36}$/i.test(id)) throw invalid("user_id must be a UUID");
  if (method === "PUT") return await update(call, id);
  if (method === "DELETE") {
    await deleteUser(sql, id);
    return {};
  }
  const user = await findUser(sql, id);
  if (!user) throw userNotFound();
  return showUser(user);
}

async function create({ sql, body }: AuthCall): Promise<unknown> {
  const email = emailOf(body);
  if (email === null) throw invalid("An email address is required");
  const user = {
    id: typeof body.id === "string" ? body.id : undefined,
    email,
    passwordHash: body.password === undefined ? null : await hashPassword(text(body.password, "password")),
    confirmed: body.email_confirm === true,
    userMetadata: recordOf(body.user_metadata),
    appMetadata: recordOf(body.app_metadata),
  };
  return showUser(await sql.begin((db) => insertUser(db, user)));
}

async function list({ sql, url }: AuthCall): Promise<unknown> {
  const page = Math.max(1, Number(url.searchParams.get("page")) || 1);
  const perPage = Math.min(MAX_PER_PAGE, Number(url.searchParams.get("per_page")) || DEFAULT_PER_PAGE);
  const users = await listUsers(sql, page, perPage);
  return { users: users.map(showUser), aud: "authenticated" };
}

async function update({ sql, body }: AuthCall, id: string): Promise<unknown> {
  const banned = typeof body.ban_duration === "string" ? bannedUntil(body.ban_duration) : undefined;
  const change = {
    email: emailOf(body) ?? undefined,
    passwordHash: body.password === undefined
      ? undefined
      : await hashPassword(text(body.password, "password")),
    confirmed: body.email_confirm === true ? true : undefined,
    userMetadata: recordOf(body.user_metadata),
    appMetadata: recordOf(body.app_metadata),
    bannedUntil: banned,
  };
  return showUser(await sql.begin((db) => changeUser(db, id, change)));
}

function bannedUntil(duration: string): Date | null {
  if (duration === "none") return null;
  const [, hours] = duration.match(/^(\d+)h$/) ?? [];
  if (hours === undefined) throw invalid("ban_duration must be none or a number of hours, such as 24h");
  return new Date(Date.now() + Number(hours) * 3_600_000);
}
