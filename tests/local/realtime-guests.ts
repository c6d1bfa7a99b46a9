// Who comes to a Realtime in a test, and goes again after it.

import type { RealtimeChannel, SupabaseClient } from "@supabase/supabase-js";
import { leave, type Person, person, type PersonOptions, type Served, stranger } from "./realtime-host.ts";

export interface Guests {
  /** Signed in. */
  user(options?: PersonOptions): Promise<Person>;
  /** With an API key and no token. */
  outsider(key?: string): SupabaseClient;
  leave(): Promise<void>;
}

export function guestsOf(host: () => Served): Guests {
  const clients: SupabaseClient[] = [];
  return {
    user: async (options) => {
      const made = await person(host(), options);
      clients.push(made.client);
      return made;
    },
    outsider: (key) => {
      const made = stranger(host(), key);
      clients.push(made);
      return made;
    },
    leave: () => leave(...clients.splice(0)),
  };
}

/** The private topic that only its owner may read and nobody may write. */
export function room(owner: Person, client = owner.client, broadcast = {}): RealtimeChannel {
  return client.channel(`room:${owner.id}`, { config: { private: true, broadcast } });
}
