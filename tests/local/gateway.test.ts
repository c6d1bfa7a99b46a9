// The gateway with the real supabase-js: what an app sees of Auth, the Data API and the status page.

import { createRemoteJWKSet, decodeProtectedHeader, importJWK, type JWK, jwtVerify, SignJWT } from "jose";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Stack } from "../../supabase/local/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { clientOf, newUser, password, startSmallStack, type TestUser } from "./small-stack.ts";

// Before the imports run: what is printed in spite of the stack's own care.
const printed = vi.hoisted(() => {
  const values: unknown[][] = [];
  console.error = (...printed: unknown[]) => void values.push(printed);
  return values;
});

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let stack: Stack;
let ada: TestUser;
let bob: TestUser;
const lines: string[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  stack = await startSmallStack({ dataDirectory: folder.path, log: (line) => lines.push(line) });
  [ada, bob] = await Promise.all([newUser(stack), newUser(stack)]);
}, 60_000);

afterAll(async () => {
  await stack?.stop();
  await folder?.remove();
});

/** A token with changes, signed by the stack's own key or another. */
async function forge(changes: Record<string, unknown>, key?: JWK): Promise<string> {
  const own =
    (JSON.parse(await readFile(join(folder.path, "keys.json"), "utf8")) as { signingKey: JWK }).signingKey;
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    sub: ada.id,
    role: "authenticated",
    iss: `${stack.url}/auth/v1`,
    aud: "authenticated",
    exp: now + 60,
  };
  return await new SignJWT({ ...claims, ...changes }).setProtectedHeader({ alg: "ES256", kid: own.kid })
    .sign(await importJWK(key ?? own, "ES256"));
}

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(stack.url + path, { headers });
}

describe("auth", () => {
  test("a sign-up gives an ES256 token that verifies with the published JWKS", async () => {
    const jwks = createRemoteJWKSet(new URL(`${stack.url}/auth/v1/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(ada.token, jwks, {
      issuer: `${stack.url}/auth/v1`,
      audience: "authenticated",
    });
    expect(protectedHeader).toMatchObject({ alg: "ES256", kid: expect.any(String) });
    expect(payload).toMatchObject({ sub: ada.id, role: "authenticated", aal: "aal1", email: ada.email });
    expect(payload.session_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(payload.exp! - payload.iat!).toBe(3600);
  });

  test("the JWKS does not show the private part", async () => {
    const { keys } = await (await get("/auth/v1/.well-known/jwks.json")).json() as { keys: JWK[] };
    expect(keys).toHaveLength(1);
    expect(keys[0]).not.toHaveProperty("d");
  });

  test("sign-in takes the right password and refuses a wrong one", async () => {
    const client = clientOf(stack);
    const wrong = await client.auth.signInWithPassword({ email: ada.email, password: "wrong horse" });
    expect(wrong.error).toMatchObject({ status: 400, code: "invalid_credentials" });
    const right = await client.auth.signInWithPassword({ email: ada.email, password });
    expect(decodeProtectedHeader(right.data.session!.access_token).alg).toBe("ES256");
    expect((await client.auth.getUser()).data.user?.id).toBe(ada.id);
  });

  test("an address can sign up once, a short password never", async () => {
    const client = clientOf(stack);
    const again = await client.auth.signUp({ email: ada.email.toUpperCase(), password });
    expect(again.error).toMatchObject({ status: 422, code: "user_already_exists" });
    const short = await client.auth.signUp({ email: "short@example.com", password: "12345" });
    expect(short.error).toMatchObject({ status: 422, code: "weak_password" });
  });

  test("a refresh token gives a new session of the same user, an unknown one does not", async () => {
    const { client, id } = await newUser(stack);
    const before = (await client.auth.getSession()).data.session!;
    const { data } = await client.auth.refreshSession();
    expect(data.user?.id).toBe(id);
    expect(data.session?.refresh_token).not.toBe(before.refresh_token);
    const unknown = await clientOf(stack).auth.refreshSession({ refresh_token: "unknown" });
    expect(unknown.error).toMatchObject({ status: 400, code: "refresh_token_not_found" });
  });

  test("after sign-out the session is gone, for its refresh token and for /user", async () => {
    const { client, token } = await newUser(stack);
    const { refresh_token } = (await client.auth.getSession()).data.session!;
    expect((await client.auth.signOut()).error).toBeNull();
    const refreshed = await clientOf(stack).auth.refreshSession({ refresh_token });
    expect(refreshed.error).toMatchObject({ status: 400 });
    const user = await get("/auth/v1/user", {
      apikey: stack.publishableKey,
      authorization: `Bearer ${token}`,
    });
    expect([user.status, await user.json()]).toMatchObject([403, { error_code: "session_not_found" }]);
  });

  test("an anonymous user has a token that says so, and can become one with an address", async () => {
    const client = clientOf(stack);
    const { data } = await client.auth.signInAnonymously();
    expect(data.user).toMatchObject({ is_anonymous: true, email: "" });
    const changed = await client.auth.updateUser({ email: "was-anonymous@example.com", password });
    expect(changed.data.user).toMatchObject({ id: data.user!.id, is_anonymous: false });
    const again = await clientOf(stack).auth.signInWithPassword({
      email: "was-anonymous@example.com",
      password,
    });
    expect(again.data.user?.id).toBe(data.user!.id);
  });

  test("the secret key manages users, the publishable key does not", async () => {
    const { admin } = clientOf(stack, stack.secretKey).auth;
    const made = await admin.createUser({ email: "made@example.com", password, email_confirm: false });
    const id = made.data.user!.id;
    const unconfirmed = await clientOf(stack).auth.signInWithPassword({
      email: "made@example.com",
      password,
    });
    expect(unconfirmed.error).toMatchObject({ code: "email_not_confirmed" });
    expect((await admin.updateUserById(id, { email_confirm: true })).data.user?.email_confirmed_at)
      .toBeTruthy();
    expect((await admin.listUsers()).data.users.map((user) => user.id)).toContain(id);
    expect((await admin.deleteUser(id)).error).toBeNull();
    expect((await admin.getUserById(id)).error).toMatchObject({ status: 404 });
    expect((await clientOf(stack).auth.admin.listUsers()).error).toMatchObject({ code: "not_admin" });
  });
});

describe("credentials", () => {
  // Anybody with a key may call this one: a bad token lowered to anon would get 200.
  const open = "/rest/v1/rpc/count_up?last=1";
  test.each([
    ["no key", {}, 401],
    ["an unknown key", () => ({ apikey: "sb_publishable_unknown" }), 401],
    ["an expired token", async () => ({ token: await forge({ exp: 1_700_000_000 }) }), 401],
    [
      "another issuer's token",
      async () => ({ token: await forge({ iss: "http://127.0.0.1:1/auth/v1" }) }),
      401,
    ],
    ["another audience's token", async () => ({ token: await forge({ aud: "other" }) }), 401],
    ["a token without a role", async () => ({ token: await forge({ role: undefined }) }), 401],
    ["a cut token", () => ({ token: ada.token.slice(0, -4) }), 401],
    ["not a token at all", () => ({ token: "abc" }), 401],
    ["a good token", () => ({ token: ada.token }), 200],
  ])("%s is answered as on hosted", async (_name, given, status) => {
    const made: { apikey?: string; token?: string } = typeof given === "function" ? await given() : given;
    const apikey = made.apikey ?? (made.token ? stack.publishableKey : undefined);
    const response = await get(open, {
      ...(apikey ? { apikey } : {}),
      ...(made.token ? { authorization: `Bearer ${made.token}` } : {}),
    });
    expect(response.status).toBe(status);
    await response.body?.cancel();
  });

  test("a token that another key signed is refused by every service", async () => {
    const { d, x, y } = await otherKey();
    const token = await forge({}, { kty: "EC", crv: "P-256", d, x, y });
    const headers = { apikey: stack.publishableKey, authorization: `Bearer ${token}` };
    for (const path of [open, "/auth/v1/user"]) {
      expect((await get(path, headers)).status, path).toBe(401);
    }
    const storage = await get("/storage/v1/object/pictures/x.png", headers);
    expect([storage.status, await storage.json()]).toMatchObject([400, { statusCode: "403" }]);
  });

  test("the secret key does not work from a browser", async () => {
    const response = await get(open, { apikey: stack.secretKey, "user-agent": "Mozilla/5.0 (X11)" });
    expect(response.status).toBe(401);
  });

  test("a key as Bearer counts as the key", async () => {
    const response = await get("/rest/v1/rpc/count_up?last=1", {
      authorization: `Bearer ${stack.secretKey}`,
    });
    expect(response.status).toBe(200);
  });
});

async function otherKey(): Promise<JWK> {
  const { exportJWK, generateKeyPair } = await import("jose");
  return await exportJWK((await generateKeyPair("ES256", { extractable: true })).privateKey);
}

describe("rest", () => {
  test("row level security shows each user their own rows only", async () => {
    const inserted = await ada.client.from("notes").insert({ body: { text: "mine" } }).select().single();
    expect(inserted.data).toMatchObject({
      owner: ada.id,
      body: { text: "mine" },
      made_at: "2026-01-01T00:00:00.5+00:00",
    });
    expect((await ada.client.from("notes").select("id")).data).toHaveLength(1);
    expect((await bob.client.from("notes").select("id")).data).toEqual([]);
    const foreign = await bob.client.from("notes").insert({ owner: ada.id, body: {} });
    expect(foreign).toMatchObject({ status: 403, error: { code: "42501" } });
  });

  test("a missing grant is missing for every role, also the service's", async () => {
    const service = clientOf(stack, stack.secretKey);
    for (const client of [clientOf(stack), ada.client, service]) {
      expect((await client.from("ungranted").select("id")).error?.code).toBe("42501");
    }
  });

  test("an error that SQL raises keeps its status, code, details, hint and message", async () => {
    const { status, error } = await ada.client.rpc("refuse");
    expect(status).toBe(402);
    expect({ ...error }).toMatchObject({
      code: "PT402",
      details: '{"balance": 1, "price": 4}',
      hint: "buy some",
      message: "not enough credits",
    });
  });

  test.each([[{ a: 1 }, "object"], [[1, "2"], "array"], ["{not json", "string"]])(
    "a jsonb argument %j arrives as what it is",
    async (value, kind) => {
      expect((await ada.client.rpc("kind_of", { value })).data).toBe(kind);
    },
  );

  test("an answer ends at 1,000 rows", async () => {
    expect((await ada.client.rpc("count_up", { last: 1001 })).data).toHaveLength(1000);
  });

  test("a refused request leaves no line in any log", async () => {
    const before = [printed.length, lines.length];
    await ada.client.rpc("refuse");
    expect([printed.length, lines.length]).toEqual(before);
  });
});

describe("address", () => {
  test("preflights of rest, auth and storage are answered, those of functions are the function's", async () => {
    const headers = { origin: "http://app", "access-control-request-headers": "apikey,x-own" };
    for (const path of ["/rest/v1/notes", "/auth/v1/token", "/storage/v1/object/pictures/x"]) {
      const response = await fetch(stack.url + path, { method: "OPTIONS", headers });
      expect(response.headers.get("access-control-allow-origin"), path).toBe("*");
      expect(response.headers.get("access-control-allow-headers"), path).toBe("apikey,x-own");
    }
    const own = await fetch(`${stack.url}/functions/v1/echo`, { method: "OPTIONS", headers });
    expect(own.headers.get("access-control-allow-origin")).toBeNull();
    await own.body?.cancel();
  });

  test("answers of rest, auth and storage may be read by any origin, also when they refuse", async () => {
    for (const path of ["/rest/v1/notes", "/auth/v1/user", "/storage/v1/bucket"]) {
      for (const headers of [{}, { apikey: stack.publishableKey }, { apikey: "sb_publishable_unknown" }]) {
        const response = await get(path, headers as Record<string, string>);
        expect(response.headers.get("access-control-allow-origin"), path).toBe("*");
      }
    }
  });

  test("the status says what runs, and neither it nor the page shows the secret key", async () => {
    const status = await get("/_status");
    expect(await status.clone().json()).toMatchObject({
      ready: true,
      functions: ["broken", "echo", "guarded", "who"],
    });
    const page = await (await get("/status")).text();
    expect(page).toContain(stack.publishableKey);
    expect(page + await status.text()).not.toContain(stack.secretKey);
  });

  test("the playground is served with what it needs, without the secret key", async () => {
    const page = await (await get("/")).text();
    const assets = [...page.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path = ""]) => path);
    expect(assets.map((path) => path.slice(path.lastIndexOf(".")))).toEqual(
      expect.arrayContaining([".js", ".css"]),
    );
    const texts = await Promise.all(["/playground.json", ...assets].map(async (path) => {
      const answer = await get(path);
      expect(answer.status, path).toBe(200);
      return await answer.text();
    }));
    expect(JSON.parse(texts[0]!)).toMatchObject({ url: stack.url, publishableKey: stack.publishableKey });
    expect(texts.join()).not.toContain(stack.secretKey);
    expect((await get("/assets/../package.json")).status).toBe(404);
    expect((await get("/nowhere")).status).toBe(404);
  });

  test("pages of this machine alone control the stand-in", async () => {
    const ask = (origin: string | null) =>
      fetch(`${stack.url}/playground/provider`, { ...(origin !== null && { headers: { origin } }) });
    expect((await ask("https://elsewhere.example")).status).toBe(404);
    expect(await (await ask(stack.url)).json()).toMatchObject({
      settings: { latencyMs: expect.any(Number) },
    });
  });

  test("a function that uses withSupabase lets the user in, sees their rows, and refuses a bad token", async () => {
    const { client, id } = await newUser(stack);
    await client.from("notes").insert({ body: { n: 1 } });
    const { data } = await client.functions.invoke("who");
    expect(data).toEqual({ id, notes: [{ body: { n: 1 } }], error: null });
    const refused = await get("/functions/v1/who", {
      authorization: `Bearer ${await forge({ exp: 1_700_000_000 })}`,
    });
    expect(refused.status).toBe(401);
    expect((await get("/functions/v1/who", { apikey: stack.publishableKey })).status).toBe(401);
  });

  test("the broadcast endpoint of Realtime is behind the same address", async () => {
    const response = await fetch(`${stack.url}/realtime/v1/api/broadcast`, {
      method: "POST",
      headers: { apikey: stack.secretKey, "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ topic: "t", event: "e", payload: {}, private: true }] }),
    });
    expect(response.status).toBe(202);
  });

  test("a channel of Realtime hears what the database sends, through the same address", async () => {
    const postgres = (await import("postgres")).default;
    const channel = ada.client.channel("news", {
      config: { private: false, broadcast: { replication_ready: true } },
    });
    const heard = new Promise((resolve) => channel.on("broadcast", { event: "hello" }, resolve));
    await new Promise<void>((resolve, reject) => {
      channel.on(
        "system",
        {},
        ({ status, message }) => status === "ok" ? resolve() : reject(new Error(message)),
      );
      channel.subscribe((_state, error) => error && reject(error));
    });
    const sql = postgres(stack.adminUrl, { max: 1 });
    await sql`select realtime.send('{"n": 1}'::jsonb, 'hello', 'news', false)`;
    expect(await heard).toMatchObject({ payload: { n: 1 } });
    await sql.end();
    await ada.client.removeAllChannels();
  });
});
