// Who is signed in, and a token that is good: looked after in one place before every call and every join.

import type { Supabase } from "./backend.ts";
import { clientError } from "./error.ts";
import { throwIfAborted } from "./signal.ts";

export interface SignedIn {
  userId: string;
  /** Good for a while yet. */
  token: string;
}

export interface Session {
  /** Refreshes a token that has run out. Rejects with `signed_out`, or `offline` where it could not be refreshed. */
  ensure(signal?: AbortSignal): Promise<SignedIn>;
  /**
   * Calls `listener` with who is signed in, now and whenever that changes; null: nobody. `deliberately` is false where
   * a session could not be kept up: then the user is expected back.
   */
  onUser(listener: (userId: string | null, deliberately: boolean) => void): () => void;
}

export function createSession({ auth }: Pick<Supabase, "auth">, now: () => number): Session {
  return {
    async ensure(signal) {
      const { data: { session }, error } = await auth.getSession();
      throwIfAborted(signal);
      if (session) return { userId: session.user.id, token: session.access_token };
      // A refresh that found no network leaves the session in place; one that was refused ends it.
      throw clientError(error?.name === "AuthRetryableFetchError" ? "offline" : "signed_out");
    },
    onUser(listener) {
      let expiresAtMs = 0;
      let known: string | null | undefined;
      const { data: { subscription } } = auth.onAuthStateChange((event, session) => {
        if (session) expiresAtMs = (session.expires_at ?? 0) * 1000;
        const userId = session?.user.id ?? null;
        if (userId === known) return;
        known = userId;
        // supabase-js says SIGNED_OUT both ways: with a token that had still been good, it was the user.
        listener(userId, event === "SIGNED_OUT" && now() < expiresAtMs);
      });
      return () => subscription.unsubscribe();
    },
  };
}
