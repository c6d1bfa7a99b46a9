// Who is signed in, by supabase-js itself: signing in is the app's and not the service's.

import type { SupabaseClient } from "@supabase/supabase-js";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";

type Auth = SupabaseClient["auth"];

interface Held {
  auth: Auth;
  /** Undefined until it is known; null: nobody. */
  email: string | null | undefined;
}

const Session = createContext<Held | null>(null);

export function SessionProvider({ auth, children }: { auth: Auth; children: ReactNode }) {
  const [email, setEmail] = useState<string | null | undefined>(undefined);
  useEffect(() => {
    const { data: { subscription } } = auth.onAuthStateChange((_, session) => {
      setEmail(session ? session.user.email ?? "" : null);
    });
    return () => subscription.unsubscribe();
  }, [auth]);
  return <Session value={{ auth, email }}>{children}</Session>;
}

export function useSession(): Held {
  const held = useContext(Session);
  if (!held) throw new Error("There is no <SessionProvider> above this component.");
  return held;
}
