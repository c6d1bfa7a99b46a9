// What the platform's own guidance writes: the user's token is checked, both clients work.
import { withSupabase } from "@supabase/server";

export default {
  fetch: withSupabase({ auth: "user" }, async (_request, context) => {
    const own = await context.supabase.from("notes").select("body");
    const admin = await context.supabaseAdmin.rpc("kind_of", { value: {} });
    return Response.json({
      id: context.userClaims?.id,
      notes: own.data,
      error: own.error,
      kind: admin.error?.code,
    });
  }),
};
