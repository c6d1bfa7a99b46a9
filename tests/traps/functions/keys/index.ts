// Knows a server by its key: in the old way and in the way that works with the keys of today.

declare const Deno: { env: { get(name: string): string | undefined } };

const keysOf = (name: string): string[] => Object.values(JSON.parse(Deno.env.get(name) ?? "{}"));

export default {
  fetch: (request: Request) => {
    const key = request.headers.get("apikey") ?? "";
    const bearer = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? null;
    return Response.json({
      oldWay: [bearer, key].includes(Deno.env.get("SUPABASE_SERVICE_ROLE_KEY") ?? "not set"),
      isSecret: keysOf("SUPABASE_SECRET_KEYS").includes(key),
      isPublishable: keysOf("SUPABASE_PUBLISHABLE_KEYS").includes(key),
      bearer,
      own: Deno.env.get("OWN_SECRET") ?? null,
      url: Deno.env.get("SUPABASE_URL") ?? null,
    });
  },
};
